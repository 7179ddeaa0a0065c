"""DescribeRegions and DescribeKciPackages."""

from ..errors import invalid
from ..packages import CHARGE_TYPES
from ..wire import Json, Request
from .base import Call, Nothing
from .checks import check_one_of


class DescribeKciPackages(Request):
    """Of which zone, and under which charge type."""

    charge_type: str
    availability_zone: str
    kci_type: str = "RBKCI"


def regions(call: Call, _asked: Nothing) -> Json:
    """Return where this account may create groups."""
    cloud = call.cloud
    here = {
        "Region": cloud.region,
        "RegionName": "华北1（北京）",
        "AvailabilityZones": cloud.zones,
    }
    return {"Regions": [here]}


def kci_packages(call: Call, asked: DescribeKciPackages) -> Json:
    """Return the vCPU sizes sold in a zone, each with its memories in GiB."""
    check_one_of("ChargeType", asked.charge_type, CHARGE_TYPES)
    table = call.cloud.packages.get((asked.availability_zone, asked.charge_type))
    if table is None:
        raise invalid("AvailabilityZone")
    return {
        "Packages": [
            {"Cpu": float(cpu), "Mem": [float(size) for size in sizes]}
            for cpu, sizes in table.items()
        ]
    }
