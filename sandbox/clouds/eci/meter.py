"""The meter: billed seconds of container groups.

Billing starts when a group becomes Pending and ends at Succeeded, Failed, Expired or deletion;
Restarting, Updating and Terminating are billed, Scheduling and ScheduleFailed are free (ECI help
page "Billing of elastic container instances"). Seconds are whole: both ends are cut to the second
that the API shows, so the sum over segments equals end minus start.
"""

from decimal import Decimal

from . import catalog
from .model import Group, Segment


def start(group: Group, at: float) -> None:
    """Open a segment of the group's present size."""
    group.segments.append(Segment(at, group.cpu, group.memory, group.instance_type))


def stop(group: Group, at: float) -> None:
    """Close the open segment, if any."""
    if group.segments and group.segments[-1].until is None:
        group.segments[-1].until = at


def segment_seconds(segment: Segment, now: float) -> int:
    """Return the whole seconds of one segment so far."""
    until = now if segment.until is None else segment.until
    return max(0, int(until) - int(segment.since))


def billed_seconds(group: Group, now: float) -> int:
    """Return the whole seconds billed so far."""
    return sum(segment_seconds(segment, now) for segment in group.segments)


def billed_from(group: Group) -> float | None:
    """Return when billing started, None while the group was never billed."""
    return group.segments[0].since if group.segments else None


def billed_to(group: Group) -> float | None:
    """Return when billing ended, None while it runs or never started."""
    return group.segments[-1].until if group.segments else None


def cost(group: Group, now: float) -> Decimal:
    """Return the pay-as-you-go list price of the seconds so far, in CNY."""
    economy = "economy" in group.request.get("ComputeCategory", [])
    extra = int(float(group.request.get("EphemeralStorage", 0)))
    total = Decimal(0)
    for segment in group.segments:
        rate = per_second(segment.cpu, segment.memory, segment.instance_type, economy=economy)
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
