"""Which size ECI bills when vCPU and memory are asked for.

Source: ECI user guide, "Create an instance with specified vCPU and memory" (the size table, the
regions with extra sizes, rounding up on both axes, 2 vCPU and 4 GiB when nothing is asked),
"Create a preemptible elastic container instance" (the sizes sold as spot) and "Specify a compute
category to create a pod" (0.25 to 8 vCPU of economy, 1 to 64 of general).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from providers.base import Container, InstanceSpec, Size
from providers.eci import options

_TABLE: dict[str, tuple[str, ...]] = {
    "0.25": ("0.5", "1"),
    "0.5": ("1", "2"),
    "1": ("2", "4", "8"),
    "2": ("1", "2", "4", "8", "16"),
    "4": ("2", "4", "8", "16", "32"),
    "8": ("4", "8", "16", "32", "64"),
    "12": ("12", "24", "48", "96"),
    "16": ("16", "32", "64", "128"),
    "24": ("24", "48", "96", "192"),
    "32": ("32", "64", "128", "256"),
    "52": ("96", "192", "384"),
    "64": ("128", "256", "512"),
}
_EXTRA: dict[str, tuple[str, ...]] = {
    "2": ("6", "10", "12", "14"),
    "4": tuple(str(memory) for memory in range(6, 31, 2)),
    "6": tuple(str(memory) for memory in range(6, 49, 2)),
    "8": tuple(str(memory) for memory in range(10, 63, 2)),
}
EXTRA_REGIONS = frozenset(
    {
        "cn-hangzhou",
        "cn-shanghai",
        "cn-qingdao",
        "cn-beijing",
        "cn-zhangjiakou",
        "cn-huhehaote",
        "cn-wulanchabu",
        "cn-shenzhen",
        "cn-heyuan",
        "cn-guangzhou",
        "cn-chengdu",
        "ap-southeast-1",
    }
)
_SPOT: dict[str, tuple[str, ...]] = {
    cpu: memories
    for cpu, memories in {**_TABLE, "2": _TABLE["2"][1:], "4": _TABLE["4"][1:]}.items()
    if Decimal(cpu) >= 2
}
_SPOT["8"] = _TABLE["8"][1:]
DEFAULT = (Decimal(2), Decimal(4))
_IGNORE = "__ECI_RESOURCE_IGNORE__"

Grid = tuple[tuple[Decimal, tuple[Decimal, ...]], ...]
_CATEGORIES = {
    "economy": (Decimal("0.25"), Decimal(8)),
    "general": (Decimal(1), Decimal(64)),
}


def _grid(*tables: Mapping[str, tuple[str, ...]]) -> Grid:
    merged: dict[Decimal, set[Decimal]] = {}
    for table in tables:
        for cpu, memories in table.items():
            merged.setdefault(Decimal(cpu), set()).update(Decimal(memory) for memory in memories)
    return tuple((cpu, tuple(sorted(merged[cpu]))) for cpu in sorted(merged))


_STANDARD, _WITH_EXTRA, _SPOT_GRID = _grid(_TABLE), _grid(_TABLE, _EXTRA), _grid(_SPOT)


def sold_as(cpu: Decimal, category: str) -> bool:
    low, high = _CATEGORIES[category]
    return low <= cpu <= high


def grid(region: str, *, spot: bool = False, categories: Sequence[str] = ()) -> Grid:
    """The sizes offered in `region`: (vCPU, memories in GiB), both ascending."""
    if spot:
        return _SPOT_GRID
    sold = _WITH_EXTRA if region in EXTRA_REGIONS else _STANDARD
    if not categories:
        return sold
    return tuple(row for row in sold if any(sold_as(row[0], name) for name in categories))


def largest(region: str, *, spot: bool = False, categories: Sequence[str] = ()) -> str:
    """The label of the largest size offered."""
    cpu, memories = grid(region, spot=spot, categories=categories)[-1]
    return label(cpu, memories[-1])


def number(value: Decimal) -> str:
    """`2`, `0.25`: no trailing zeros, no exponent."""
    return f"{value.normalize():f}"


def label(cpu: Decimal, memory: Decimal) -> str:
    """The spelling of `k8s.aliyun.com/eci-use-specs`: `2-4Gi`."""
    return f"{number(cpu)}-{number(memory)}Gi"


def pair(text: str) -> tuple[Decimal, Decimal]:
    """vCPU and GiB of such a label."""
    cpu, _dash, memory = text.partition("-")
    return Decimal(cpu), Decimal(memory.removesuffix("Gi"))


def or_default(cpu: Decimal | None, memory: Decimal | None) -> tuple[Decimal, Decimal]:
    """Nothing asked gives 2 vCPU and 4 GiB; vCPU without memory the same ratio, 2 GiB each."""
    if not cpu and not memory:
        return DEFAULT
    cpu = cpu or Decimal(0)
    return cpu, memory or cpu * 2


def round_up(
    cpu: Decimal | None,
    memory: Decimal | None,
    *,
    region: str,
    spot: bool = False,
    categories: Sequence[str] = (),
) -> Size | None:
    """The smallest listed size that holds both; None when nothing is large enough.

    The fewest vCPUs win, then the least memory. Memory without vCPU gives the fewest vCPUs that
    carry it.
    """
    wanted_cpu, wanted_memory = or_default(cpu, memory)
    for listed, memories in grid(region, spot=spot, categories=categories):
        index = bisect_left(memories, wanted_memory)
        if listed >= wanted_cpu and index < len(memories):
            return Size(listed, memories[index], label(listed, memories[index]))
    return None


def sums(
    containers: Iterable[Container], init_containers: Iterable[Container] = ()
) -> tuple[Decimal, Decimal, int]:
    """vCPU, GiB and GPUs that the containers ask for together.

    Init containers run one after the other, so the largest of each axis counts against the sum. A
    container with `__ECI_RESOURCE_IGNORE__=TRUE` is left out (ECI user guide, "Ignore specific
    containers when the system adjusts resource specifications").
    """
    counted = [container for container in containers if not _ignored(container)]
    before = [container for container in init_containers if not _ignored(container)]

    def total(values: list[Decimal], peaks: list[Decimal]) -> Decimal:
        return max([sum(values, Decimal(0)), *peaks])

    cpu = total([c.cpu or Decimal(0) for c in counted], [c.cpu or Decimal(0) for c in before])
    memory = total(
        [c.memory or Decimal(0) for c in counted], [c.memory or Decimal(0) for c in before]
    )
    gpu = max([sum(c.gpu for c in counted), *(c.gpu for c in before)])
    return cpu, memory, gpu


def _ignored(container: Container) -> bool:
    return any(env.name == _IGNORE and env.value.upper() == "TRUE" for env in container.env)


def asked(spec: InstanceSpec) -> tuple[Decimal, Decimal]:
    """vCPU and GiB of the whole instance.

    `eci-cpu` and `eci-memory` win, then what the pod asks for as a whole, then the sums of the
    containers, then the spec's own.
    """
    cpu: Decimal | None = options.parsed(spec.options, "eci-cpu")
    memory: Decimal | None = options.parsed(spec.options, "eci-memory")
    if cpu is not None or memory is not None:
        return cpu or Decimal(0), memory or Decimal(0)
    every = (*spec.containers, *spec.init_containers)
    cpu, memory = spec.cpu, spec.memory
    if any(c.cpu is not None or c.memory is not None for c in every):
        cpu, memory, _gpu = sums(spec.containers, spec.init_containers)
    return spec.pod_cpu or cpu or Decimal(0), spec.pod_memory or memory or Decimal(0)
