"""managedFields: who owns which field, kept up by every write.

Rules of server-side apply for ordinary writes: the writer owns what it added or changed, everyone
else loses those fields, and what is removed belongs to nobody. Lease and Event objects are left
out: they are written often and nobody applies them.
"""

from typing import Any

from sandbox.cluster import fieldsets
from sandbox.cluster.clock import Clock, rfc3339
from sandbox.cluster.request import Request
from sandbox.cluster.resources import Resource
from sandbox.cluster.schema import Shape

Obj = dict[str, Any]
UNTRACKED = frozenset(("leases.coordination.k8s.io", "events"))


def entry(
    manager: str, operation: str, api_version: str, fields: Obj, *, moment: str, subresource: str
) -> Obj:
    """Return one ManagedFieldsEntry."""
    made: Obj = {
        "manager": manager,
        "operation": operation,
        "apiVersion": api_version,
        "time": moment,
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
    }
    if subresource:
        made["subresource"] = subresource
    return made


def base(old: Obj | None, new: Obj) -> list[Obj]:
    """Return the entries to start from: those sent, or else those stored; ``[{}]`` resets."""
    sent = new["metadata"].get("managedFields")
    if sent is None:
        sent = (old or {}).get("metadata", {}).get("managedFields") or []
    return [item for item in sent if item]


def track(
    req: Request,
    resource: Resource,
    old: Obj | None,
    new: Obj,
    *,
    shape: Shape,
    clock: Clock,
    subresource: str = "",
) -> None:
    """Record in ``new`` which fields this write's manager changed."""
    meta = new["metadata"]
    if resource.storage in UNTRACKED:
        meta.pop("managedFields", None)
        return
    if req.applied is not None:
        meta["managedFields"] = req.applied
        return
    entries = base(old, new)
    after = fieldsets.strip(new)
    before = fieldsets.strip(old) if old else {}
    if old is None and resource.has_status:
        after.pop("status", None)
    if before != after:
        added = fieldsets.changed(shape, before, after) or {}
        gone = fieldsets.removed(shape, before, after) or {}
        moment = rfc3339(clock.now())
        entries = _shift(
            entries, (req.manager, resource.api_version, subresource), added, gone, moment
        )
    if entries:
        meta["managedFields"] = entries
    else:
        meta.pop("managedFields", None)


def _shift(
    entries: list[Obj], who: tuple[str, str, str], added: Obj, gone: Obj, moment: str
) -> list[Obj]:
    manager, api_version, subresource = who
    result, mine = [], None
    lost = fieldsets.union(added, gone)
    for item in entries:
        if key(item) == (manager, "Update", api_version, subresource):
            mine = item
            continue
        fields = fieldsets.subtract(item.get("fieldsV1") or {}, lost)
        if fields:
            result.append({**item, "fieldsV1": fields})
    own = fieldsets.subtract((mine or {}).get("fieldsV1") or {}, gone)
    own = fieldsets.union(own, added)
    if own:
        result.append(
            entry(manager, "Update", api_version, own, moment=moment, subresource=subresource)
        )
    return result


def key(item: Obj) -> tuple[str, str, str, str]:
    """Return what tells one entry from another."""
    return (
        item.get("manager", ""),
        item.get("operation", ""),
        item.get("apiVersion", ""),
        item.get("subresource", ""),
    )


def equal(old: Any, new: Any) -> bool:
    """Return whether two managedFields lists say the same, times aside."""
    if old == new:
        return True
    before = [{k: v for k, v in item.items() if k != "time"} for item in old or ()]
    after = [{k: v for k, v in item.items() if k != "time"} for item in new or ()]
    return before == after
