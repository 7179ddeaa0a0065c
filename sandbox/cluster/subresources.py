"""Subresources that are verbs: binding and eviction of pods, scale of workloads."""

from typing import Any

from sandbox.cluster import errors
from sandbox.cluster.clock import rfc3339
from sandbox.cluster.registry import DeleteOptions, Registry
from sandbox.cluster.request import Request
from sandbox.cluster.selectors import label_selector
from sandbox.cluster.store import Entry

Obj = dict[str, Any]


async def bind(registry: Registry, req: Request, namespace: str, pod: str, body: Obj) -> None:
    """Set ``spec.nodeName`` and the PodScheduled condition; 409 when already assigned."""
    pods = registry.catalog.named("pods")
    node = (body.get("target") or {}).get("name")
    if not node:
        raise errors.bad_request("target.name is required")
    moment = rfc3339(registry.clock.now())

    def transform(entry: Entry) -> Obj:
        obj = entry.copy()
        _check_bindable(entry, (body.get("metadata") or {}).get("uid"))
        obj["metadata"].pop("resourceVersion", None)
        obj["spec"]["nodeName"] = node
        annotations = (body.get("metadata") or {}).get("annotations")
        if annotations:
            obj["metadata"].setdefault("annotations", {}).update(annotations)
        conditions = obj["status"].setdefault("conditions", [])
        conditions[:] = [c for c in conditions if c["type"] != "PodScheduled"]
        conditions.append({"type": "PodScheduled", "status": "True", "lastTransitionTime": moment})
        return obj

    await registry.change(req, pods, namespace, pod, transform, subresource="binding")


def _check_bindable(entry: Entry, uid: str | None) -> None:
    meta, spec = entry.obj["metadata"], entry.obj["spec"]
    name = entry.key[1]
    if uid and uid != meta["uid"]:
        why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {meta['uid']}"
        raise errors.conflict("pods/binding", "", name, why)
    if "deletionTimestamp" in meta:
        why = f"pod {name} is being deleted, cannot be assigned to a host"
        raise errors.conflict("pods/binding", "", name, why)
    if spec.get("nodeName"):
        why = f'pod {name} is already assigned to node "{spec["nodeName"]}"'
        raise errors.conflict("pods/binding", "", name, why)
    if spec.get("schedulingGates"):
        raise errors.conflict(
            "pods/binding", "", name, f"pod {name} has non-empty .spec.schedulingGates"
        )


async def evict(registry: Registry, req: Request, namespace: str, pod: str, body: Obj) -> None:
    """Delete a pod unless a PodDisruptionBudget forbids it (429)."""
    pods = registry.catalog.named("pods")
    entry = registry.entry(pods, namespace, pod)
    given = body.get("deleteOptions") or {}
    options = DeleteOptions(
        uid=(given.get("preconditions") or {}).get("uid"),
        grace_seconds=given.get("gracePeriodSeconds"),
        propagation=given.get("propagationPolicy"),
    )
    meta, status = entry.obj["metadata"], entry.obj["status"]
    over = status.get("phase") in ("Succeeded", "Failed", "Pending")
    if not over and "deletionTimestamp" not in meta:
        await _spend_budget(registry, req, entry)
    await registry.delete(req, pods, namespace, pod, options)


async def _spend_budget(registry: Registry, req: Request, entry: Entry) -> None:
    budgets = registry.catalog.named("poddisruptionbudgets.policy")
    labels = entry.obj["metadata"].get("labels") or {}
    matching = [
        budget
        for budget in registry.store.entries(budgets.storage, entry.key[0])
        if label_selector(budget.obj["spec"].get("selector"))(labels)
    ]
    if len(matching) > 1:
        raise errors.internal(
            "This pod has more than one PodDisruptionBudget, which the eviction subresource does "
            "not support."
        )
    if matching and not req.dry_run:
        await _disrupt(registry, req, matching[0], entry.key[1])


async def _disrupt(registry: Registry, req: Request, budget: Entry, pod: str) -> None:
    moment = rfc3339(registry.clock.now())

    def transform(current: Entry) -> Obj:
        obj = current.copy()
        status = obj.setdefault("status", {})
        stale = status.get("observedGeneration", 0) < obj["metadata"].get("generation", 1)
        if stale or status.get("disruptionsAllowed", 0) <= 0:
            raise _refusal(current, stale=stale)
        status["disruptionsAllowed"] -= 1
        status.setdefault("disruptedPods", {})[pod] = moment
        return obj

    resource = registry.catalog.named("poddisruptionbudgets.policy")
    await registry.change(req, resource, *budget.key, transform, subresource="status")


def _refusal(budget: Entry, *, stale: bool) -> errors.ApiError:
    name, status = budget.key[1], budget.obj.get("status") or {}
    if stale:
        why = f"The disruption budget {name} is still being processed by the server."
    else:
        why = (
            f"The disruption budget {name} needs {status.get('desiredHealthy', 0)} healthy pods "
            f"and has {status.get('currentHealthy', 0)} currently"
        )
    return errors.too_many_requests(
        "Cannot evict pod as it would violate the pod's disruption budget.",
        retry_after=10 if stale else 0,
        causes=[{"reason": "DisruptionBudget", "message": why}],
    )
