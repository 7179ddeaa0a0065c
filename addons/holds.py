"""Holds: no new instances in a namespace, a cluster or on a virtual node, until they are lifted.

A hold never touches what runs. A pod that would need a new instance stays Pending, with an event,
and costs nothing. A hold on a whole node may also cordon it, so that the scheduler sends pods
elsewhere; the cordon is taken back with the hold, but only where we placed it. A node that a
vendor's own virtual kubelet runs is known by its name alone, and a cordon is all that holds it: who
makes its instances does not ask us.

The row works by itself, so that a hold stands while its cluster is away; `settle` brings cordons in
line with the rows, as often as it is called. A lifted row whose `cordoned` is still set has a
cordon to take back.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet

from addons.announce import announce
from addons.models import Hold, PodRow, VirtualNode
from addons.pods import reasons
from addons.pods.events import events_of
from addons.runtime.loop import runtime
from addons.runtime.nudge import poke
from kube import NODES, Kube
from kube.errors import KubeError, NotFound

log = logging.getLogger(__name__)
# Longer than a drain remembers which holds there are (`addons.pods.reconcile.SCENE_SECONDS`).
FORGOTTEN_SECONDS = 1.2
CALL_SECONDS = 8.0


@dataclass(frozen=True, slots=True)
class Target:
    """A namespace of a cluster, a whole cluster (no namespace), or either on one node alone;
    `node_name`: a whole node of a vendor's virtual kubelet."""

    cluster_id: int
    node_id: int | None = None
    namespace: str = ""
    node_name: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """An open hold as a drain needs it; `namespace` empty: every one."""

    namespace: str
    source: str
    reason: str


def standing(cluster_id: int, node_id: int) -> tuple[Standing, ...]:
    """The open holds that reach the pods of a virtual node, oldest first."""
    here = Q(node=None, node_name="") | Q(node=node_id)
    rows = Hold.objects.filter(here, cluster=cluster_id, lifted_at=None).order_by("pk")
    return tuple(Standing(*row) for row in rows.values_list("namespace", "source", "reason"))


def held(holds: Iterable[Standing], namespace: str) -> Standing | None:
    return next((hold for hold in holds if hold.namespace in {"", namespace}), None)


def place(source: str, reason: str, targets: Iterable[Target], *, now: datetime) -> int:
    """Hold every target that this source does not hold yet; how many are new.

    `reason` is a sentence as `addons.sentences.stored` makes it. Targets that the source held
    before and that are not named stay held. Cordons are the business of `settle`.
    """
    rows = [
        Hold(
            cluster_id=target.cluster_id,
            node_id=target.node_id,
            namespace=target.namespace,
            node_name=target.node_name,
            source=source,
            reason=reason,
            placed_at=now,
        )
        for target in targets
    ]
    before = Hold.objects.filter(source=source, lifted_at=None).count()
    Hold.objects.bulk_create(rows, ignore_conflicts=True)
    _poke_pending(Hold.objects.filter(source=source, lifted_at=None, placed_at=now))
    return Hold.objects.filter(source=source, lifted_at=None).count() - before


def lift(source: str, *, by: str, now: datetime) -> int:
    """End the holds of a source; its pods are looked at again at once. How many ended."""
    with transaction.atomic():
        rows = list(Hold.objects.filter(source=source, lifted_at=None))
        Hold.objects.filter(pk__in=[row.pk for row in rows]).update(lifted_at=now, lifted_by=by)
    for pod in _held_pods(rows):
        poke(f"node:{pod.node_id}", pod.key, delay=FORGOTTEN_SECONDS)
    return len(rows)


def release(cluster_id: int, *, now: datetime) -> None:
    """End every hold in a cluster that is about to be forgotten, and take our cordons back."""
    Hold.objects.filter(cluster=cluster_id, lifted_at=None).update(lifted_at=now)
    settle()


def settle(cordoning: Collection[str] = ()) -> int:
    """Bring cordons in line with holds; how many nodes changed.

    Whole nodes that the sources in `cordoning` hold are cordoned, unless they are already; our own
    cordons of lifted holds are taken back. Clusters are asked side by side, and one that does not
    answer is left for the next time, after `CALL_SECONDS` whatever the number of its nodes.
    """
    wanted = [*_to_free(), *_to_cordon(cordoning)]
    if not wanted:
        return 0
    done = runtime().run(_patch_all([change for _, change in wanted]))
    settled = [(row, change) for row, change in wanted if change in done]
    for row, change in settled:
        Hold.objects.filter(pk=row.pk).update(cordoned=change.value)
        if change.node_id is not None:
            VirtualNode.objects.filter(pk=change.node_id).update(unschedulable=change.value)
    ours = [change.node_id for _, change in settled if change.node_id is not None]
    transaction.on_commit(lambda: announce("nodes", ours))
    return len(settled)


@dataclass(frozen=True, slots=True)
class _Change:
    """`node_id` is None for a vendor's node; `reason` is what the hold of a cordon says."""

    cluster_id: int
    node_id: int | None
    node_name: str
    value: bool
    reason: str = field(default="", compare=False)


def _change(row: Hold, value: bool) -> _Change:
    name = row.node.name if row.node else row.node_name
    return _Change(row.cluster_id, row.node_id, name, value, row.reason)


def _whole_nodes(rows: QuerySet[Hold]) -> QuerySet[Hold]:
    named = Q(node__isnull=False) | ~Q(node_name="")
    return rows.filter(named, namespace="").select_related("node").order_by("pk")


def _to_free() -> Iterator[tuple[Hold, _Change]]:
    for row in _whole_nodes(Hold.objects.filter(cordoned=True, lifted_at__isnull=False)):
        if _hand_over(row):
            Hold.objects.filter(pk=row.pk).update(cordoned=False)
        else:
            yield row, _change(row, False)


def _hand_over(row: Hold) -> bool:
    """Another hold keeps the node: the cordon becomes its own."""
    others = _whole_nodes(Hold.objects.filter(cluster=row.cluster_id, lifted_at=None))
    other = others.filter(node=row.node_id, node_name=row.node_name).first()
    if other is None:
        return False
    Hold.objects.filter(pk=other.pk).update(cordoned=True)
    return True


def _to_cordon(sources: Collection[str]) -> Iterator[tuple[Hold, _Change]]:
    rows = _whole_nodes(Hold.objects.filter(source__in=sources, lifted_at=None, cordoned=False))
    seen: set[_Change] = set()
    for row in rows.exclude(node__unschedulable=True):
        change = _change(row, True)
        if change not in seen:
            seen.add(change)
            yield row, change


async def _patch_all(changes: Sequence[_Change]) -> set[_Change]:
    """Those that are so now, by our doing or because the node is gone."""
    by_cluster: dict[int, list[_Change]] = defaultdict(list)
    for change in changes:
        by_cluster[change.cluster_id].append(change)
    done: set[_Change] = set()
    await asyncio.gather(*(_patch(members, done) for members in by_cluster.values()))
    return done


async def _patch(changes: Sequence[_Change], done: set[_Change]) -> None:
    """The nodes of one cluster, until it fails."""
    try:
        async with asyncio.timeout(CALL_SECONDS):
            kube = await runtime().kube(changes[0].cluster_id)
            for change in changes:
                node = await _patch_one(kube, change)
                if node is None:
                    continue
                done.add(change)
                if change.value:
                    now, told = runtime().clock.now(), {"hold": change.reason}
                    await events_of(kube).say(kube, node, reasons.CORDONED, told, now=now)
    except (KubeError, TimeoutError) as error:
        log.warning("cordons in cluster %s wait: %s", changes[0].cluster_id, error)


async def _patch_one(kube: Kube, change: _Change) -> dict[str, Any] | None:
    """The node that our doing made so, empty if it is gone; None: it is not, or not by us. No row
    tells whether somebody cordoned a vendor's node before; the node itself does."""
    try:
        if change.node_id is None and change.value:
            node = await kube.get(NODES, change.node_name)
            if (node.get("spec") or {}).get("unschedulable"):
                return None
        body = {"spec": {"unschedulable": change.value}}
        return await kube.patch(NODES, change.node_name, body)
    except NotFound:
        return None if change.value else {}


def _reach(row: Hold) -> Q:
    if row.node_name:
        return Q(pk__in=[])
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
