"""Which size ACS bills.

Source: ACS user guide, "ACS Pod overview": the table of sizes, 2 vCPUs and 4 GiB when nothing is
asked, sums rounded up to the nearest size, `pod-required-spec` (CPU classes only, refused when
smaller than what the containers ask), GPU sizes by model and cards, GPU-HPN as asked. The page does
not say what is taken for vCPUs without memory: 2 vCPUs alone become `2-4Gi` in ACK user guide, "Run
Pods on ACS using virtual nodes", so that each takes its part of the default.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import replace
from decimal import ROUND_CEILING, Decimal

from providers.acs import gpus, keys
from providers.acs.gpus import Grid
from providers.base import Container, InstanceSpec, Size
from providers.errors import InvalidSpec

DEFAULT = (Decimal(2), Decimal(4))
FREE_STORAGE = 30
_LARGE = {
    24: (24, 48, 96, 192),
    32: (32, 64, 128, 256),
    48: (48, 96, 192, 384),
    64: (64, 128, 256, 512),
}
_GIB = re.compile(r"(\d+)(?:Gi)?")
_PAIR = re.compile(r"(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?)Gi")


def _cpu_grid() -> Grid:
    half = Decimal("0.5")
    rows: list[tuple[Decimal, tuple[Decimal, ...]]] = []
    rows.append((Decimal("0.25"), (half, Decimal(1), Decimal(2))))
    cpu = half
    while cpu <= 16:
        least = int(cpu.to_integral_value(rounding=ROUND_CEILING))
        rows.append((cpu, tuple(Decimal(memory) for memory in range(least, int(cpu * 8) + 1))))
        cpu += half
    rows += [(Decimal(c), tuple(Decimal(memory) for memory in m)) for c, m in _LARGE.items()]
    return tuple(rows)


CPU_GRID = _cpu_grid()


def number(value: Decimal) -> str:
    """`2`, `0.25`: no trailing zeros, no exponent."""
    return f"{value.normalize():f}"


def label(cpu: Decimal, memory: Decimal) -> str:
    """The spelling of `alibabacloud.com/pod-use-spec`: `2-4Gi`."""
    return f"{number(cpu)}-{number(memory)}Gi"


def stocked(size: Size) -> str:
    """What stock is counted in: `2-4Gi performance/default`, `16-64Gi gpu/default 2xT4`."""
    cards = f" {size.gpu}x{size.type}" if size.gpu else ""
    return f"{size.label} {size.tier}{cards}"


def pair(text: str) -> tuple[Decimal, Decimal] | None:
    """vCPUs and GiB of `2-4Gi`; None when it is spelled otherwise."""
    match = _PAIR.fullmatch(text.strip())
    return (Decimal(match[1]), Decimal(match[2])) if match else None


def charged(text: str) -> int:
    """GiB beyond the free part of a whole like `50Gi`; 0 where it cannot be read."""
    match = _GIB.fullmatch(text.strip())
    return max(0, int(match[1]) - FREE_STORAGE) if match else 0


def extra_storage(spec: InstanceSpec) -> int:
    """GiB that the annotation adds to the free ones; what cannot be read ACS refuses."""
    match = _GIB.fullmatch(spec.options.get(keys.EXTRA_STORAGE, "").strip())
    return int(match[1]) if match else 0


def round_up(cpu: Decimal, memory: Decimal, offered: Grid) -> tuple[Decimal, Decimal] | None:
    """The smallest size that holds both, fewest vCPUs first; None when none is large enough."""
    for vcpus, memories in offered:
        index = bisect_left(memories, memory)
        if vcpus >= cpu and index < len(memories):
            return vcpus, memories[index]
    return None


def billed_size(spec: InstanceSpec) -> Size:
    """Raises `InvalidSpec` when ACS has no such size."""
    return replace(_billed(spec), storage=extra_storage(spec))


def _billed(spec: InstanceSpec) -> Size:
    labels = keys.asked_labels(spec.labels)
    cpu, memory, cards = _asked(spec)
    if labels[keys.CLASS] in keys.GPU_CLASSES:
        _only_containers(spec)
        return _with_cards(labels, cpu, memory, cards)
    cpu, memory = _wanted(spec, cpu, memory)
    found = round_up(cpu, memory, CPU_GRID)
    if found is None:
        raise _too_large(cpu, memory, "64 vCPUs and 512 GiB")
    return Size(*found, label(*found), tier=keys.tier(spec.labels))


def _only_containers(spec: InstanceSpec) -> None:
    """`pod-required-spec` is for the CPU classes, so that a total cannot be told for these."""
    if spec.pod_cpu is not None or spec.pod_memory is not None:
        raise InvalidSpec(
            "ACS sizes a pod with cards by its containers, not by spec.resources; give the "
            "vCPUs and the memory to the containers",
            code="PodLevelResources",
        )


def _wanted(
    spec: InstanceSpec, cpu: Decimal | None, memory: Decimal | None
) -> tuple[Decimal, Decimal]:
    """What is rounded: the total that the annotation names, or what the containers ask."""
    text = spec.options.get(keys.REQUIRED_SPEC, "")
    if not text:
        return _filled(cpu, memory)
    total = pair(text)
    if total is None:
        raise InvalidSpec(
            f"annotation {keys.REQUIRED_SPEC} has the value {text!r}; it is written like 2-4Gi",
            code="InvalidAnnotation",
        )
    if total[0] < (cpu or 0) or total[1] < (memory or 0):
        raise InvalidSpec(
            f"annotation {keys.REQUIRED_SPEC} has the value {text!r}, less than the containers "
            f"ask together ({number(cpu or Decimal(0))} vCPUs, {number(memory or Decimal(0))} GiB)",
            code="InvalidAnnotation",
        )
    return total


def _filled(cpu: Decimal | None, memory: Decimal | None) -> tuple[Decimal, Decimal]:
    return cpu or DEFAULT[0], memory or DEFAULT[1]


def _with_cards(
    labels: dict[str, str], cpu: Decimal | None, memory: Decimal | None, cards: int
) -> Size:
    compute_class, model = labels[keys.CLASS], labels.get(keys.MODEL, "")
    cards = cards or gpus.smallest_count(compute_class, model)
    offered = gpus.grid(model, cards) if compute_class == keys.GPU else ()
    found = (cpu or Decimal(0), memory or Decimal(0))
    if offered:
        rounded = round_up(*found, offered)
        if rounded is None:
            largest = label(offered[-1][0], offered[-1][1][-1])
            raise _too_large(*found, f"{largest} with {cards} of {model}")
        found = rounded
    elif compute_class == keys.GPU and gpus.counts(model):
        raise InvalidSpec(
            f"{model} is offered with {_either(gpus.counts(model))} cards, not with {cards}",
            code="GpuCount",
        )
    tier = f"{compute_class}/{labels[keys.QOS]}"
    return Size(*found, label(*found), gpu=cards, type=model, tier=tier)


def _either(counts: tuple[int, ...]) -> str:
    return " or ".join(str(count) for count in counts)


def _too_large(cpu: Decimal, memory: Decimal, largest: str) -> InvalidSpec:
    return InvalidSpec(
        f"{number(cpu)} vCPUs and {number(memory)} GiB are more than the largest size, {largest}",
        code="TooLarge",
    )


def _asked(spec: InstanceSpec) -> tuple[Decimal | None, Decimal | None, int]:
    """The pod's own sums, else those of its containers (largest init container against the sum)."""
    if spec.cpu is not None or spec.memory is not None or spec.gpu:
        return spec.cpu, spec.memory, spec.gpu

    def total(values: list[Decimal], peaks: list[Decimal]) -> Decimal | None:
        return max([sum(values, Decimal(0)), *peaks]) or None

    def each(kind: str, containers: tuple[Container, ...]) -> list[Decimal]:
        return [Decimal(getattr(container, kind) or 0) for container in containers]

    cpu, memory, cards = (
        total(each(kind, spec.containers), each(kind, spec.init_containers))
        for kind in ("cpu", "memory", "gpu")
    )
    return cpu, memory, int(cards or 0)
