"""Which size ECI bills when vCPU and memory are asked for.

Source: ECI user guide, "Create an instance with specified vCPU and memory" (the size table, the
regions with extra sizes, rounding up on both axes, 2 vCPU and 4 GiB when nothing is asked) and
"Create an instance with a specified GPU type".
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping
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


def _grid(*tables: Mapping[str, tuple[str, ...]]) -> Grid:
    merged: dict[Decimal, set[Decimal]] = {}
    for table in tables:
        for cpu, memories in table.items():
            merged.setdefault(Decimal(cpu), set()).update(Decimal(memory) for memory in memories)
    return tuple((cpu, tuple(sorted(merged[cpu]))) for cpu in sorted(merged))


_STANDARD, _WITH_EXTRA, _SPOT_GRID = _grid(_TABLE), _grid(_TABLE, _EXTRA), _grid(_SPOT)


def grid(region: str, *, spot: bool = False) -> Grid:
    """The sizes offered in `region`: (vCPU, memories in GiB), both ascending."""
    if spot:
        return _SPOT_GRID
    return _WITH_EXTRA if region in EXTRA_REGIONS else _STANDARD


def number(value: Decimal) -> str:
    """`2`, `0.25`: no trailing zeros, no exponent."""
    return f"{value.normalize():f}"


def label(cpu: Decimal, memory: Decimal) -> str:
    """The spelling of `k8s.aliyun.com/eci-use-specs`: `2-4Gi`."""
    return f"{number(cpu)}-{number(memory)}Gi"


def round_up(
    cpu: Decimal | None, memory: Decimal | None, *, region: str, spot: bool = False
) -> Size | None:
    """The smallest listed size that holds both; None when nothing is large enough.

    The fewest vCPUs win, then the least memory. Nothing asked gives 2 vCPU and 4 GiB; vCPU without
    memory gives the same ratio, 2 GiB each; memory without vCPU the fewest vCPUs that carry it.
    """
    if not cpu and not memory:
        cpu, memory = DEFAULT
    wanted_cpu = cpu or Decimal(0)
    wanted_memory = memory or wanted_cpu * 2
    for listed, memories in grid(region, spot=spot):
        index = bisect_left(memories, wanted_memory)
        if listed >= wanted_cpu and index < len(memories):
            return Size(listed, memories[index], label(listed, memories[index]))
    return None


def sums(
    containers: Iterable[Container], init_containers: Iterable[Container] = ()
) -> tuple[Decimal, Decimal, int]:
    """vCPU, GiB and GPUs that the containers ask for together.

    Init containers run one after the other, so the largest of each axis counts against the sum. A
    container with `__ECI_RESOURCE_IGNORE__=TRUE` is left out (ECI user guide, sidecars).
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


_PAIR = re.compile(r"(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?)Gi")


def use_specs(text: str) -> tuple[Size, ...]:
    """The sizes of `k8s.aliyun.com/eci-use-specs`, in order: `2-4Gi,4-8Gi,ecs.c6.xlarge`.

    An ECS type that is not in the table keeps vCPU and memory 0: only the cloud knows them.
    """
    found = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        pair = _PAIR.fullmatch(part)
        if pair:
            cpu, memory = Decimal(pair[1]), Decimal(pair[2])
            found.append(Size(cpu, memory, label(cpu, memory)))
        else:
            found.append(ecs_size(part))
    return tuple(found)


_ECS: dict[str, tuple[str, str, int]] = {
    "ecs.gn5-c4g1.xlarge": ("4", "30", 1),
    "ecs.gn5-c8g1.2xlarge": ("8", "60", 1),
    "ecs.gn5-c4g1.2xlarge": ("8", "60", 2),
    "ecs.gn5-c8g1.4xlarge": ("16", "120", 2),
    "ecs.gn5-c28g1.7xlarge": ("28", "112", 1),
    "ecs.gn5-c8g1.8xlarge": ("32", "240", 4),
    "ecs.gn5-c8g1.14xlarge": ("54", "480", 8),
    "ecs.gn5-c28g1.14xlarge": ("56", "224", 2),
    "ecs.gn5i-c2g1.large": ("2", "8", 1),
    "ecs.gn5i-c16g1.4xlarge": ("16", "64", 1),
    "ecs.gn5i-c28g1.14xlarge": ("56", "224", 2),
    "ecs.gn6i-c4g1.xlarge": ("4", "15", 1),
    "ecs.gn6i-c8g1.2xlarge": ("8", "31", 1),
    "ecs.gn6i-c16g1.4xlarge": ("16", "62", 1),
    "ecs.gn6i-c24g1.6xlarge": ("24", "93", 1),
    "ecs.gn6i-c40g1.10xlarge": ("40", "155", 1),
    "ecs.gn6i-c24g1.12xlarge": ("48", "186", 2),
    "ecs.gn6i-c24g1.24xlarge": ("96", "372", 4),
    "ecs.gn6v-c8g1.2xlarge": ("8", "32", 1),
    "ecs.gn6v-c8g1.8xlarge": ("32", "128", 4),
    "ecs.gn6v-c8g1.16xlarge": ("64", "256", 8),
    "ecs.gn6v-c10g1.20xlarge": ("82", "336", 8),
    "ecs.gn6e-c12g1.3xlarge": ("12", "92", 1),
    "ecs.gn6e-c12g1.12xlarge": ("48", "368", 4),
    "ecs.gn6e-c12g1.24xlarge": ("96", "736", 8),
    "ecs.gn7i-c8g1.2xlarge": ("8", "30", 1),
    "ecs.gn7i-c16g1.4xlarge": ("16", "60", 1),
    "ecs.gn7i-c32g1.8xlarge": ("32", "188", 1),
    "ecs.gn7i-c48g1.12xlarge": ("48", "310", 1),
    "ecs.gn7i-c56g1.14xlarge": ("56", "346", 1),
    "ecs.gn7i-c32g1.16xlarge": ("64", "376", 2),
    "ecs.gn7i-c32g1.32xlarge": ("128", "752", 4),
    "ecs.gn7-c12g1.3xlarge": ("12", "94", 1),
    "ecs.gn7-c13g1.13xlarge": ("52", "378", 4),
    "ecs.gn7-c13g1.26xlarge": ("104", "756", 8),
    "ecs.gn7e-c16g1.4xlarge": ("16", "125", 1),
    "ecs.gn7e-c16g1.16xlarge": ("64", "500", 4),
    "ecs.gn7e-c16g1.32xlarge": ("128", "1000", 8),
}


def ecs_size(name: str) -> Size:
    cpu, memory, gpu = _ECS.get(name, ("0", "0", 0))
    return Size(Decimal(cpu), Decimal(memory), name, gpu=gpu, type=name)


def billed_size(spec: InstanceSpec) -> Size:
    """The size the first attempt of this spec is billed as, before the cloud has answered.

    `eci-use-specs` beats what the containers ask for; its first entry is tried first. What no
    table holds is returned as asked, for the cloud to refuse.
    """
    wanted = use_specs(spec.options.get("k8s.aliyun.com/eci-use-specs", ""))
    if wanted:
        return wanted[0]
    spot = spec.options.get("k8s.aliyun.com/eci-spot-strategy", "NoSpot") != "NoSpot"
    cpu, memory = asked(spec)
    size = round_up(cpu, memory, region=spec.region, spot=spot)
    if size:
        return size
    return Size(cpu, memory, label(cpu, memory), gpu=spec.gpu)


def asked(spec: InstanceSpec) -> tuple[Decimal, Decimal]:
    """vCPU and GiB of the whole instance.

    `eci-cpu` and `eci-memory` win, then the spec's own sums, then those of its containers.
    """
    cpu, memory = options.own_size(spec.options)
    if cpu is not None or memory is not None:
        return cpu or Decimal(0), memory or Decimal(0)
    if spec.cpu is not None or spec.memory is not None:
        return spec.cpu or Decimal(0), spec.memory or Decimal(0)
    cpu, memory, _ = sums(spec.containers, spec.init_containers)
    return cpu, memory
