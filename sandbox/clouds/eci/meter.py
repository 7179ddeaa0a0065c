"""The meter: billed seconds of container groups and their price.

Billing starts when a group becomes Pending and ends at Succeeded, Failed, Expired or deletion;
Restarting, Updating and Terminating are billed, Scheduling and ScheduleFailed are free (ECI help
page "Billing of elastic container instances").
"""

from decimal import Decimal

from ..groups.meter import (
    billed_from,
    billed_seconds,
    billed_to,
    segment_seconds,
    start,
    stop,
)
from . import catalog
from .model import Group, is_spot

__all__ = [
    "billed_from",
    "billed_seconds",
    "billed_to",
    "cost",
    "per_second",
    "segment_seconds",
    "start",
    "stop",
]


def cost(group: Group, now: float) -> Decimal:
    """Return the list price of the seconds so far, of spot the market price, in CNY."""
    economy = "economy" in group.request.get("ComputeCategory", [])
    extra = int(float(group.request.get("EphemeralStorage", 0)))
    total = Decimal(0)
    for segment in group.segments:
        rate = per_second(segment.cpu, segment.memory, segment.instance_type, economy=economy)
        kind = catalog.TYPES.get(segment.instance_type)
        if kind and is_spot(group):
            rate = kind.spot_hourly / 3600
        rate += extra * catalog.DISK_GIB_SECOND
        total += rate * segment_seconds(segment, now)
    return total


def per_second(cpu: float, memory: float, instance_type: str, *, economy: bool) -> Decimal:
    """Return the list price of one second in CNY."""
    known = catalog.TYPES.get(instance_type)
    if known:
        return known.hourly / 3600
    vcpu = catalog.VCPU_SECOND_ECONOMY if economy else catalog.VCPU_SECOND
    return Decimal(str(cpu)) * vcpu + Decimal(str(memory)) * catalog.GIB_SECOND
