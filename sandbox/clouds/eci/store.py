"""State of the simulated cloud on disk."""

from ..groups.store import Call, Store

__all__ = ["Call", "Store"]
