"""Server-side apply (``application/apply-patch+yaml``): merge, prune, conflicts, force.

Kubernetes documentation, "Server-Side Apply": an applier owns what it sends; what it no longer
sends and nobody else owns is removed; changing what another manager owns is a 409 unless forced.
"""

from typing import Any

from sandbox.cluster import errors, fieldsets, managed
from sandbox.cluster.clock import rfc3339
from sandbox.cluster.registry import Registry
from sandbox.cluster.request import Request
from sandbox.cluster.resources import Resource
from sandbox.cluster.schema import Shape
from sandbox.cluster.store import Entry

Obj = dict[str, Any]


async def apply(
    registry: Registry,
    req: Request,
    resource: Resource,
    namespace: str,
    name: str,
    *,
    body: Any,
    subresource: str = "",
) -> Obj:
    """Apply a configuration and return the stored object, made when it was missing."""
    config = _read(registry, req, resource, namespace, name, body=body)
    shape = registry.shape(resource)
    if registry.store.get(resource.storage, namespace, name) is None:
        if subresource or config["metadata"].get("uid"):
            raise errors.not_found(resource.plural, resource.group, name)
        owned = fieldsets.of(shape, fieldsets.strip(config))
        req.applied = [_entry(registry, req, resource, owned, subresource)]
        return await registry.create(req, resource, namespace, config)

    def transform(current: Entry) -> Obj:
        return _merged(
            registry, req, resource, current, config=config, shape=shape, subresource=subresource
        )

    return await registry.change(req, resource, namespace, name, transform, subresource=subresource)


def _read(
    registry: Registry, req: Request, resource: Resource, namespace: str, name: str, *, body: Any
) -> Obj:
    if not req.manager:
        cause = errors.cause(
            "FieldValueRequired", "fieldManager", "Required value: is required for apply patch"
        )
        raise errors.invalid("PatchOptions", "meta.k8s.io", "", [cause])
    if not isinstance(body, dict) or not body.get("kind") or not body.get("apiVersion"):
        raise errors.bad_request("invalid object type: apiVersion and kind must be set")
    if (body.get("metadata") or {}).get("managedFields"):
        raise errors.bad_request("metadata.managedFields must be nil")
    config = registry.decode(req, resource, body, "status")
    meta = config["metadata"]
    if meta.setdefault("name", name) != name:
        raise errors.bad_request(f"name of the object ({meta['name']}) does not match ({name})")
    if resource.namespaced and meta.setdefault("namespace", namespace) != namespace:
        raise errors.bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    return config


def _entry(
    registry: Registry, req: Request, resource: Resource, owned: Obj, subresource: str
) -> Obj:
    moment = rfc3339(registry.clock.now())
    return managed.entry(
        req.manager,
        "Apply",
        resource.api_version,
        owned,
        moment=moment,
        subresource=subresource,
    )


def _merged(
    registry: Registry,
    req: Request,
    resource: Resource,
    current: Entry,
    *,
    config: Obj,
    shape: Shape,
    subresource: str,
) -> Obj:
    live = current.copy()
    wanted = fieldsets.strip(config)
    owned = fieldsets.of(shape, wanted)
    entry = _entry(registry, req, resource, owned, subresource)
    stored = live["metadata"].get("managedFields") or []
    mine = next((item for item in stored if managed.key(item) == managed.key(entry)), None)
    others = [item for item in stored if item is not mine]
    merged = fieldsets.merge(shape, live, {**wanted, "metadata": wanted.get("metadata", {})})
    differing = fieldsets.changed(shape, fieldsets.strip(live), fieldsets.strip(merged)) or {}
    others = _settle(others, differing, force=req.force)
    if mine is not None:
        everyone: Obj = {}
        for item in others:
            everyone = fieldsets.union(everyone, item.get("fieldsV1") or {})
        gone = fieldsets.subtract(mine.get("fieldsV1") or {}, owned)
        merged = fieldsets.prune(shape, merged, gone, everyone)
        if mine.get("fieldsV1") == owned:
            entry = mine
    req.applied = [*others, entry]
    for key in ("resourceVersion", "uid"):
        merged["metadata"].pop(key, None)
        if config["metadata"].get(key):
            merged["metadata"][key] = config["metadata"][key]
    merged["metadata"].pop("managedFields", None)
    return registry.decode(req, resource, merged, subresource)


def _settle(others: list[Obj], differing: Obj, *, force: bool) -> list[Obj]:
    """Return the other managers' entries; raises ApiError 409 on a conflict without force."""
    kept, causes = [], []
    for item in others:
        clash = fieldsets.intersect(differing, item.get("fieldsV1") or {})
        if not clash:
            kept.append(item)
            continue
        causes += [_cause(item, path) for path in fieldsets.leaves(clash)]
        rest = fieldsets.subtract(item["fieldsV1"], clash)
        if rest:
            kept.append({**item, "fieldsV1": rest})
    if causes and not force:
        raise errors.apply_conflict(causes)
    return kept


def _cause(item: Obj, path: str) -> Obj:
    using = ""
    if item.get("operation") == "Update":
        using = f" using {item['apiVersion']}"
        if item.get("subresource"):
            using = f' with subresource "{item["subresource"]}" using {item["apiVersion"]}'
    return {
        "reason": "FieldManagerConflict",
        "message": f'conflict with "{item["manager"]}"{using}',
        "field": path,
    }
