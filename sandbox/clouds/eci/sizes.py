"""Sizes of container groups without an ECS type: rounding to the listed vCPU and memory pairs.

Source: ECI help pages "Specify vCPU and memory", "Preemptible instances", "Compute categories".
"""

from collections.abc import Sequence

from .errors import ApiFault

BASE: dict[float, tuple[float, ...]] = {
    0.25: (0.5, 1),
    0.5: (1, 2),
    1: (2, 4, 8),
    2: (1, 2, 4, 8, 16),
    4: (2, 4, 8, 16, 32),
    8: (4, 8, 16, 32, 64),
    12: (12, 24, 48, 96),
    16: (16, 32, 64, 128),
    24: (24, 48, 96, 192),
    32: (32, 64, 128, 256),
    52: (96, 192, 384),
    64: (128, 256, 512),
}
EXTRA: dict[float, tuple[float, ...]] = {
    2: (6, 10, 12, 14),
    4: tuple(range(6, 31, 2)),
    6: tuple(range(6, 49, 2)),
    8: tuple(range(10, 63, 2)),
}
_EXTRA_REGIONS_TEXT = """
cn-hangzhou cn-shanghai cn-qingdao cn-beijing cn-zhangjiakou cn-huhehaote cn-wulanchabu
cn-shenzhen cn-heyuan cn-guangzhou cn-chengdu ap-southeast-1
"""
EXTRA_REGIONS = frozenset(_EXTRA_REGIONS_TEXT.split())
SPOT: dict[float, tuple[float, ...]] = {
    2: (2, 4, 8, 16),
    4: (4, 8, 16, 32),
    8: (8, 16, 32, 64),
    12: (12, 24, 48, 96),
    16: (16, 32, 64, 128),
    24: (24, 48, 96, 192),
    32: (32, 64, 128, 256),
    52: (96, 192, 384),
    64: (128, 256, 512),
}
DEFAULT = (2.0, 4.0)
CATEGORY_RANGE = {"economy": (0.25, 8.0), "general": (1.0, 64.0)}


def _with_extra() -> dict[float, tuple[float, ...]]:
    keys = sorted(BASE.keys() | EXTRA.keys())
    return {
        cpu: tuple(sorted({float(m) for m in (*BASE.get(cpu, ()), *EXTRA.get(cpu, ()))}))
        for cpu in keys
    }


FULL = _with_extra()


def sells(category: str, vcpu: float) -> bool:
    """Tell whether a category has sizes of so many vCPU."""
    low, high = CATEGORY_RANGE[category]
    return low <= vcpu <= high


def table(region: str, *, spot: bool) -> dict[float, tuple[float, ...]]:
    """Return vCPU -> memory sizes (GiB) sold in ``region``."""
    if spot:
        return SPOT
    return FULL if region in EXTRA_REGIONS else BASE


def round_up(
    cpu: float,
    memory: float,
    *,
    region: str,
    spot: bool = False,
    categories: Sequence[str] = (),
) -> tuple[float, float]:
    """Return the smallest listed pair that holds ``cpu`` vCPU and ``memory`` GiB.

    Nothing asked gives 2 vCPU and 4 GiB. Raises ApiFault InvalidParameter.CPU.Memory when no pair
    is large enough (or no category sells one).
    """
    if not cpu and not memory:
        return DEFAULT
    for vcpu, sizes in table(region, spot=spot).items():
        if vcpu < cpu or (categories and not any(sells(name, vcpu) for name in categories)):
            continue
        for size in sizes:
            if size >= memory:
                return float(vcpu), float(size)
    raise ApiFault(
        "InvalidParameter.CPU.Memory",
        f"The specified cpu {cpu:g} and memory {memory:g} are not supported.",
    )
