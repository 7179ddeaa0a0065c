"""Holds: no new instances in a namespace, a cluster or on a virtual node, until they are lifted.

A hold never touches what runs. A pod that would need a new instance stays Pending, with an event,
and costs nothing. A hold on a whole node may also cordon it, so that the scheduler sends pods
elsewhere; the cordon is taken back with the hold, but only where we placed it.

The row is written first, so that it works while its cluster is away; `settle` brings the cordons
in line afterwards, as often as it is called. A lifted row whose `cordoned` is still set has a
cordon to take back.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet

from addons.announce import announce
from addons.models import Hold, PodRow, VirtualNode
from addons.pods import reasons
from addons.runtime.loop import runtime
from addons.runtime.nudge import poke
from kube import NODES
from kube.errors import KubeError, NotFound

log = logging.getLogger(__name__)
# Longer than a drain remembers which holds there are (`addons.pods.reconcile.SCENE_SECONDS`).
FORGOTTEN_SECONDS = 1.2
CALL_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Target:
    """A namespace of a cluster, a whole cluster (no namespace), or either on one node alone."""

    cluster_id: int
    node_id: int | None = None
    namespace: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """An open hold as a drain needs it; `namespace` empty: every one."""

    namespace: str
    source: str
    reason: str


def standing(cluster_id: int, node_id: int) -> tuple[Standing, ...]:
    """The open holds that reach the pods of a virtual node, oldest first."""
    here = Q(node=None) | Q(node=node_id)
    rows = Hold.objects.filter(here, cluster=cluster_id, lifted_at=None).order_by("pk")
    return tuple(Standing(*row) for row in rows.values_list("namespace", "source", "reason"))


def held(holds: Iterable[Standing], namespace: str) -> Standing | None:
    return next((hold for hold in holds if hold.namespace in {"", namespace}), None)


def place(
    source: str, reason: str, targets: Iterable[Target], *, now: datetime, cordon: bool = False
) -> int:
    """Hold every target that this source does not hold yet; how many are new.

    `reason` is a sentence as `addons.sentences.stored` makes it. With `cordon`, whole nodes are
    cordoned too. Targets that the source held before and that are not named stay held.
    """
    rows = [
        Hold(
            cluster_id=target.cluster_id,
            node_id=target.node_id,
            namespace=target.namespace,
            source=source,
            reason=reason,
            placed_at=now,
        )
        for target in targets
    ]
    before = Hold.objects.filter(source=source, lifted_at=None).count()
    Hold.objects.bulk_create(rows, ignore_conflicts=True)
    _poke_pending(Hold.objects.filter(source=source, lifted_at=None, placed_at=now))
    if cordon:
        _cordon(source)
    return Hold.objects.filter(source=source, lifted_at=None).count() - before


def lift(source: str, *, by: str, now: datetime) -> int:
    """End the holds of a source; its pods are looked at again at once. How many ended."""
    with transaction.atomic():
        open_ = Hold.objects.filter(source=source, lifted_at=None).select_related("cluster", "node")
        rows = list(open_)
        Hold.objects.filter(pk__in=[row.pk for row in rows]).update(lifted_at=now, lifted_by=by)
    settle()
    for pod in _held_pods(rows):
        poke(f"node:{pod.node_id}", pod.key, delay=FORGOTTEN_SECONDS)
    return len(rows)


def settle() -> None:
    """Take back the cordons of lifted holds; what a cluster does not answer for waits."""
    left = Hold.objects.filter(cordoned=True, node__isnull=False).exclude(lifted_at=None)
    for row in left.select_related("node"):
        assert row.node is not None
        if _hand_over(row) or _set_unschedulable(row.node, False):
            Hold.objects.filter(pk=row.pk).update(cordoned=False)


def _hand_over(row: Hold) -> bool:
    """Another hold keeps the node: the cordon becomes its own."""
    others = Hold.objects.filter(node=row.node, namespace="", lifted_at=None)
    other = others.order_by("pk").first()
    if other is None:
        return False
    Hold.objects.filter(pk=other.pk).update(cordoned=True)
    return True


def _cordon(source: str) -> None:
    rows = Hold.objects.filter(source=source, lifted_at=None, namespace="", cordoned=False)
    for row in rows.exclude(node=None).select_related("node"):
        assert row.node is not None
        if not row.node.unschedulable and _set_unschedulable(row.node, True):
            Hold.objects.filter(pk=row.pk).update(cordoned=True)


def _set_unschedulable(node: VirtualNode, value: bool) -> bool:
    """Whether the node is so now by our doing, or is gone."""

    async def patch() -> None:
        kube = await runtime().kube(node.cluster_id)
        await kube.patch(NODES, node.name, {"spec": {"unschedulable": value}})

    try:
        runtime().run(patch(), timeout=CALL_SECONDS)
    except NotFound:
        return not value
    except (KubeError, TimeoutError) as error:
        log.warning("the cordon of %s waits: %s", node.name, error)
        return False
    VirtualNode.objects.filter(pk=node.pk).update(unschedulable=value)
    transaction.on_commit(lambda: announce("nodes", [node.pk]))
    return True


def _reach(row: Hold) -> Q:
    pods = Q(cluster=row.cluster_id)
    if row.node_id is not None:
        pods &= Q(node=row.node_id)
    return pods & Q(namespace=row.namespace) if row.namespace else pods


def _held_pods(rows: Iterable[Hold]) -> QuerySet[PodRow]:
    reach = Q(pk__in=[])
    for row in rows:
        reach |= _reach(row)
    pods = PodRow.objects.filter(reach, gone_at=None, blocker=reasons.HELD).exclude(node=None)
    return pods.only("cluster_id", "node_id", "namespace", "name")


def _poke_pending(rows: QuerySet[Hold]) -> None:
    """Pods that wait already say from now on what for."""
    reach = Q(pk__in=[])
    for row in rows:
        reach |= _reach(row)
    pods = PodRow.objects.filter(reach, gone_at=None, phase="Pending", instance=None)
    for pod in pods.exclude(node=None).only("cluster_id", "node_id", "namespace", "name"):
        poke(f"node:{pod.node_id}", pod.key, delay=FORGOTTEN_SECONDS)


def values(hold: Standing) -> Mapping[str, Any]:
    """What fills the sentence on the pod."""
    return {"hold": hold.reason, "source": hold.source}
