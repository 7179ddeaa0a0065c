"""Admission: the built-in plugins, then webhooks."""

from dataclasses import dataclass, replace
from typing import Any

from sandbox.cluster import errors
from sandbox.cluster.request import Request
from sandbox.cluster.resources import Resource
from sandbox.cluster.store import Store

Obj = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Attributes:
    """What admission decides on; ``obj`` is None for a DELETE, ``old`` for a CREATE."""

    operation: str
    resource: Resource
    namespace: str
    name: str
    obj: Obj | None
    old: Obj | None
    req: Request
    subresource: str = ""

    def replaced(self, obj: Obj) -> "Attributes":
        """Return the same with another object."""
        return replace(self, obj=obj)


class Admission:
    """Runs the plugins in order."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def check_namespace(self, attributes: Attributes) -> None:
        """Refuse a create in a namespace that is missing (404) or being deleted (403)."""
        resource, namespace = attributes.resource, attributes.namespace
        if attributes.operation != "CREATE" or not resource.namespaced:
            return
        found = self.store.get("namespaces", "", namespace)
        if found is None:
            raise errors.not_found("namespaces", "", namespace)
        if "deletionTimestamp" in found.obj["metadata"]:
            why = (
                f"unable to create new content in namespace {namespace} because it is being "
                "terminated"
            )
            refused = errors.forbidden(resource.plural, resource.group, attributes.name, why)
            refused.details["causes"] = [
                {
                    "reason": "NamespaceTerminating",
                    "message": f"namespace {namespace} is being terminated",
                    "field": "metadata.namespace",
                }
            ]
            raise refused

    async def mutate(self, attributes: Attributes) -> Obj:
        """Return the object as the mutating plugins leave it."""
        self.check_namespace(attributes)
        obj = attributes.obj
        assert obj is not None
        return obj

    async def validate(self, attributes: Attributes) -> None:
        """Raise ApiError when a validating plugin refuses."""
