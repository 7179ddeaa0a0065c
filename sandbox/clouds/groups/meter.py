"""Billed stretches of container groups, in whole seconds.

Both ends of a stretch are cut to the second that the APIs show, so the sum over stretches equals
end minus start.
"""

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
