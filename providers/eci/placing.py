"""Which choice and which places a create tries now: what was short of stock lately is left out.

The memory is shared by all processes (`providers.stock`); a process also remembers by itself, so
that the choices are gone through without Redis too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from providers.base import InstanceSpec, Placement
from providers.eci import options
from providers.eci.choices import Choice, choices
from providers.errors import OutOfStock
from providers.stock import SECONDS, Stock


class Memory:
    """Where what was short of stock within the last three minutes."""

    def __init__(
        self, shared: Stock | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._shared = shared
        self._clock = clock
        self._own: dict[tuple[str, str], float] = {}

    async def remember(self, zones: Iterable[str], names: Iterable[str]) -> None:
        zones, until = list(zones), self._clock() + SECONDS
        for name in names:
            self._own |= {(zone, name): until for zone in zones}
            if self._shared is not None:
                await self._shared.remember(zones, name)
        now = self._clock()
        self._own = {place: end for place, end in self._own.items() if end > now}

    async def short(self, zones: Sequence[str], name: str) -> frozenset[str]:
        now = self._clock()
        own = {zone for zone in zones if self._own.get((zone, name), 0.0) > now}
        shared = await self._shared.short(zones, name) if self._shared is not None else frozenset()
        return shared | own

    async def aclose(self) -> None:
        if self._shared is not None:
            await self._shared.aclose()


# Without any vSwitch the cloud uses the region's default one.
_DEFAULT = Placement("", "")


def places(spec: InstanceSpec) -> tuple[Placement, ...]:
    """Where the spec may be put, one place at least.

    A vSwitch that is none of the node's has its id for a zone.
    """
    zones = {placement.subnet: placement.zone for placement in spec.placements}
    named = options.vswitches(spec)[0]
    return tuple(Placement(zones.get(one, one), one) for one in named) or (_DEFAULT,)


async def placed(spec: InstanceSpec, memory: Memory) -> InstanceSpec:
    """The spec with one choice and the places it has; `left`: how many choices come after it.

    Raises `OutOfStock` when every place of every choice was short of stock lately.
    """
    found, everywhere = choices(spec), places(spec)
    for index, choice in enumerate(found):
        usable = await _usable(choice, everywhere, memory)
        if usable:
            left = len(found) - 1 - index
            return replace(choice.narrowed(_put(spec, usable)), placed=True, left=left)
    zones = [placement.zone for placement in everywhere]
    tried = ", ".join(choice.size.label for choice in found)
    raise OutOfStock(
        f"no stock of {tried} in {', '.join(zones)} within the last three minutes",
        code="RememberedNoStock",
        zone=zones[0],
        spec=found[0].size.label,
    )


async def _usable(
    choice: Choice, everywhere: Sequence[Placement], memory: Memory
) -> tuple[Placement, ...]:
    """The places where something of the choice may be had."""
    zones = [placement.zone for placement in everywhere]
    short = [await memory.short(zones, name) for name in choice.stocks]
    nothing = frozenset.intersection(*short)
    return tuple(placement for placement in everywhere if placement.zone not in nothing)


def _put(spec: InstanceSpec, usable: tuple[Placement, ...]) -> InstanceSpec:
    """The annotation that names vSwitches names those that are left."""
    if usable == (_DEFAULT,):
        return spec
    name = options.TABLE["eci-vswitch"].name
    if not spec.options.get(name, "").strip():
        return replace(spec, placements=usable)
    own = {**spec.options, name: ",".join(placement.subnet for placement in usable)}
    return replace(spec, placements=usable, options=own)
