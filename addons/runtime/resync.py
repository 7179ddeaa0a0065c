"""Rebuild the queue from the database: nothing that is unfinished is ever forgotten.

A full resync queues every live pod, open instance, node, operation and fleet upgrade. It runs when
a worker starts and when the queue was lost (its mark in Redis is gone). In between only what is
unsettled is queued again, and a fortieth of the settled pods, so that a fleet at rest stays cheap
and each pod is still looked at once in twenty minutes whatever the watch and the sweep missed. A
twentieth of the installed components is compared with its cluster, each about every ten minutes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from django.db.models import Exists, F, OuterRef, Q, QuerySet

from addons.models import (
    Cluster,
    FleetMember,
    FleetUpgrade,
    Installation,
    Operation,
    PodRow,
    VirtualNode,
)
from addons.runtime import nudge
from addons.runtime.loop import Runtime
from providers.models import Instance, Orphan

MARK = "spillway:q:mark"
DONE = "spillway:resynced"
LATE_SECONDS = 60
SLICES = 40
DRIFT_SLICES = 20
Keys = dict[str, set[str]]


def sweep_key(account_id: int, region: str) -> str:
    """Key and shard of a sweep are the same text."""
    return f"sweep:{account_id}:{region}"


def fleet_key(pk: int) -> str:
    """Key and shard of a fleet upgrade are the same text."""
    return f"fleet:{pk}"


def operation_shard(operation: Operation) -> str:
    return f"cluster:{operation.cluster_id or 0}"


def sweep_keys() -> list[str]:
    """One per account and region that has nodes, open instances or open orphans."""
    places: set[tuple[int, str]] = set()
    for account in ("account_id", "second_account_id"):
        served = VirtualNode.objects.exclude(**{account: None})
        places.update(served.values_list(account, "region").distinct())
    places.update(
        Instance.objects.filter(state__in=Instance.OPEN)
        .values_list("account_id", "region")
        .distinct()
    )
    places.update(
        Orphan.objects.filter(closed_at=None).values_list("account_id", "region").distinct()
    )
    return [sweep_key(account, region) for account, region in sorted(places)]


def _live_pods() -> QuerySet[PodRow]:
    pods = PodRow.objects.filter(gone_at=None).exclude(node=None)
    return pods.filter(cluster__paused=False)


def _unsettled() -> Q:
    """Pods that are on their way somewhere."""
    return (
        Q(phase__in=["Pending", "Unknown"])
        | Q(deleting_at__isnull=False)
        | ~Q(blocker="")
        | Q(phase__in=["Succeeded", "Failed"], instance__state__in=Instance.OPEN)
        | Q(phase="Running", instance__state__in=[Instance.State.INTENT, Instance.State.CREATING])
    )


def _pod_keys(pods: Iterable[PodRow], keys: Keys) -> None:
    for pod in pods:
        keys[f"node:{pod.node_id}"].add(pod.key)


def _instance_keys(keys: Keys) -> None:
    """Open instances whose pod is gone or was never seen: their pod's key closes them."""
    live = PodRow.objects.filter(
        cluster__uid=OuterRef("cluster_uid"), uid=OuterRef("pod_uid"), gone_at=None
    )
    rows = Instance.objects.filter(~Exists(live), state__in=Instance.OPEN)
    clusters = dict(Cluster.objects.values_list("uid", "pk"))
    nodes = {
        (cluster, name): pk
        for pk, cluster, name in VirtualNode.objects.values_list("pk", "cluster_id", "name")
    }
    wanted = rows.values_list("cluster_uid", "node_name", "namespace", "pod_name")
    for uid, node_name, namespace, name in wanted:
        node = nodes.get((clusters.get(uid, 0), node_name))
        if node:
            keys[f"node:{node}"].add(f"pod:{clusters[uid]}:{namespace}/{name}")


def _drift_keys(part: int, keys: Keys) -> None:
    rows = Installation.objects.filter(state=Installation.State.INSTALLED, cluster__paused=False)
    turn = rows.annotate(turn=F("pk") % DRIFT_SLICES).filter(turn=part % DRIFT_SLICES)
    for pk, cluster in turn.values_list("pk", "cluster_id"):
        keys[f"cluster:{cluster}"].add(f"drift:{pk}")


def _unsettled_fleets() -> QuerySet[FleetUpgrade]:
    """Those that run, that wait for what they began, or whose cancel was not seen yet."""
    state = FleetUpgrade.State
    begun = FleetMember.objects.filter(state=FleetMember.State.RUNNING).values("upgrade")
    ending = Q(state=state.CANCELLED, ended_at=None)
    return FleetUpgrade.objects.filter(Q(state=state.RUNNING) | Q(pk__in=begun) | ending)


def unfinished(*, full: bool, part: int) -> Keys:
    """Shard -> keys to look at now; `part` picks whose turn it is when not `full`."""
    keys: Keys = defaultdict(set)
    pods = _live_pods().only("cluster_id", "node_id", "namespace", "name")
    if full:
        _pod_keys(pods.iterator(), keys)
    else:
        _pod_keys(pods.filter(_unsettled()).iterator(), keys)
        turn = pods.annotate(turn=F("pk") % SLICES).filter(turn=part % SLICES)
        _pod_keys(turn.iterator(), keys)
        _drift_keys(part, keys)
    _instance_keys(keys)
    for operation in Operation.objects.filter(state__in=["queued", "running"]):
        keys[operation_shard(operation)].add(f"operation:{operation.pk}")
    for pk in _unsettled_fleets().values_list("pk", flat=True):
        keys[fleet_key(pk)].add(fleet_key(pk))
    return keys


def _node_shards() -> list[str]:
    return [node.shard for node in VirtualNode.objects.filter(removing_at=None).only("pk")]


async def resync(runtime: Runtime, *, full: bool = False) -> int:
    """Queue what is unfinished and nudge; how many keys. Raises RedisError when Redis is away."""
    lost = await runtime.redis.set(MARK, 1, nx=True)
    now = runtime.clock.epoch()
    keys = await runtime.db(unfinished, full=full or bool(lost), part=int(now // 30))
    for shard in await runtime.db(_node_shards):
        # The routine look at the node itself keeps its own rhythm; only a lost one starts now.
        await runtime.queue.add(shard, {shard: now if full or lost else now + 300})
    for shard, names in keys.items():
        await runtime.queue.add(shard, dict.fromkeys(names, now))
        await nudge.nudge(runtime, shard)
    await runtime.redis.set(DONE, now, ex=LATE_SECONDS)
    return sum(len(names) for names in keys.values())


async def sweep_all(runtime: Runtime) -> int:
    """Queue a sweep of every account and region in use."""
    keys = await runtime.db(sweep_keys)
    for key in keys:
        await nudge.enqueue(runtime, key, key)
    return len(keys)


async def nudge_due(runtime: Runtime, *, overdue: float = 0.0) -> list[str]:
    """Nudge every shard that needs a worker; those that needed one `overdue` seconds ago."""
    shards = await runtime.queue.shards(now=runtime.clock.epoch() - overdue)
    for shard in shards:
        await nudge.nudge(runtime, shard)
    return shards
