"""managedFields bookkeeping of ordinary writes."""

from typing import Any

from sandbox.cluster.clock import Clock
from sandbox.cluster.request import Request
from sandbox.cluster.resources import Resource
from sandbox.cluster.schema import Shape

Obj = dict[str, Any]


def track(
    req: Request,
    resource: Resource,
    shape: Shape,
    old: Obj | None,
    new: Obj,
    subresource: str,
    clock: Clock,
) -> None:
    """Record in ``new`` which fields this write's manager changed."""


def equal(old: Any, new: Any) -> bool:
    """Return whether two managedFields lists say the same, times aside."""
    return bool(old == new)
