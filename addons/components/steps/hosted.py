"""Hosted delivery: virtual nodes of our own workers, one per zone, each added and removed by the
operation of its kind, which stands beside this one with an address of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_noop as _

from addons import operations
from addons.components import affected
from addons.components.hosted_nodes import recognised, wanted_nodes
from addons.components.steps import removal
from addons.components.steps.canary import canary
from addons.components.steps.common import preflight, record, snapshot, work_of
from addons.components.work import Work, keep
from addons.models import Operation, VirtualNode
from addons.nodes.install import add_node, remove_node
from addons.operations import NotYet, StepFailed, Steps
from addons.pods.identity import installation as own_name
from addons.runtime.contract import Context
from addons.sentences import stored
from kube import NODES
from providers import tags
from providers.models import CloudAccount, Orphan


async def apply_nodes(ctx: Context, operation: Operation) -> str:
    """Add what is missing, bring what is there up to the values, remove what is too many."""
    work = await work_of(ctx, operation)
    names = await ctx.db(_apply, work)
    await ctx.db(keep, operation, nodes=names)
    return ", ".join(names)


def _apply(work: Work) -> list[str]:
    values = work.wanted.effective
    wanted = wanted_nodes(values)
    known = {node.name: node for node in _rows(work.cluster_id, [*wanted])}
    common = {"security_group": values["security_group"], "settings": values["settings"]}
    for name, placements in wanted.items():
        if name in known:
            rows = VirtualNode.objects.filter(pk=known[name].pk)
            rows.update(placements=placements, **common)
            continue
        if _child(work, "add-node", name) is None:
            _add(work, name, placements, common)
    before = wanted_nodes(work.previous.values) if work.previous else {}
    for node in _rows(work.cluster_id, [name for name in before if name not in wanted]):
        if _child(work, "remove-node", node.name) is None:
            _remove(work, node, "delete")
    return [*wanted]


def _rows(cluster_id: int, names: list[str]) -> list[VirtualNode]:
    return list(VirtualNode.objects.filter(cluster=cluster_id, name__in=names))


def _child(work: Work, kind: str, name: str) -> Operation | None:
    """The operation that was begun for this node."""
    found: dict[str, int] = work.operation.arguments.get("children") or {}
    return Operation.objects.filter(pk=found.get(f"{kind} {name}", 0)).first()


def _begun(work: Work, child: Operation) -> Operation:
    known = work.operation.arguments.get("children") or {}
    keep(work.operation, children={**known, f"{child.kind} {child.target}": child.pk})
    return child


def _add(
    work: Work, name: str, placements: list[dict[str, str]], common: Mapping[str, Any]
) -> Operation:
    values = work.wanted.effective
    second = values.get("second_credential")
    child = add_node(
        work.installation.cluster,
        CloudAccount.objects.get(pk=values["credential"]),
        zone=placements[0]["zone"],
        placements=placements,
        name=name,
        second_account=CloudAccount.objects.get(pk=second) if second else None,
        actor=work.operation.actor,
        team=work.operation.team,
        **common,
    )
    return _begun(work, child)


def _remove(work: Work, node: VirtualNode, instances: str) -> Operation:
    child = remove_node(
        node, actor=work.operation.actor, team=work.operation.team, instances=instances
    )
    return _begun(work, child)


def _children(work: Work) -> list[Operation]:
    known = (work.operation.arguments.get("children") or {}).values()
    return list(Operation.objects.filter(pk__in=known))


async def nodes_ready(ctx: Context, operation: Operation) -> str:
    work = await work_of(ctx, operation)
    await _children_done(ctx, work)
    names = operation.arguments["nodes"]
    rows = await ctx.db(_rows, work.cluster_id, names)
    waiting = set(names) - {node.name for node in rows if node.state == VirtualNode.State.READY}
    if waiting:
        raise NotYet(stored(_("not Ready yet: %(names)s"), names=", ".join(sorted(waiting))), 0.3)
    return stored(_("Ready: %(names)s"), names=", ".join(names))


async def _children_done(ctx: Context, work: Work) -> None:
    """Raises `StepFailed` with the words of one that failed, `NotYet` while one runs."""
    children = await ctx.db(_children, work)
    for child in children:
        if child.state in {Operation.State.FAILED, Operation.State.CANCELLED}:
            raise StepFailed(child.error or _("It was cancelled."), child.fix)
    running = [child.target for child in children if child.state in operations.RUNNING]
    if running:
        raise NotYet(stored(_("under way: %(names)s"), names=", ".join(running)), 0.5)


async def recognise(ctx: Context, operation: Operation) -> str:
    """The nodes are there still, as they were when the adoption was started."""
    work = await work_of(ctx, operation)
    found = await ctx.db(recognised, work.installation.cluster, work.wanted.component)
    if found is None or found.values != operation.arguments["values"]:
        raise StepFailed(_("Its virtual nodes changed meanwhile."), _("Start the adoption anew."))
    return stored(_("recognised by %(evidence)s"), evidence=found.evidence)


# --- uninstall ----------------------------------------------------------------------------------


def _ours(work: Work) -> list[VirtualNode]:
    values = work.installation.values
    return _rows(work.cluster_id, [*wanted_nodes(values)]) if values.get("placements") else []


async def cordon(ctx: Context, operation: Operation) -> str:
    work = await work_of(ctx, operation)
    kube = await ctx.kube(work.cluster_id)
    rows = await ctx.db(_ours, work)
    names = [node.name for node in rows]
    for name in names:
        await kube.patch(NODES, name, {"spec": {"unschedulable": True}})
    pods = await affected.pods_on(kube, names)
    found = await ctx.db(affected.hosted, pods, work.installation.cluster)
    known = set(operation.arguments.get("nodes") or ()) | set(names)
    await ctx.db(
        keep,
        operation,
        nodes=sorted(known),
        affected=[row.as_dict() for row in found] or operation.arguments.get("affected", []),
    )
    return stored(_("%(nodes)s nodes, %(pods)s pods"), nodes=len(names), pods=len(found))


async def unregister(ctx: Context, operation: Operation) -> str:
    work = await work_of(ctx, operation)
    await ctx.db(_remove_all, work)
    work = await work_of(ctx, operation)
    await _children_done(ctx, work)
    return ", ".join(operation.arguments["nodes"])


def _remove_all(work: Work) -> None:
    instances = "leave" if removal.leaves(work.operation) else "delete"
    for node in _rows(work.cluster_id, work.operation.arguments["nodes"]):
        if _child(work, "remove-node", node.name) is None:
            _remove(work, node, instances)


async def proof(ctx: Context, operation: Operation) -> str:
    """Whole lists of every account: none of ours on these nodes, but what was left on purpose."""
    work = await work_of(ctx, operation)
    accounts = await ctx.db(_accounts, work)
    mine = await ctx.db(own_name)
    uid, nodes = work.installation.cluster.uid, set(operation.arguments["nodes"])
    still: list[str] = []
    listed = 0
    for account in accounts:
        provider = await ctx.provider(account.pk, account.region)
        listing = await provider.list(tags={tags.CONSOLE: mine})
        listed += len(listing.instances)
        still += [
            one.id
            for one in listing.instances
            if not one.state.over
            and one.tags.get(tags.CLUSTER) == uid
            and one.tags.get(tags.NODE) in nodes
        ]
    left = await ctx.db(_left, uid, still)
    over = sorted(set(still) - set(left))
    told = {"asked": True, "listed": listed, "instances": over, "left": left}
    told |= {"objects": [], "nodes": [], "at": ctx.now().isoformat()}
    await ctx.db(keep, operation, proof=told)
    if over:
        raise NotYet(stored(_("the cloud still has %(ids)s"), ids=", ".join(over)), 1.0)
    return stored(
        _("the cloud listed %(listed)s instances; %(left)s of ours are left on purpose"),
        listed=listed,
        left=len(left),
    )


def _accounts(work: Work) -> list[CloudAccount]:
    values = work.installation.values
    pks = [values.get("credential"), values.get("second_credential")]
    return list(CloudAccount.objects.filter(pk__in=[pk for pk in pks if pk]))


def _left(cluster_uid: str, ids: list[str]) -> list[str]:
    rows = Orphan.objects.filter(cluster_uid=cluster_uid, cloud_id__in=ids, closed_at=None)
    return sorted(rows.values_list("cloud_id", flat=True))


_CHANGE: Steps = (
    ("preflight", preflight),
    ("snapshot", snapshot),
    ("apply", apply_nodes),
    ("nodes-ready", nodes_ready),
    ("canary", canary),
    ("record", record),
)
STEPS: Mapping[str, Steps] = {
    "install": _CHANGE,
    "upgrade": _CHANGE,
    "configure": _CHANGE,
    "rollback": _CHANGE,
    "repair": (_CHANGE[1], _CHANGE[2], _CHANGE[3], _CHANGE[5]),
    "adopt": (("recognise", recognise), _CHANGE[1], _CHANGE[5]),
    "uninstall": (
        ("cordon", cordon),
        ("drain", removal.drain),
        ("unregister", unregister),
        ("proof", proof),
        ("forget", removal.forget),
    ),
}
