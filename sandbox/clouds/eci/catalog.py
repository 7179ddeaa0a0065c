"""What the simulated cloud sells: regions, zones, ECS types and prices.

Regions and zones: ECI help page "Regions and zones" (2025-12). GPU types: ECI help page "Create an
instance with a specified GPU type". Prices in CNY: ECI help page "Billing of elastic container
instances" (mainland); prices of GPU types are list prices of orders of magnitude, prices of other
ECS types are derived from vCPU and memory.
"""

from dataclasses import dataclass
from decimal import Decimal

VCPU_SECOND = Decimal("0.000049")
GIB_SECOND = Decimal("0.00000613")
VCPU_SECOND_ECONOMY = Decimal("0.000027")
DISK_GIB_SECOND = Decimal("0.00000059")
FREE_DISK_GIB = 30

REGION_ZONES: dict[str, str] = {
    "cn-hangzhou": "b e f g h i j k",
    "cn-shanghai": "a b c d e f g k l m n",
    "cn-qingdao": "b c",
    "cn-beijing": "c d e f g h i j k l",
    "cn-zhangjiakou": "a b c",
    "cn-huhehaote": "a b",
    "cn-wulanchabu": "a b c",
    "cn-shenzhen": "a b c d e f",
    "cn-heyuan": "a b",
    "cn-guangzhou": "a b",
    "cn-chengdu": "a b",
    "cn-hongkong": "b c d",
    "ap-northeast-1": "a b c",
    "ap-northeast-2": "a",
    "ap-southeast-1": "a b c",
    "ap-southeast-3": "a b",
    "ap-southeast-5": "a b c",
    "ap-southeast-6": "a",
    "ap-southeast-7": "a",
    "us-west-1": "a b",
    "us-east-1": "a b",
    "eu-central-1": "a b",
    "eu-west-1": "a b",
    "me-east-1": "a",
    "na-south-1": "a",
}
RECOMMENDED = {
    "cn-hangzhou": "h i j",
    "cn-shanghai": "l m n",
    "cn-beijing": "h i j",
    "cn-shenzhen": "d e f",
}


def zones(region: str) -> list[str]:
    """Return the zone ids of a region, empty for an unknown one."""
    return [f"{region}-{letter}" for letter in REGION_ZONES.get(region, "").split()]


def recommended_zones(region: str) -> list[str]:
    """Return the zones recommended for a region."""
    letters = RECOMMENDED.get(region, REGION_ZONES[region]).split()
    return [f"{region}-{letter}" for letter in letters]


@dataclass(frozen=True)
class InstanceType:
    """An ECS type: vCPU, GiB, cards, and its on-demand and spot price per hour in CNY."""

    name: str
    family: str
    cpu: float
    memory: float
    gpu: int
    hourly: Decimal
    spot_hourly: Decimal


_SIZES = {
    "large": 2,
    "xlarge": 4,
    "2xlarge": 8,
    "3xlarge": 12,
    "4xlarge": 16,
    "6xlarge": 24,
    "8xlarge": 32,
    "13xlarge": 52,
    "16xlarge": 64,
}
_FAMILIES = {
    **dict.fromkeys(("c5", "c6", "c7", "c8y", "hfc6", "hfc7"), 2),
    **dict.fromkeys(("g5", "g6", "g7", "g8y", "hfg6", "hfg7"), 4),
    **dict.fromkeys(("r5", "r6", "r7", "r8y", "hfr6", "hfr7"), 8),
}
_GPU_TYPES = """
gn6i-c4g1.xlarge 4 15 1 11.63
gn6i-c8g1.2xlarge 8 31 1 14.00
gn6i-c16g1.4xlarge 16 62 1 16.41
gn6i-c24g1.6xlarge 24 93 1 17.19
gn6i-c40g1.10xlarge 40 155 1 21.00
gn6i-c24g1.12xlarge 48 186 2 34.38
gn6i-c24g1.24xlarge 96 372 4 68.75
gn6v-c8g1.2xlarge 8 32 1 26.46
gn6v-c8g1.8xlarge 32 128 4 105.84
gn6v-c8g1.16xlarge 64 256 8 211.68
gn6v-c10g1.20xlarge 82 336 8 220.00
gn6e-c12g1.3xlarge 12 92 1 19.73
gn6e-c12g1.12xlarge 48 368 4 78.95
gn6e-c12g1.24xlarge 96 736 8 157.91
gn7i-c8g1.2xlarge 8 30 1 9.53
gn7i-c16g1.4xlarge 16 60 1 10.09
gn7i-c32g1.8xlarge 32 188 1 13.30
gn7i-c48g1.12xlarge 48 310 1 17.94
gn7i-c56g1.14xlarge 56 346 1 21.53
gn7i-c32g1.16xlarge 64 376 2 26.61
gn7i-c32g1.32xlarge 128 752 4 53.23
gn7-c12g1.3xlarge 12 94 1 31.50
gn7-c13g1.13xlarge 52 378 4 126.30
gn7-c13g1.26xlarge 104 756 8 252.60
gn7e-c16g1.4xlarge 16 125 1 34.70
gn7e-c16g1.16xlarge 64 500 4 138.90
gn7e-c16g1.32xlarge 128 1000 8 277.90
gn5i-c2g1.large 2 8 1 8.00
gn5i-c4g1.xlarge 4 16 1 8.50
gn5i-c8g1.2xlarge 8 32 1 9.50
gn5i-c16g1.4xlarge 16 64 1 11.50
gn5i-c28g1.14xlarge 56 224 2 23.00
gn5-c4g1.xlarge 4 30 1 11.90
gn5-c8g1.2xlarge 8 60 1 13.00
gn5-c4g1.2xlarge 8 60 2 23.80
gn5-c8g1.4xlarge 16 120 2 26.00
gn5-c28g1.7xlarge 28 112 1 19.00
gn5-c8g1.8xlarge 32 240 4 52.00
gn5-c8g1.14xlarge 54 480 8 104.00
gn5-c28g1.14xlarge 56 224 2 38.00
"""
_LISTED_HOURLY = {"ecs.c5.large": (Decimal("0.622"), Decimal("0.056"))}


def _general_types() -> dict[str, InstanceType]:
    types = {}
    for family, ratio in _FAMILIES.items():
        for size, cpu in _SIZES.items():
            name = f"ecs.{family}.{size}"
            derived = Decimal(cpu) * Decimal("0.2") + Decimal(cpu * ratio) * Decimal("0.055")
            hourly, spot = _LISTED_HOURLY.get(name, (derived, derived * Decimal("0.2")))
            types[name] = InstanceType(
                name, f"ecs.{family}", float(cpu), float(cpu * ratio), 0, hourly, spot
            )
    return types


def _gpu_types() -> dict[str, InstanceType]:
    types = {}
    for line in _GPU_TYPES.strip().splitlines():
        short, cpu, memory, gpu, hourly = line.split()
        family = f"ecs.{short.partition('-')[0]}"
        price = Decimal(hourly)
        types[f"ecs.{short}"] = InstanceType(
            f"ecs.{short}",
            family,
            float(cpu),
            float(memory),
            int(gpu),
            price,
            price * Decimal("0.3"),
        )
    return types


TYPES: dict[str, InstanceType] = {**_general_types(), **_gpu_types()}


def spot_match(cpu: float, memory: float) -> InstanceType:
    """Return the cheapest ECS type that holds a spot request made by vCPU and memory."""
    fitting = [t for t in TYPES.values() if t.cpu >= cpu and t.memory >= memory and not t.gpu]
    pool = fitting or list(TYPES.values())
    return min(pool, key=lambda t: (t.cpu, t.memory, t.hourly))
