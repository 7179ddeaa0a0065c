"""Container groups as the simulated cloud keeps them."""

from ..groups.model import BILLED, TERMINAL, Container, Event, Group, State

__all__ = ["BILLED", "TERMINAL", "Container", "Event", "Group", "State", "is_spot"]


def is_spot(group: Group) -> bool:
    """Tell whether a group was asked for as a spot instance."""
    return str(group.request.get("SpotStrategy", "NoSpot")) != "NoSpot"
