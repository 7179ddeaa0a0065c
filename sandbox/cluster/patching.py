"""PATCH: one patch body of any of the four kinds onto one object."""

from typing import Any

from sandbox.cluster import errors, patches, scale
from sandbox.cluster.apply import apply
from sandbox.cluster.registry import Registry
from sandbox.cluster.request import Request
from sandbox.cluster.resources import Resource
from sandbox.cluster.store import Entry

Obj = dict[str, Any]


async def patch(
    registry: Registry,
    req: Request,
    resource: Resource,
    namespace: str,
    name: str,
    *,
    body: Any,
    kind: str,
    subresource: str = "",
) -> Obj:
    """Patch and return the stored object; ``kind`` is merge, json, strategic or apply."""
    if subresource == "scale":
        return await scale.write(registry, req, resource, namespace, name, body=body, kind=kind)
    if kind == "apply":
        return await apply(
            registry, req, resource, namespace, name, body=body, subresource=subresource
        )
    shape = registry.shape(resource)
    if kind == "strategic" and resource.custom:
        raise errors.unsupported_media(
            "the body of the request was in an unknown format - accepted media types include: "
            "application/json-patch+json, application/merge-patch+json, "
            "application/apply-patch+yaml"
        )

    def transform(entry: Entry) -> Obj:
        current = entry.copy()
        if kind == "json":
            changed = patches.json_patch(current, body)
        elif kind == "strategic":
            changed = patches.strategic_merge(current, body, shape)
        else:
            changed = patches.merge_patch(current, body)
        meta = changed.get("metadata")
        if isinstance(meta, dict) and meta.get("resourceVersion") == str(entry.rv):
            del meta["resourceVersion"]
        return registry.decode(req, resource, changed, subresource)

    return await registry.change(req, resource, namespace, name, transform, subresource=subresource)
