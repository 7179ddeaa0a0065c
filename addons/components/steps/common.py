"""Steps that every delivery shares: the checks, the snapshot, the nodes, the record."""

from __future__ import annotations

from django.utils.translation import gettext_noop as _

from addons.components import checks
from addons.components.base import Json
from addons.components.work import Work, begin_revision, finish, load
from addons.models import Operation, VirtualNode
from addons.operations import NotYet, StepFailed
from addons.runtime.contract import Context
from addons.sentences import stored
from kube import NODES, Kube


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
    listing = await kube.list(NODES, labels="type=virtual-kubelet")
    hosted = await ctx.db(_hosted, work.cluster_id)
    return [
        node
        for node in listing.items
        if node["metadata"]["name"] not in hosted and work.kit.owns_node(work.wanted, node)
    ]


def _hosted(cluster_id: int) -> set[str]:
    return set(VirtualNode.objects.filter(cluster=cluster_id).values_list("name", flat=True))


def is_ready(node: Json) -> bool:
    conditions = (node.get("status") or {}).get("conditions") or ()
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


async def nodes_ready(ctx: Context, operation: Operation) -> str:
    work = await work_of(ctx, operation)
    if not work.wanted.component.brings_nodes:
        return _("it brings no nodes")
    nodes = await own_nodes(ctx, await ctx.kube(work.cluster_id), work)
    waiting = [node["metadata"]["name"] for node in nodes if not is_ready(node)]
    if not nodes:
        raise NotYet(_("no node of it has come yet"))
    if waiting:
        raise NotYet(stored(_("not Ready yet: %(names)s"), names=", ".join(waiting)))
    names = sorted(node["metadata"]["name"] for node in nodes)
    return stored(_("Ready: %(names)s"), names=", ".join(names))
