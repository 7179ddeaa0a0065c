"""Between the stored version of an object and the version a path serves.

Only two conversions exist: ``events.k8s.io/v1`` events are stored as core events, and a custom
resource with strategy None differs in ``apiVersion`` alone.
"""

from collections.abc import Callable
from typing import Any

from sandbox.cluster.resources import Catalog, Resource

Obj = dict[str, Any]
_TO_NEW = {
    "involvedObject": "regarding",
    "message": "note",
    "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
    "reportingComponent": "reportingController",
}
_TO_CORE = {new: core for core, new in _TO_NEW.items()}


def outward(catalog: Catalog, resource: Resource) -> Callable[[Obj], Obj] | None:
    """Return how to convert a stored object for ``resource``, or None when nothing changes."""
    if resource.group == "events.k8s.io":
        return _event_out
    if resource.custom and catalog.find(resource.name) != resource:
        version = resource.api_version
        return lambda obj: {**obj, "apiVersion": version}
    return None


def inward(catalog: Catalog, resource: Resource, obj: Any) -> tuple[Resource, Any]:
    """Return the stored resource and the object in its version."""
    if not isinstance(obj, dict):
        return resource, obj
    if resource.group == "events.k8s.io":
        if obj.get("apiVersion", "events.k8s.io/v1") == "events.k8s.io/v1":
            obj = {_TO_CORE.get(key, key): value for key, value in obj.items()}
            obj["apiVersion"] = "v1"
            obj.setdefault("involvedObject", {})
        return catalog.at("", "v1", "events"), obj
    stored = catalog.find(resource.name)
    if resource.custom and stored is not None and stored != resource:
        if obj.get("apiVersion") == resource.api_version:
            obj = {**obj, "apiVersion": stored.api_version}
        return stored, obj
    return resource, obj


def _event_out(obj: Obj) -> Obj:
    converted = {_TO_NEW.get(key, key): value for key, value in obj.items()}
    converted["apiVersion"] = "events.k8s.io/v1"
    if not converted.get("eventTime"):
        first = obj.get("firstTimestamp") or obj["metadata"]["creationTimestamp"]
        converted["eventTime"] = first.removesuffix("Z").partition(".")[0] + ".000000Z"
    return converted
