"""What happens to a container group, step by step."""

from ..groups.lifecycle import Lifecycle

__all__ = ["Lifecycle"]
