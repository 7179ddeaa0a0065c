"""What runs on the nodes of a component: pods, their owners, instances and what they cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from addons.components import vendor_prices
from addons.components.base import Json
from addons.components.kit import Kit
from addons.models import Cluster
from kube import PODS, Kube
from providers.lives import place_of
from providers.models import Instance
from providers.observation import size_of


@dataclass(frozen=True, slots=True)
class Affected:
    """A pod and its instance; `price_per_hour` at the team's own price for its billed size."""

    namespace: str
    pod: str
    uid: str
    node: str
    owner: str
    phase: str
    instance: str = ""
    spec: str = ""
    price_per_hour: Decimal | None = None
    currency: str = ""

    def as_dict(self) -> dict[str, str]:
        return {
            name: "" if getattr(self, name) is None else str(getattr(self, name))
            for name in self.__slots__
        }


def cost(rows: Iterable[Affected]) -> dict[str, Decimal]:
    """Per hour, by currency."""
    total: dict[str, Decimal] = {}
    for row in rows:
        if row.price_per_hour is not None:
            total[row.currency] = total.get(row.currency, Decimal(0)) + row.price_per_hour
    return total


async def pods_on(kube: Kube, nodes: Sequence[str]) -> list[Json]:
    """Every pod that is bound to one of the nodes and not over."""
    found: list[Json] = []
    for node in nodes:
        listing = await kube.list(PODS, fields=f"spec.nodeName={node}")
        found += listing.items
    return found


def owner_of(pod: Mapping[str, Any]) -> str:
    """`ReplicaSet nginx-7c5...`; empty: nobody brings it back."""
    owners = pod["metadata"].get("ownerReferences") or ()
    found = next((one for one in owners if one.get("controller")), None)
    return f"{found['kind']} {found['name']}" if found else ""


def is_daemon(pod: Mapping[str, Any]) -> bool:
    """Whether a DaemonSet brings it back at once, on a cordoned node too, until the Node goes."""
    return owner_of(pod).startswith("DaemonSet ")


def names(pods: Iterable[Mapping[str, Any]]) -> str:
    return ", ".join(f"{p['metadata']['namespace']}/{p['metadata']['name']}" for p in pods)


def in_cluster(pods: Iterable[Json], kit: Kit, cluster: Cluster) -> list[Affected]:
    """Of a vendor's virtual nodes: the instance as the pod's annotations tell. Reads the database
    for its price."""
    return [_vendors(pod, kit, cluster) for pod in pods]


def instance_of(pod: Mapping[str, Any], kit: Kit) -> str:
    notes = pod["metadata"].get("annotations") or {}
    return next((notes[key] for key in kit.instance_annotations if notes.get(key)), "")


def _vendors(pod: Json, kit: Kit, cluster: Cluster) -> Affected:
    instance = instance_of(pod, kit)
    spec, price = vendor_prices.priced(pod, kit.provider, instance, cluster)
    return Affected(
        **_common(pod),
        instance=instance,
        spec=spec,
        price_per_hour=price.per_hour if price else None,
        currency=price.currency if price else "",
    )


def _common(pod: Json) -> dict[str, Any]:
    meta = pod["metadata"]
    return {
        "namespace": meta["namespace"],
        "pod": meta["name"],
        "uid": meta["uid"],
        "node": (pod.get("spec") or {}).get("nodeName", ""),
        "owner": owner_of(pod),
        "phase": (pod.get("status") or {}).get("phase", ""),
    }


def hosted(pods: Iterable[Json], cluster: Cluster) -> list[Affected]:
    """Of our own nodes: the instance as the ledger has it."""
    pods = list(pods)
    uids = [pod["metadata"]["uid"] for pod in pods]
    rows = Instance.objects.filter(pod_uid__in=uids, state__in=Instance.OPEN)
    known = {row.pod_uid: row for row in rows.filter(cluster_uid=cluster.uid)}
    return [_ours(pod, known.get(pod["metadata"]["uid"]), cluster) for pod in pods]


def _ours(pod: Json, row: Instance | None, cluster: Cluster) -> Affected:
    if row is None:
        return Affected(**_common(pod))
    price = vendor_prices.of_size(size_of(row), place_of(row), cluster)
    return Affected(
        **_common(pod),
        instance=row.cloud_id,
        spec=row.spec,
        price_per_hour=price.per_hour if price else row.price_per_hour,
        currency=price.currency if price else row.currency,
    )
