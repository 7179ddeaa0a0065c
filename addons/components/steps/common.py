"""Steps that every delivery shares: the checks, the snapshot, the nodes, the record."""

from __future__ import annotations

from django.utils.translation import gettext_noop as _

from addons.components import affected, checks
from addons.components.base import Json, Release
from addons.components.work import Work, begin_revision, finish, load
from addons.models import Operation, VirtualNode
from addons.operations import NotYet, StepFailed
from addons.runtime.contract import Context
from addons.sentences import stored
from kube import LEASES, NODES, Kube

LEASE_NAMESPACE = "kube-node-lease"


async def work_of(ctx: Context, operation: Operation) -> Work:
    return await ctx.db(load, operation)


def question_of(work: Work) -> checks.Question:
    return checks.Question(
        cluster=work.installation.cluster,
        component=work.wanted.component,
        version=work.wanted.version,
        action=work.operation.arguments["action"],
        delivery=work.installation.delivery,
        values=work.wanted.effective,
        objects=tuple(work.rendered),
        installation=work.installation,
    )


async def preflight(ctx: Context, operation: Operation) -> str:
    """Every check once more; the first that blocks ends the operation with its fix."""
    work = await work_of(ctx, operation)
    found = await checks.run(ctx, question_of(work), patient=True)
    for check in found:
        if check.state == "bad":
            raise StepFailed(check.detail or check.title, check.fix)
    warned = sum(check.state == "warn" for check in found)
    return stored(_("%(n)s checks passed, %(warned)s with a warning"), n=len(found), warned=warned)


async def snapshot(ctx: Context, operation: Operation) -> str:
    work = await work_of(ctx, operation)
    revision = await ctx.db(begin_revision, work, ctx.now(), work.rendered)
    return stored(_("revision %(number)s"), number=revision.number)


async def record(ctx: Context, operation: Operation) -> str:
    work = await work_of(ctx, operation)
    ctx.lease.check()
    await ctx.db(finish, work)
    await ctx.announce("installations", work.installation.pk)
    return stored(_("%(version)s is installed"), version=work.wanted.version.version)


async def own_nodes(ctx: Context, kube: Kube, work: Work) -> list[Json]:
    """The Nodes that the release brings; Nodes that our own workers keep are never among them."""
    return [node for node in await _others(ctx, kube, work) if _owned(work, work.wanted, node)]


async def kept_nodes(ctx: Context, kube: Kube, work: Work) -> list[Json]:
    """Those of them that the wanted version keeps alive."""
    return [node for node in await own_nodes(ctx, kube, work) if _kept(work, node)]


async def _others(ctx: Context, kube: Kube, work: Work) -> list[Json]:
    listing = await kube.list(NODES, labels="type=virtual-kubelet")
    hosted = await ctx.db(_hosted, work.cluster_id)
    return [node for node in listing.items if node["metadata"]["name"] not in hosted]


def _owned(work: Work, release: Release | None, node: Json) -> bool:
    return release is not None and work.kit.owns_node(release, node)


def _kept(work: Work, node: Json) -> bool:
    return _owned(work, work.wanted, node) and work.kit.keeps_node(work.wanted, node)


async def _clear_left(ctx: Context, kube: Kube, work: Work) -> list[str]:
    """Nodes of the version or name before, which nobody keeps alive any more: they go.

    One that still has pods is cordoned, and named in the answer.
    """
    busy = []
    for node in await _others(ctx, kube, work):
        ours = any(_owned(work, one, node) for one in (work.wanted, work.release_before))
        if not ours or _kept(work, node):
            continue
        name = node["metadata"]["name"]
        ctx.lease.check()
        if await affected.pods_on(kube, [name]):
            await kube.patch(NODES, name, {"spec": {"unschedulable": True}})
            busy.append(name)
            continue
        await kube.delete(NODES, name)
        await kube.delete(LEASES, name, LEASE_NAMESPACE)
    return busy


def _hosted(cluster_id: int) -> set[str]:
    return set(VirtualNode.objects.filter(cluster=cluster_id).values_list("name", flat=True))


def is_ready(node: Json) -> bool:
    conditions = (node.get("status") or {}).get("conditions") or ()
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


async def nodes_ready(ctx: Context, operation: Operation) -> str:
    work = await work_of(ctx, operation)
    if not work.wanted.component.brings_nodes:
        return _("it brings no nodes")
    kube = await ctx.kube(work.cluster_id)
    nodes = await kept_nodes(ctx, kube, work)
    waiting = [node["metadata"]["name"] for node in nodes if not is_ready(node)]
    if not nodes:
        raise NotYet(_("no node of it has come yet"))
    if waiting:
        raise NotYet(stored(_("not Ready yet: %(names)s"), names=", ".join(waiting)))
    names = ", ".join(sorted(node["metadata"]["name"] for node in nodes))
    if left := await _clear_left(ctx, kube, work):
        text = _("Ready: %(names)s; cordoned, as nobody keeps it alive: %(left)s")
        return stored(text, names=names, left=", ".join(left))
    return stored(_("Ready: %(names)s"), names=names)
