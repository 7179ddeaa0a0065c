"""The scale subresource (``autoscaling/v1`` Scale) of workloads and custom resources."""

from typing import Any

from sandbox.cluster import errors, patches, schema
from sandbox.cluster.crds import CustomKind
from sandbox.cluster.registry import Registry
from sandbox.cluster.request import Request
from sandbox.cluster.resources import Resource
from sandbox.cluster.selectors import to_text
from sandbox.cluster.store import Entry

Obj = dict[str, Any]
_PATHS = {
    "specReplicasPath": ".spec.replicas",
    "statusReplicasPath": ".status.replicas",
}


def _paths(resource: Resource) -> Obj:
    if isinstance(resource.schema, CustomKind) and resource.schema.scale:
        return resource.schema.scale
    return _PATHS


def _read(obj: Obj, path: str) -> Any:
    value: Any = obj
    for part in path.strip(".").split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _write(obj: Obj, path: str, value: Any) -> None:
    *parents, last = path.strip(".").split(".")
    for part in parents:
        obj = obj.setdefault(part, {})
    obj[last] = value


def _selector(resource: Resource, obj: Obj) -> str:
    path = _paths(resource).get("labelSelectorPath")
    if path:
        return str(_read(obj, path) or "")
    selector = (obj.get("spec") or {}).get("selector") or {}
    if resource.name == "replicationcontrollers":
        selector = {"matchLabels": selector}
    return to_text(selector) if selector else ""


def of(resource: Resource, obj: Obj) -> Obj:
    """Return the Scale of an object."""
    meta, paths = obj["metadata"], _paths(resource)
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    scale: Obj = {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {key: meta[key] for key in kept if key in meta},
        "spec": {"replicas": _read(obj, paths["specReplicasPath"]) or 0},
        "status": {"replicas": _read(obj, paths["statusReplicasPath"]) or 0},
    }
    selector = _selector(resource, obj)
    if selector:
        scale["status"]["selector"] = selector
    return scale


async def write(
    registry: Registry,
    req: Request,
    resource: Resource,
    namespace: str,
    name: str,
    *,
    body: Any,
    kind: str = "",
) -> Obj:
    """Set the replicas from a Scale (``kind`` "") or from a patch of one; returns the Scale."""

    def transform(entry: Entry) -> Obj:
        scale = of(resource, entry.obj)
        changed = _patched(scale, body, kind)
        replicas = (changed.get("spec") or {}).get("replicas", 0)
        if not isinstance(replicas, int) or replicas < 0:
            text = f"Invalid value: {replicas}: must be greater than or equal to 0"
            cause = errors.cause("FieldValueInvalid", "spec.replicas", text)
            raise errors.invalid("Scale", "autoscaling", name, [cause])
        obj = entry.copy()
        obj["metadata"].pop("resourceVersion", None)
        given = (changed.get("metadata") or {}).get("resourceVersion")
        if given and given != str(entry.rv):
            obj["metadata"]["resourceVersion"] = given
        _write(obj, _paths(resource)["specReplicasPath"], replicas)
        return obj

    stored = await registry.change(req, resource, namespace, name, transform, subresource="scale")
    return of(resource, stored)


def _patched(scale: Obj, body: Any, kind: str) -> Obj:
    if kind == "json":
        return patches.json_patch(scale, body)
    if kind == "strategic":
        shape = schema.of_kind("autoscaling", "v1", "Scale")
        merged: Obj = patches.strategic_merge(scale, body, shape)
        return merged
    if kind:
        result: Obj = patches.merge_patch(scale, body)
        return result
    if not isinstance(body, dict):
        raise errors.bad_request("the object provided is unrecognized: must be a Scale")
    return body
