"""Safe uninstall: nothing goes on costing unseen, and the end is proved.

cordon      no new pods; what runs there is listed, with its cost
drain       every pod is evicted, disruption budgets honoured (not when instances are left);
            pods of DaemonSets stay, their controller would bring them back
instances   what the vendor's virtual kubelet left at the cloud is deleted, or put on the
            orphan list by the explicit choice `leave`
delete      our objects and the release records
unregister  what the controller made by itself, the virtual Nodes and their Leases, once nobody
            renews them; the cluster collects the pods of Nodes that are gone
proof       the cluster and the whole list of the cloud are read once more; instances of daemon
            pods are deleted now that nobody makes them anew
forget      the installation's row goes; the operation keeps the proof
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from django.utils.translation import gettext_noop as _

from addons.components import affected, apply, cloud, helm
from addons.components.base import Delivery, Json, compare
from addons.components.kits.manifests import identity
from addons.components.steps.common import LEASE_NAMESPACE, own_nodes, work_of
from addons.components.work import Work, keep
from addons.models import Installation, Operation
from addons.operations import NotYet, Steps
from addons.runtime.contract import Context
from addons.sentences import stored
from kube import LEASES, NODES, PODS, Kube
from kube.errors import Conflict, NotFound, TooManyRequests

_EVICTION_V1 = "1.22"
_CRD = "CustomResourceDefinition"


def leaves(operation: Operation) -> bool:
    return bool(operation.arguments.get("instances") == "leave")


async def cordon(ctx: Context, operation: Operation) -> str:
    work = await work_of(ctx, operation)
    kube = await ctx.kube(work.cluster_id)
    names = sorted(node["metadata"]["name"] for node in await own_nodes(ctx, kube, work))
    for name in names:
        await kube.patch(NODES, name, {"spec": {"unschedulable": True}})
    pods = await affected.pods_on(kube, names)
    rows = await ctx.db(affected.in_cluster, pods, work.kit, work.installation.cluster)
    known = set(operation.arguments.get("nodes") or ()) | set(names)
    await ctx.db(
        keep,
        operation,
        nodes=sorted(known),
        affected=[row.as_dict() for row in rows] or operation.arguments.get("affected", []),
        ids=sorted({row.instance for row in rows if row.instance}),
    )
    return stored(_("%(nodes)s nodes, %(pods)s pods"), nodes=len(names), pods=len(rows))


async def drain(ctx: Context, operation: Operation) -> str:
    if leaves(operation):
        return _("its instances are left running")
    work = await work_of(ctx, operation)
    kube = await ctx.kube(work.cluster_id)
    return await evict_all(ctx, kube, work, operation.arguments["nodes"])


async def evict_all(ctx: Context, kube: Kube, work: Work, nodes: Sequence[str]) -> str:
    """One pass of evictions; `NotYet` while pods are there that do not come back by themselves."""
    there = await affected.pods_on(kube, nodes)
    daemons = [pod for pod in there if affected.is_daemon(pod)]
    pods = [pod for pod in there if not affected.is_daemon(pod)]
    version = work.installation.cluster.version
    api = "policy/v1" if compare(version, _EVICTION_V1) >= 0 else "policy/v1beta1"
    held = ""
    for pod in pods:
        if pod["metadata"].get("deletionTimestamp"):
            continue
        ctx.lease.check()
        held = await _evict(kube, pod, api) or held
    if held:
        raise NotYet(stored(_("a disruption budget holds %(pod)s back"), pod=held), 2.0)
    if pods:
        raise NotYet(stored(_("%(n)s pods are still there"), n=len(pods)), 0.5)
    if daemons:
        text = _("no pods are left but those of DaemonSets, which end with the node: %(names)s")
        return stored(text, names=affected.names(daemons))
    return _("no pods are left")


async def _evict(kube: Kube, pod: Json, api_version: str) -> str:
    """The pod's name when a budget holds it back."""
    meta = pod["metadata"]
    try:
        await kube.evict(meta["namespace"], meta["name"], uid=meta["uid"], api_version=api_version)
    except TooManyRequests:
        return f"{meta['namespace']}/{meta['name']}"
    except (NotFound, Conflict):
        return ""
    return ""


async def instances(ctx: Context, operation: Operation) -> str:
    """By the tags of the vendor and by what the pods said, on a complete list.

    Those of daemon pods wait for the end of the controller, which would make them anew.
    """
    work = await work_of(ctx, operation)
    kube = await ctx.kube(work.cluster_id)
    pods = await affected.pods_on(kube, operation.arguments.get("nodes") or ())
    daemons = {affected.instance_of(pod, work.kit) for pod in pods if affected.is_daemon(pod)}
    return await _end_instances(ctx, work, spare=daemons)


async def _end_instances(ctx: Context, work: Work, *, spare: Collection[str] = ()) -> str:
    operation = work.operation
    account = await ctx.db(cloud.account_of, work)
    if account is None:
        return _("no credential of that cloud is known here; the cloud was not asked")
    found = await cloud.ours(ctx, work, account, operation.arguments.get("ids") or ())
    if leaves(operation):
        left = await ctx.db(cloud.leave, work, account, found, ctx.now())
        await ctx.db(keep, operation, left=[one.id for one in found])
        return stored(_("%(n)s instances go on, on the orphan list"), n=left)
    provider = await ctx.provider(account.pk, cloud.region_of(work, account))
    over = [one for one in found if one.id not in spare]
    for one in over:
        ctx.lease.check(3.0)
        await cloud.delete(provider, one.id)
    if over:
        raise NotYet(stored(_("%(n)s instances are being deleted"), n=len(over)), 1.0)
    return _("the cloud has none of its instances")


async def delete(ctx: Context, operation: Operation) -> str:
    work = await work_of(ctx, operation)
    kube = await ctx.kube(work.cluster_id)
    objects = await _objects(ctx, work)
    kept = []
    for obj in apply.surplus(objects, ()):
        ctx.lease.check()
        if obj["kind"] == _CRD and await _in_use(kube, obj):
            kept.append(apply.name_of(obj))
            continue
        await apply.remove(kube, obj)
    await helm.forget(kube, work.wanted.name, work.wanted.namespace)
    if kept:
        text = _("%(names)s stays: there are objects of it")
        return stored(text, names=", ".join(kept))
    return stored(_("%(n)s objects deleted"), n=len(objects))


async def _objects(ctx: Context, work: Work) -> list[Json]:
    """All that any revision ever put there, kept for the proof while there are revisions."""
    known = {
        apply.name_of(obj): identity(obj)
        for objects in await ctx.db(_revisions, work.installation)
        for obj in objects
    }
    found = [*known.values()]
    await ctx.db(keep, work.operation, objects=found)
    return found


def _revisions(installation: Installation) -> list[list[Json]]:
    return list(installation.revisions.values_list("objects_applied", flat=True))


async def _in_use(kube: Kube, definition: Json) -> bool:
    """Whether objects of the kind are there: they would go with their definition."""
    live = await apply.find(kube, definition)
    if live is None:
        return False
    spec = live["spec"]
    for version in spec["versions"]:
        if version.get("served"):
            sample = {"apiVersion": f"{spec['group']}/{version['name']}", "metadata": {}}
            resource = await apply.resource_of(kube, {**sample, "kind": spec["names"]["kind"]})
            return bool((await kube.list(resource)).items)
    return False


async def unregister(ctx: Context, operation: Operation) -> str:
    work = await work_of(ctx, operation)
    kube = await ctx.kube(work.cluster_id)
    names = operation.arguments.get("nodes") or ()
    await _stopped(kube, operation.arguments.get("objects") or ())
    for obj in _leftovers(work):
        await apply.remove(kube, obj)
    # Daemon pods may have been made anew since the node was cordoned.
    last = {affected.instance_of(pod, work.kit) for pod in await affected.pods_on(kube, names)}
    ids = {*(operation.arguments.get("ids") or ()), *last} - {""}
    await ctx.db(keep, operation, ids=sorted(ids))
    for name in names:
        await kube.delete(NODES, name)
        await kube.delete(LEASES, name, LEASE_NAMESPACE)
    return ", ".join(names)


def _leftovers(work: Work) -> Sequence[Json]:
    """What the vendor put there, the vendor takes away."""
    in_cluster = work.installation.delivery == Delivery.IN_CLUSTER
    return work.kit.leftovers if in_cluster else ()


async def _stopped(kube: Kube, objects: Sequence[Json]) -> None:
    """A virtual kubelet that still runs would register its node again."""
    for obj in objects:
        if obj["kind"] != "Deployment":
            continue
        space, name = obj["metadata"]["namespace"], obj["metadata"]["name"]
        for pod in (await kube.list(PODS, space)).items:
            owner = affected.owner_of(pod)
            if owner.startswith(f"ReplicaSet {name}-"):
                raise NotYet(stored(_("%(pod)s is still ending"), pod=pod["metadata"]["name"]), 0.5)


async def proof(ctx: Context, operation: Operation) -> str:
    """Fresh reads; the operation keeps what they said."""
    work = await work_of(ctx, operation)
    kube = await ctx.kube(work.cluster_id)
    given: Mapping[str, Any] = operation.arguments
    objects = [
        apply.name_of(obj)
        for obj in (*(given.get("objects") or ()), *_leftovers(work))
        if obj["kind"] != _CRD and await apply.find(kube, obj) is not None
    ]
    nodes = [n["metadata"]["name"] for n in await own_nodes(ctx, kube, work)]
    told = await cloud.proof(ctx, work, given.get("ids") or (), left=given.get("left") or ())
    await ctx.db(
        keep,
        operation,
        proof={**told, "objects": objects, "nodes": nodes, "at": ctx.now().isoformat()},
    )
    if objects or nodes:
        text = _("still in the cluster: %(names)s")
        raise NotYet(stored(text, names=", ".join((*objects, *nodes))), 1.0)
    if told["instances"]:
        await _end_instances(ctx, work)
        raise NotYet(
            stored(_("the cloud still has %(ids)s"), ids=", ".join(told["instances"])), 1.0
        )
    if told["asked"] and work.kit.instance_tags(work.wanted) is None:
        text = _("the cloud listed %(listed)s instances, none of them that its pods named")
        return stored(text, listed=told["listed"])
    if told["asked"]:
        text = _("the cloud listed %(listed)s instances, none of them ours")
        return stored(text, listed=told["listed"])
    return _("nothing of it is in the cluster; the cloud was not asked")


async def forget(ctx: Context, operation: Operation) -> str:
    pk = operation.arguments["installation"]
    ctx.lease.check()
    await ctx.db(Installation.objects.filter(pk=pk).delete)
    await ctx.announce("installations", pk)
    return ""


STEPS: Steps = (
    ("cordon", cordon),
    ("drain", drain),
    ("instances", instances),
    ("delete", delete),
    ("unregister", unregister),
    ("proof", proof),
    ("forget", forget),
)
