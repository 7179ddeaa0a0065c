"""Container groups as the simulated cloud keeps them."""

from ..groups.model import BILLED, TERMINAL, Container, Event, Group, State

__all__ = ["BILLED", "TERMINAL", "Container", "Event", "Group", "State"]
