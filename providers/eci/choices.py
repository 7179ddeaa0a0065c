"""What a create may ask for, in order of preference: sizes, ECS types, spot and its fallback.

CreateContainerGroup takes one pair of vCPU and memory, or up to five ECS types of which the cloud
takes the first that is in stock. An annotation may name both, and several pairs, and a fallback
from spot: each further request is a choice of its own, to be tried after the one before was
refused for want of stock. Pure.

Source: ECI user guide, "Create pods by specifying multiple specifications", "Specify a compute
category to create a pod", "Specify or exclude specific ECS instance families to create a pod" and
"Create a preemptible elastic container instance".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from providers.base import InstanceSpec, Size
from providers.eci import ecs, options, sizes
from providers.eci.ecs import Kind
from providers.errors import InvalidSpec

SPOT = "spot"
_MOST_TYPES = 5
_TIERS = (SPOT, "economy", "general")
_SIZE_KEYS = (
    options.USE_SPECS,
    options.OLD_TYPE,
    "eci-cpu",
    "eci-memory",
    "eci-instance-family",
    "eci-instance-generation",
    "eci-compute-category",
)
_SPOT_KEYS = ("eci-spot-strategy", "eci-spot-price-limit", "eci-spot-duration")


@dataclass(frozen=True, slots=True)
class Choice:
    """One request: `size` is what its first way is billed as; `types` are tried by the cloud."""

    size: Size
    types: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    spot: bool = False

    @property
    def stocks(self) -> tuple[str, ...]:
        """What can be short of stock: under these names it is remembered."""
        tier = f" {SPOT}" if self.spot else ""
        if self.types:
            return tuple(name + tier for name in self.types)
        return tuple(f"{self.size.label} {c}" for c in self.categories) or (self.size.label + tier,)

    def narrowed(self, spec: InstanceSpec) -> InstanceSpec:
        """The spec that has this choice alone."""
        gone = (*_SIZE_KEYS, "eci-spot-fallback", *(() if self.spot else _SPOT_KEYS))
        own = options.without(spec.options, gone)
        own[options.PREFIX + options.USE_SPECS] = ",".join(self.types) or self.size.label
        if self.categories:
            own[options.PREFIX + "eci-compute-category"] = ",".join(self.categories)
        return replace(spec, options=own)

    def fields(self, spec: InstanceSpec) -> dict[str, Any]:
        """Parameters of CreateContainerGroup."""
        found: dict[str, Any] = {}
        if self.types:
            found["InstanceType"] = ",".join(self.types)
        else:
            found |= {"Cpu": float(self.size.cpu), "Memory": float(self.size.memory)}
        if self.categories:
            found["ComputeCategory"] = list(self.categories)
        if self.spot:
            found["SpotStrategy"] = options.parsed(spec.options, "eci-spot-strategy")
            found["SpotPriceLimit"] = options.parsed(spec.options, "eci-spot-price-limit")
            found["SpotDuration"] = options.parsed(spec.options, "eci-spot-duration")
        return found


def named(size: str) -> tuple[str, ...]:
    """Under which names a size is remembered: what has no tier is short in each of them."""
    return (size,) if " " in size else (size, *(f"{size} {tier}" for tier in _TIERS))


def choices(spec: InstanceSpec) -> tuple[Choice, ...]:
    """At least one. Raises `InvalidSpec` when annotations contradict or no size is large enough."""
    strategy = options.parsed(spec.options, "eci-spot-strategy") or "NoSpot"
    spot = strategy != "NoSpot"
    _check(spec, strategy)
    found = _distinct(_requests(spec, spot=spot))
    if spot and options.parsed(spec.options, "eci-spot-fallback"):
        found += _distinct(_requests(spec, spot=False))
    if not found:
        raise _too_large(spec, spot=spot)
    return tuple(found)


def billed_size(spec: InstanceSpec) -> Size:
    """What the first choice is billed as, before the cloud has answered."""
    extra: int = options.parsed(spec.options, "eci-extra-ephemeral-storage") or 0
    return replace(choices(spec)[0].size, storage=extra)


def entries(spec: InstanceSpec) -> list[str]:
    """`2-4Gi` and ECS types in order of preference; empty when no annotation names any."""
    for key in (options.USE_SPECS, options.OLD_TYPE):
        named: list[str] = options.parsed(spec.options, key) or []
        if named:
            return named
    return []


def _check(spec: InstanceSpec, strategy: str) -> None:
    own, kinds = spec.options, {_kind(entry) for entry in entries(spec)}
    if len(kinds) > 1:
        raise _contradiction(
            f"{options.PREFIX}{options.USE_SPECS} mixes {' and '.join(sorted(kinds))} types. "
            "Name types of one kind."
        )
    if strategy == "SpotWithPriceLimit" and options.parsed(own, "eci-spot-price-limit") is None:
        raise _contradiction(
            f"{options.PREFIX}eci-spot-strategy is SpotWithPriceLimit without a limit. "
            f"Add {options.PREFIX}eci-spot-price-limit."
        )
    if not options.parsed(own, "eci-compute-category"):
        return
    for key in ("eci-instance-family", "eci-instance-generation"):
        if options.parsed(own, key):
            raise _excluded(key)
    if strategy != "NoSpot":
        raise _excluded("eci-spot-strategy")


def _excluded(key: str) -> InvalidSpec:
    return _contradiction(
        f"{options.PREFIX}eci-compute-category and {options.PREFIX}{key} exclude each other. "
        "Remove one of them."
    )


def _contradiction(message: str) -> InvalidSpec:
    return InvalidSpec(message, code="InvalidAnnotation")


def _kind(entry: str) -> Kind:
    return ecs.kind_of(entry) if entry.startswith("ecs.") else Kind.PLAIN


def _distinct(requests: Iterator[Choice]) -> list[Choice]:
    return list(dict.fromkeys(requests))


def _requests(spec: InstanceSpec, *, spot: bool) -> Iterator[Choice]:
    """ECS types that follow one another go together, a pair of vCPU and memory alone."""
    together: list[str] = []
    for entry in entries(spec) or [""]:
        if entry.startswith("ecs."):
            together.append(entry)
            continue
        if together:
            yield _typed(together, spot)
            together = []
        yield from _sized(spec, entry, spot=spot)
    if together:
        yield _typed(together, spot)


def _typed(types: list[str], spot: bool) -> Choice:
    size = ecs.size_of(types[0])
    return Choice(replace(size, tier=SPOT if spot else ""), types=tuple(types), spot=spot)


def _sized(spec: InstanceSpec, entry: str, *, spot: bool) -> Iterator[Choice]:
    """The choices of one pair of vCPU and memory; none when it is too large."""
    cpu, memory = sizes.pair(entry) if entry else sizes.asked(spec)
    wanted = options.parsed(spec.options, "eci-instance-family") or []
    generations = options.parsed(spec.options, "eci-instance-generation") or []
    if wanted or generations:
        yield from _of_families(cpu, memory, wanted, generations, spot=spot)
        return
    categories = tuple(options.parsed(spec.options, "eci-compute-category") or ())
    size = sizes.round_up(cpu, memory, region=spec.region, spot=spot, categories=categories)
    if size is None:
        return
    sold = tuple(c for c in categories if sizes.sold_as(size.cpu, c))
    tier = SPOT if spot else sold[0] if sold else ""
    yield Choice(replace(size, tier=tier), categories=sold, spot=spot)


def _of_families(
    cpu: Decimal, memory: Decimal, wanted: list[str], generations: list[str], *, spot: bool
) -> Iterator[Choice]:
    """A pair in the families that annotations name is made of their ECS types and billed so."""
    unknown = [name for name in wanted if name.removeprefix("-ecs.") == name]
    unknown = [name for name in unknown if name.removeprefix("ecs.") not in ecs.FAMILIES]
    if unknown:
        raise _contradiction(
            f"{options.PREFIX}eci-instance-family names {', '.join(unknown)}, whose types are not "
            f"known here. Name its types in {options.PREFIX}{options.USE_SPECS}."
        )
    size = sizes.or_default(cpu, memory)
    types = ecs.fitting(ecs.chosen(wanted, generations), *size)
    if not types:
        raise _contradiction(
            f"no type of {', '.join([*wanted, *generations])} is known here that holds "
            f"{sizes.label(*size)}. Name its types in {options.PREFIX}{options.USE_SPECS}."
        )
    for start in range(0, len(types), _MOST_TYPES):
        yield _typed(list(types[start : start + _MOST_TYPES]), spot)


def _too_large(spec: InstanceSpec, *, spot: bool) -> InvalidSpec:
    categories = tuple(options.parsed(spec.options, "eci-compute-category") or ())
    largest = sizes.largest(spec.region, spot=spot, categories=categories)
    tier = SPOT if spot else " or ".join(categories)
    asked = ", ".join(entries(spec)) or sizes.label(*sizes.asked(spec))
    return InvalidSpec(
        f"{asked} is more than the largest {tier} size, {largest}. Ask for less, split the pod, "
        f"or name an ECS type in {options.PREFIX}{options.USE_SPECS}.".replace("  ", " "),
        code="TooLarge",
    )
