"""The ECS types that an instance may be made of: vCPU, GiB, GPUs.

Sources: ECS user guide, "Overview of instance families" and "GPU-accelerated compute-optimized and
vGPU-accelerated instance families"; ECI user guide, "Specify or exclude specific ECS instance
families to create a pod" (families by generation) and "Create a pod by specifying GPU-accelerated
types" (GPU families). Prices are the cloud's to quote.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from providers.base import Size

# Type without `ecs.`, vCPU, GiB, GPUs.
_GPU_TYPES = """
gn5-c4g1.xlarge 4 30 1
gn5-c8g1.2xlarge 8 60 1
gn5-c4g1.2xlarge 8 60 2
gn5-c8g1.4xlarge 16 120 2
gn5-c28g1.7xlarge 28 112 1
gn5-c8g1.8xlarge 32 240 4
gn5-c8g1.14xlarge 54 480 8
gn5-c28g1.14xlarge 56 224 2
gn5i-c2g1.large 2 8 1
gn5i-c4g1.xlarge 4 16 1
gn5i-c8g1.2xlarge 8 32 1
gn5i-c16g1.4xlarge 16 64 1
gn5i-c28g1.14xlarge 56 224 2
gn6i-c4g1.xlarge 4 15 1
gn6i-c8g1.2xlarge 8 31 1
gn6i-c16g1.4xlarge 16 62 1
gn6i-c24g1.6xlarge 24 93 1
gn6i-c40g1.10xlarge 40 155 1
gn6i-c24g1.12xlarge 48 186 2
gn6i-c24g1.24xlarge 96 372 4
gn6v-c8g1.2xlarge 8 32 1
gn6v-c8g1.8xlarge 32 128 4
gn6v-c8g1.16xlarge 64 256 8
gn6v-c10g1.20xlarge 82 336 8
gn6e-c12g1.3xlarge 12 92 1
gn6e-c12g1.12xlarge 48 368 4
gn6e-c12g1.24xlarge 96 736 8
gn7i-c8g1.2xlarge 8 30 1
gn7i-c16g1.4xlarge 16 60 1
gn7i-c32g1.8xlarge 32 188 1
gn7i-c48g1.12xlarge 48 310 1
gn7i-c56g1.14xlarge 56 346 1
gn7i-c32g1.16xlarge 64 376 2
gn7i-c32g1.32xlarge 128 752 4
gn7-c12g1.3xlarge 12 94 1
gn7-c13g1.13xlarge 52 378 4
gn7-c13g1.26xlarge 104 756 8
gn7e-c16g1.4xlarge 16 125 1
gn7e-c16g1.16xlarge 64 500 4
gn7e-c16g1.32xlarge 128 1000 8
"""
_SIZES = {
    "large": 2,
    "xlarge": 4,
    "2xlarge": 8,
    "3xlarge": 12,
    "4xlarge": 16,
    "6xlarge": 24,
    "8xlarge": 32,
}
# What a generation has above that.
_LARGEST = {"5": {"16xlarge": 64}, "6": {"13xlarge": 52}, "7": {"16xlarge": 64}}
# Generation -> family and its GiB a vCPU, in the order in which they are preferred.
_FAMILIES: dict[str, dict[str, int]] = {
    "8": {"c8i": 2, "g8i": 4, "r8i": 8, "hfc8i": 2, "hfg8i": 4, "hfr8i": 8},
    "7": {"c7": 2, "g7": 4, "r7": 8, "hfc7": 2, "hfg7": 4, "hfr7": 8},
    "6": {"c6": 2, "g6": 4, "r6": 8, "c6e": 2, "g6e": 4, "r6e": 8, "hfc6": 2, "hfg6": 4},
    "5": {"c5": 2, "g5": 4, "r5": 8, "ic5": 1, "hfc5": 2, "hfg5": 4},
    "4": {"sn1ne": 2, "sn2ne": 4, "se1ne": 8},
}
_ARM = {"c8y": 2, "g8y": 4, "r8y": 8}
_LOCAL_DISKS = frozenset({"d1", "d1ne", "i2", "i2g", "i3", "i3g", "i4", "i4g"})


class Kind(StrEnum):
    """Types of different kinds are not named together (ECI user guide, multiple specifications)."""

    PLAIN = "plain"
    GPU = "GPU"
    LOCAL_DISK = "local disk"
    ARM = "Arm"


@dataclass(frozen=True, slots=True)
class Family:
    name: str
    generation: str
    ratio: int


def _families() -> dict[str, Family]:
    found = {
        name: Family(name, generation, ratio)
        for generation, members in _FAMILIES.items()
        for name, ratio in members.items()
    }
    return found | {name: Family(name, "8", ratio) for name, ratio in _ARM.items()}


FAMILIES = _families()
GENERATIONS = tuple(_FAMILIES)


def _types() -> dict[str, Size]:
    found = {}
    for family in FAMILIES.values():
        large = _LARGEST.get(family.generation, {}) if len(family.name) == 2 else {}
        for suffix, cpu in (_SIZES | large).items():
            name = f"ecs.{family.name}.{suffix}"
            found[name] = Size(Decimal(cpu), Decimal(cpu * family.ratio), name, type=name)
    for line in _GPU_TYPES.strip().splitlines():
        short, vcpu, memory, gpu = line.split()
        name = f"ecs.{short}"
        found[name] = Size(Decimal(vcpu), Decimal(memory), name, gpu=int(gpu), type=name)
    return found


_TYPES = _types()


def size_of(name: str) -> Size:
    """The size of a type; vCPU and memory 0 when only the cloud knows them."""
    return _TYPES.get(name) or Size(Decimal(0), Decimal(0), name, type=name)


def is_known(name: str) -> bool:
    return name in _TYPES


def family_of(name: str) -> str:
    """`gn5` of `ecs.gn5-c4g1.xlarge`."""
    return name.removeprefix("ecs.").partition(".")[0].partition("-")[0]


def kind_of(name: str) -> Kind:
    family = family_of(name)
    if family.startswith(("gn", "vgn", "sgn", "ebmgn")):
        return Kind.GPU
    if family in _LOCAL_DISKS:
        return Kind.LOCAL_DISK
    return Kind.ARM if family in _ARM else Kind.PLAIN


def with_gpus(count: int) -> tuple[str, ...]:
    """The types with so many GPUs at least, the fewest GPUs and vCPUs first."""
    fitting = [size for size in _TYPES.values() if size.gpu >= count > 0]
    return tuple(s.type for s in sorted(fitting, key=lambda s: (s.gpu, s.cpu, s.memory)))


def fitting(families: Iterable[Family], cpu: Decimal, memory: Decimal) -> tuple[str, ...]:
    """Of each family its smallest type that holds both, in the order of the families."""
    found = (_smallest(family, cpu, memory) for family in families)
    return tuple(size.type for size in found if size is not None)


def _smallest(family: Family, cpu: Decimal, memory: Decimal) -> Size | None:
    members = [s for s in _TYPES.values() if family_of(s.type) == family.name]
    holding = [s for s in members if s.cpu >= cpu and s.memory >= memory]
    return min(holding, key=lambda s: (s.cpu, s.memory), default=None)


def chosen(wanted: Sequence[str], generations: Sequence[str]) -> tuple[Family, ...]:
    """The families that annotations allow, in order of preference.

    Both are lists of which members with a minus sign exclude. Families named come in their order,
    else those of the generations named in their order, else all x86 ones, the newest first.
    """
    banned = {name.removeprefix("-ecs.") for name in wanted if name.startswith("-")}
    too_old = {text[1:] for text in generations if text.startswith("-")}
    named = [name.removeprefix("ecs.") for name in wanted if not name.startswith("-")]
    order = [text for text in generations if not text.startswith("-")] or GENERATIONS
    pool = named or [name for generation in order for name in _FAMILIES.get(generation, ())]
    return tuple(
        FAMILIES[name]
        for name in pool
        if name in FAMILIES
        and name not in banned
        and FAMILIES[name].generation not in too_old
        and (named == [] or FAMILIES[name].generation in order)
    )
