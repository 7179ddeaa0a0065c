"""Questions about Kubernetes objects that several loops ask."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sandbox.cluster.store import decode, encode

from .informer import Obj
from .timing import stamp

Selector = dict[str, Any]


def labels_of(obj: Obj) -> dict[str, str]:
    """The labels, never None."""
    return obj["metadata"].get("labels") or {}


def annotations_of(obj: Obj) -> dict[str, str]:
    """The annotations, never None."""
    return obj["metadata"].get("annotations") or {}


def deleting(obj: Obj) -> bool:
    """Deletion was asked for."""
    return bool(obj["metadata"].get("deletionTimestamp"))


def owners_of(obj: Obj) -> list[Obj]:
    """The owner references, never None."""
    return obj["metadata"].get("ownerReferences") or []


def controller_of(obj: Obj) -> Obj | None:
    """The owner reference with controller: true."""
    return next((ref for ref in owners_of(obj) if ref.get("controller")), None)


def controller_uid(obj: Obj) -> list[str]:
    """Index function: UID of the controlling owner, if any."""
    ref = controller_of(obj)
    return [ref["uid"]] if ref else []


def owner_reference(owner: Obj) -> Obj:
    """A controlling reference to `owner`."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def matches(selector: Selector | None, labels: dict[str, str]) -> bool:
    """A metav1.LabelSelector against labels; None matches nothing, {} everything."""
    if selector is None:
        return False
    for name, value in (selector.get("matchLabels") or {}).items():
        if labels.get(name) != value:
            return False
    return all(expression_holds(e, labels) for e in selector.get("matchExpressions") or [])


def expression_holds(expression: Obj, labels: dict[str, str]) -> bool:
    """One match expression of a label or node selector."""
    name, operator = expression["key"], expression["operator"]
    values = expression.get("values") or []
    if operator == "In":
        return labels.get(name) in values
    if operator == "NotIn":
        return labels.get(name) not in values
    if operator == "Exists":
        return name in labels
    if operator == "DoesNotExist":
        return name not in labels
    return _compares(labels.get(name), operator, values)


def _compares(value: str | None, operator: str, values: list[str]) -> bool:
    if value is None or len(values) != 1 or operator not in {"Gt", "Lt"}:
        return False
    try:
        left, right = int(value), int(values[0])
    except ValueError:
        return False
    return left > right if operator == "Gt" else left < right


def condition_of(obj: Obj, kind: str) -> Obj | None:
    """The status condition of this type."""
    conditions = (obj.get("status") or {}).get("conditions") or []
    return next((c for c in conditions if c["type"] == kind), None)


def condition_status(obj: Obj, kind: str) -> str:
    """ "True", "False" or "Unknown" ("Unknown" too when absent)."""
    condition = condition_of(obj, kind)
    return str(condition["status"]) if condition else "Unknown"


def with_condition(conditions: Iterable[Obj] | None, new: Obj, now: float) -> list[Obj]:
    """The conditions with `new` in the place of its type; lastTransitionTime moves with status."""
    result = []
    placed = False
    for old in conditions or []:
        if old["type"] != new["type"]:
            result.append(old)
            continue
        since = old.get("lastTransitionTime")
        if old.get("status") != new["status"] or not since:
            since = stamp(now)
        result.append({**new, "lastTransitionTime": since})
        placed = True
    if not placed:
        result.append({**new, "lastTransitionTime": stamp(now)})
    return result


def pod_active(pod: Obj) -> bool:
    """Neither finished nor being deleted."""
    return not pod_finished(pod) and not deleting(pod)


def pod_finished(pod: Obj) -> bool:
    """Phase Succeeded or Failed."""
    return (pod.get("status") or {}).get("phase") in {"Succeeded", "Failed"}


def pod_ready(pod: Obj) -> bool:
    """Condition Ready is True."""
    return condition_status(pod, "Ready") == "True"


def node_of(pod: Obj) -> str:
    """The node that the pod is bound to, or ""."""
    return pod["spec"].get("nodeName") or ""


def on_node(pod: Obj) -> list[str]:
    """Index function: name of the node, "" while unbound."""
    return [node_of(pod)]


def in_namespace(obj: Obj) -> list[str]:
    """Index function: the namespace."""
    return [obj["metadata"].get("namespace") or ""]


def clone(obj: Obj) -> Obj:
    """A copy that may be edited."""
    copied: Obj = decode(encode(obj))
    return copied


def without_nulls(value: Any) -> Any:
    """The value with null members removed at every depth."""
    if isinstance(value, dict):
        return {k: without_nulls(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [without_nulls(v) for v in value]
    return value
