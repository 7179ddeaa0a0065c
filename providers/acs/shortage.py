"""Zones that ACS had no stock in lately, by size, class and quality."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from kube import Pod
from providers.acs import answer, keys, sizes
from providers.base import InstanceSpec
from providers.errors import OutOfStock
from providers.stock import Stock


class Shortage:
    """`base.Placing` over the three-minute memory; without one every place is tried."""

    def __init__(self, stock: Stock | None) -> None:
        self._stock = stock

    async def aclose(self) -> None:
        if self._stock is not None:
            await self._stock.aclose()

    async def remember(self, zones: Sequence[str], size: str) -> None:
        if self._stock is not None:
            await self._stock.remember(zones, size)

    async def placed(self, spec: InstanceSpec) -> InstanceSpec:
        """A pod that names its own vSwitches goes where it says."""
        own = spec.options.get(keys.VSWITCHES)
        if self._stock is None or spec.placed or own or not spec.placements:
            return spec
        zones, size = [one.zone for one in spec.placements], sizes.billed_size(spec)
        asked = sizes.stocked(size)
        short = await self._stock.short(zones, asked)
        short |= await self._stock.short(zones, size.label)
        left = tuple(one for one in spec.placements if one.zone not in short)
        if left:
            return replace(spec, placements=left, placed=True)
        raise OutOfStock(
            f"no stock of {asked} in {', '.join(zones)} within the last three minutes",
            code="RememberedNoStock",
            zone=zones[0],
            spec=size.label,
        )

    async def note(self, pods: Iterable[Pod]) -> None:
        """Remember what ACS says it has no stock for."""
        for pod in pods:
            if answer.short(pod) and self._stock is not None:
                await self._stock.remember(answer.zones(pod), _wanted_by(pod))


def _wanted_by(pod: Pod) -> str:
    annotations, labels = pod.metadata.annotations or {}, pod.metadata.labels or {}
    return annotations.get(keys.SIZE, f"- {keys.tier(labels)}")
