"""Adding and removing virtual nodes, step by step; cordon and uncordon at once.

`add_node` and `remove_node` start operations; their steps stand below. The Node object itself is
kept by the watch process, which reads the rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import Group
from django.db import transaction
from django.utils.translation import gettext_noop as _

from addons.announce import announce
from addons.models import Cluster, Operation, PodRow, VirtualNode
from addons.nodes.preflight import preflight
from addons.operations import NotYet, StepFailed, StepFunction, start
from addons.runtime.contract import Context
from addons.runtime.loop import runtime
from addons.sentences import stored
from addons.sweep import orphans
from kube import LEASES, NODES, PODS, Kube
from kube import errors as kube_errors
from providers import registry
from providers.models import CloudAccount, Instance, Orphan

LEASE_NAMESPACE = "kube-node-lease"
_DAEMON = "DaemonSet"


def add_node(
    cluster: Cluster,
    account: CloudAccount,
    *,
    zone: str,
    placements: list[dict[str, str]],
    security_group: str,
    actor: str,
    team: Group,
    name: str = "",
    second_account: CloudAccount | None = None,
    settings: Mapping[str, str] | None = None,
) -> Operation:
    """An operation that ends when the node is Ready. Placements: its own zone first.

    `second_account`, of the same vendor, takes the pods that ask for its product. `settings` are
    those of the providers' `node_settings`. `security_group` may be a comma separated list where
    the cloud takes several.
    """
    name = name or registry.dialect(account.provider).node_name(zone)
    arguments = {
        "account": account.pk,
        "second_account": second_account.pk if second_account else None,
        "settings": {name: text for name, text in (settings or {}).items() if text},
        "zone": zone,
        "placements": placements,
        "security_group": security_group,
    }
    return start(
        "add-node", target=name, cluster=cluster, team=team, actor=actor, arguments=arguments
    )


def remove_node(node: VirtualNode, *, actor: str, team: Group, instances: str) -> Operation:
    """`instances` is `delete`, or `leave`: they go on, billed, in the orphan list."""
    return start(
        "remove-node",
        target=node.name,
        cluster=node.cluster,
        team=team,
        actor=actor,
        arguments={"node": node.pk, "instances": instances},
    )


def set_unschedulable(node: VirtualNode, value: bool) -> None:
    """Cordon or uncordon. Raises `kube.errors.KubeError`."""

    async def patch() -> None:
        kube = await runtime().kube(node.cluster_id)
        await kube.patch(NODES, node.name, {"spec": {"unschedulable": value}})

    runtime().run(patch())
    VirtualNode.objects.filter(pk=node.pk).update(unschedulable=value)
    transaction.on_commit(lambda: announce("nodes", [node.pk]))


# --- add ----------------------------------------------------------------------------------------


def _save_node(operation: Operation) -> int:
    given: dict[str, Any] = operation.arguments
    account = CloudAccount.objects.get(pk=given["account"])
    node, _new = VirtualNode.objects.get_or_create(
        cluster_id=operation.cluster_id or 0,
        name=operation.target,
        defaults={
            "account": account,
            "second_account_id": given.get("second_account"),
            "settings": given.get("settings") or {},
            "provider": account.provider,
            "region": account.region,
            "zone": given["zone"],
            "placements": given["placements"],
            "security_group": given["security_group"],
            "capacity": given.get("capacity") or {},
        },
    )
    return node.pk


async def _register(ctx: Context, operation: Operation) -> str:
    pk = await ctx.db(_save_node, operation)
    await ctx.announce("nodes", pk)
    await ctx.enqueue(f"node:{pk}", f"node:{pk}", delay=300.0)
    return operation.target


async def _ready(ctx: Context, operation: Operation) -> str:
    assert operation.cluster_id is not None
    rows = VirtualNode.objects.filter(cluster=operation.cluster_id, name=operation.target)
    node = await ctx.db(rows.first)
    if node is None:
        raise StepFailed(_("The node was removed meanwhile."))
    if node.state != VirtualNode.State.READY:
        raise NotYet(_("not Ready yet"), 0.3)
    return stored(_("Ready, version %(version)s"), version=node.version)


# --- remove -------------------------------------------------------------------------------------


def _mark_removing(operation: Operation, now: datetime) -> VirtualNode | None:
    node = VirtualNode.objects.filter(pk=operation.arguments["node"]).first()
    if node and node.removing_at is None:
        node.removing_at, node.state = now, VirtualNode.State.REMOVING
        node.save(update_fields=["removing_at", "state"])
    return node


async def _cordon(ctx: Context, operation: Operation) -> str:
    node = await ctx.db(_mark_removing, operation, ctx.now())
    if node is None:
        return ""
    kube = await ctx.kube(node.cluster_id)
    try:
        await kube.patch(NODES, node.name, {"spec": {"unschedulable": True}})
    except kube_errors.NotFound:
        return _("the Node is gone already")
    await ctx.announce("nodes", node.pk)
    return ""


def _leave(operation: Operation, now: datetime) -> int:
    """Put what runs on the orphan list and close its ledger rows: an explicit choice.

    The instances stay there until a person acts; how many were put there now.
    """
    node = VirtualNode.objects.select_related("cluster").get(pk=operation.arguments["node"])
    rows = Instance.objects.filter(
        cluster_uid=node.cluster.uid, node_name=node.name, state=Instance.State.ACTIVE
    ).exclude(cloud_id="")
    left = 0
    for row in rows:
        orphans.leave(row, now)
        left += 1
    return left


@dataclass(frozen=True, slots=True)
class _Running:
    """What the node has still: pods as (namespace, name, UID), and open instances."""

    pods: tuple[tuple[str, str, str], ...]
    daemons: tuple[tuple[str, str, str], ...]
    instances: int
    of_daemons: int


def _running(node: VirtualNode) -> _Running:
    rows = PodRow.objects.filter(node=node, gone_at=None)
    daemons, others = rows.filter(workload_kind=_DAEMON), rows.exclude(workload_kind=_DAEMON)
    open_ = Instance.objects.filter(
        cluster_uid=node.cluster.uid, node_name=node.name, state__in=Instance.OPEN
    )
    of_daemons = open_.filter(pod_uid__in=list(daemons.values_list("uid", flat=True)))
    fields = ("namespace", "name", "uid")
    return _Running(
        pods=tuple(others.values_list(*fields)),
        daemons=tuple(daemons.values_list(*fields)),
        instances=open_.count(),
        of_daemons=of_daemons.count(),
    )


async def _delete_pods(kube: Kube, pods: Iterable[tuple[str, str, str]]) -> None:
    for namespace, name, uid in pods:
        try:
            await kube.delete(PODS, name, namespace, uid=uid)
        except (kube_errors.NotFound, kube_errors.Conflict):
            continue


async def _drain(ctx: Context, operation: Operation) -> str:
    """Pods of DaemonSets stay: their controller makes them anew as long as there is the Node, and
    does not mind that it is cordoned."""
    node = await ctx.db(
        VirtualNode.objects.select_related("cluster").filter(pk=operation.arguments["node"]).first
    )
    if node is None:
        return ""
    leave = operation.arguments["instances"] == "leave"
    if leave and await ctx.db(_leave, operation, ctx.now()):
        await ctx.announce("nodes", node.pk)
    found = await ctx.db(_running, node)
    await _delete_pods(await ctx.kube(node.cluster_id), found.pods)
    instances = found.instances - found.of_daemons
    if found.pods or instances:
        text = _("%(pods)s pods and %(instances)s instances are still there")
        raise NotYet(stored(text, pods=len(found.pods), instances=instances))
    if leave:
        left = await ctx.db(_on_the_list, node)
        return stored(_("%(n)s instances go on, on the orphan list"), n=left)
    if found.daemons:
        names = ", ".join(f"{namespace}/{name}" for namespace, name, _uid in found.daemons)
        text = _("nothing of it runs but pods of DaemonSets, which end with the node: %(names)s")
        return stored(text, names=names)
    return _("nothing of it runs any more")


def _on_the_list(node: VirtualNode) -> int:
    left = Orphan.objects.filter(closed_at=None, instance__node_name=node.name)
    return left.filter(cluster_uid=node.cluster.uid).count()


async def _unregister(ctx: Context, operation: Operation) -> str:
    assert operation.cluster_id is not None
    kube = await ctx.kube(operation.cluster_id)
    for resource, namespace in ((NODES, None), (LEASES, LEASE_NAMESPACE)):
        try:
            await kube.delete(resource, operation.target, namespace)
        except kube_errors.NotFound:
            continue
    return ""


async def _end_daemons(ctx: Context, operation: Operation) -> None:
    """The Node is gone, so that nothing makes them anew; `NotYet` while they or their instances are
    there."""
    nodes = VirtualNode.objects.select_related("cluster")
    node = await ctx.db(nodes.filter(pk=operation.arguments["node"]).first)
    if node is None:
        return
    found = await ctx.db(_running, node)
    pods = (*found.pods, *found.daemons)
    await _delete_pods(await ctx.kube(node.cluster_id), pods)
    if pods or found.instances:
        text = _("%(pods)s pods and %(instances)s instances are still there")
        raise NotYet(stored(text, pods=len(pods), instances=found.instances))


async def _forget(ctx: Context, operation: Operation) -> str:
    await _end_daemons(ctx, operation)
    await ctx.db(VirtualNode.objects.filter(pk=operation.arguments["node"]).delete)
    await ctx.announce("nodes", operation.arguments["node"])
    return ""


ADD: tuple[tuple[str, StepFunction], ...] = (
    ("preflight", preflight),
    ("register", _register),
    ("ready", _ready),
)
REMOVE: tuple[tuple[str, StepFunction], ...] = (
    ("cordon", _cordon),
    ("drain", _drain),
    ("unregister", _unregister),
    ("forget", _forget),
)
