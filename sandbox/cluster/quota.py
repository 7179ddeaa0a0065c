"""ResourceQuota at admission: counts and sums of what a namespace holds already."""

from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sandbox.cluster import errors
from sandbox.cluster.podresources import of_pod
from sandbox.cluster.quantity import canonical, parse
from sandbox.cluster.store import Store

if TYPE_CHECKING:
    from sandbox.cluster.admission import Attributes

Obj = dict[str, Any]
_COUNTED = (
    "pods",
    "services",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "replicationcontrollers",
    "resourcequotas",
)


def _text(value: Decimal) -> str:
    return canonical(format(value.normalize(), "f"))


def _pod_usage(pod: Obj) -> Iterator[tuple[str, Decimal]]:
    yield "pods", Decimal(1)
    for kind in ("requests", "limits"):
        for key, value in of_pod(pod["spec"], kind).items():
            yield f"{kind}.{key}", value
            if kind == "requests" and key in ("cpu", "memory"):
                yield key, value


def _usage(resource: str, obj: Obj) -> dict[str, Decimal]:
    total: dict[str, Decimal] = {f"count/{resource}": Decimal(1)}
    if resource == "pods":
        for key, value in _pod_usage(obj):
            total[key] = total.get(key, Decimal(0)) + value
    elif resource in _COUNTED:
        total[resource] = Decimal(1)
    return total


def _alive(resource: str, obj: Obj) -> bool:
    if resource != "pods":
        return True
    return obj.get("status", {}).get("phase") not in ("Succeeded", "Failed")


def used(store: Store, namespace: str, resource: str, keys: set[str]) -> dict[str, Decimal]:
    """Return what the objects of one resource use of the quota keys."""
    total = dict.fromkeys(keys, Decimal(0))
    for entry in store.entries(resource, namespace):
        if _alive(resource, entry.obj):
            for key, value in _usage(resource, entry.obj).items():
                if key in total:
                    total[key] += value
    return total


def check(store: Store, attributes: "Attributes") -> None:
    """Raise ApiError 403 when a create would go over a ResourceQuota of the namespace."""
    if not attributes.resource.namespaced or attributes.obj is None:
        return
    resource, namespace = attributes.resource.storage, attributes.namespace
    quotas = list(store.entries("resourcequotas", namespace))
    if not quotas:
        return
    wanted = _usage(resource, attributes.obj)
    for entry in quotas:
        hard = entry.obj.get("spec", {}).get("hard") or {}
        keys = set(hard) & set(wanted)
        have = used(store, namespace, resource, keys)
        over = [k for k in sorted(keys) if have[k] + wanted[k] > parse(hard[k])]
        if over:
            asked = ",".join(f"{k}={_text(wanted[k])}" for k in over)
            spent = ",".join(f"{k}={_text(have[k])}" for k in over)
            limit = ",".join(f"{k}={hard[k]}" for k in over)
            why = (
                f"exceeded quota: {entry.key[1]}, requested: {asked}, used: {spent}, "
                f"limited: {limit}"
            )
            kind = attributes.resource
            raise errors.forbidden(kind.plural, kind.group, attributes.name, why)
