"""Checks beyond the schema: names, required values, immutable fields (422 with causes)."""

from typing import Any

from sandbox.cluster.resources import Resource

Obj = dict[str, Any]


def validate(resource: Resource, obj: Obj, old: Obj | None) -> None:
    """Raise ApiError 422 when a create (``old`` None) or an update is not allowed."""
