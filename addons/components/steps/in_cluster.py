"""In-cluster delivery: objects applied server-side, waited for, recorded as Helm would."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.utils.translation import gettext_noop as _

from addons.components import apply, helm
from addons.components.base import Json
from addons.components.secret import RESTARTED, secrets_of
from addons.components.steps import adoption, removal
from addons.components.steps.canary import canary
from addons.components.steps.common import preflight, record, snapshot, work_of
from addons.components.steps.rollout import WORKLOADS, nodes_or_crash, rollout
from addons.components.work import Work, keep, renumber
from addons.models import Operation
from addons.operations import NotYet, StepFailed, Steps
from addons.runtime.contract import Context
from addons.sentences import stored
from kube import Kube
from kube.errors import Forbidden, Invalid

# What an operation remembers of Secrets whose keys it changed.
RESTART = "restart"


async def snapshot_after_helm(ctx: Context, operation: Operation) -> str:
    """Numbered after Helm's newest revision: people may have upgraded or rolled back with it."""
    work = await work_of(ctx, operation)
    kube = await ctx.kube(work.cluster_id)
    last = await adoption.helms_last(kube, work.wanted.name, work.wanted.namespace)
    if work.revision is None:
        await ctx.db(keep, operation, after=last)
    return await snapshot(ctx, operation)


async def rbac_and_crds(ctx: Context, operation: Operation) -> str:
    """What the rest stands on."""
    work = await work_of(ctx, operation)
    return await _put_all(ctx, work, [o for o in work.objects if o["kind"] in apply.FIRST])


async def apply_rest(ctx: Context, operation: Operation) -> str:
    """All else, and the end of what is no longer part of it."""
    work = await work_of(ctx, operation)
    kube = await ctx.kube(work.cluster_id)
    await _established(kube, work.objects)
    rest = [o for o in work.objects if o["kind"] not in apply.FIRST]
    await _note_new_keys(ctx, kube, work, rest)
    detail = await _put_all(ctx, work, rest)
    await _restart_readers(ctx, kube, work, rest)
    for obj in apply.surplus(work.before, work.objects):
        ctx.lease.check()
        await apply.remove(kube, obj)
    return detail


async def _note_new_keys(ctx: Context, kube: Kube, work: Work, objects: Sequence[Json]) -> None:
    """Secrets whose keys will change, noted before: who read them at its start is restarted."""
    if work.operation.arguments.get(RESTART):
        return
    changed = [
        obj["metadata"]["name"]
        for obj in objects
        if apply.sealed(obj)
        and apply.other_keys(await apply.find(kube, obj), await ctx.db(apply.unsealed, obj))
    ]
    if changed:
        note = {"secrets": changed, "at": ctx.now().isoformat()}
        await ctx.db(keep, work.operation, **{RESTART: note})


async def _restart_readers(ctx: Context, kube: Kube, work: Work, objects: Sequence[Json]) -> None:
    """As `kubectl rollout restart` does it; once for one note."""
    note = work.operation.arguments.get(RESTART) or {"secrets": []}
    for obj in objects:
        if obj["kind"] not in WORKLOADS:
            continue
        if {*note["secrets"]} & {*secrets_of(obj["spec"]["template"]["spec"])}:
            ctx.lease.check()
            meta = {"annotations": {RESTARTED: note["at"]}}
            body = {"spec": {"template": {"metadata": meta}}}
            where = obj["metadata"]["name"], body, obj["metadata"]["namespace"]
            await kube.patch(await apply.resource_of(kube, obj), *where)


async def _put_all(ctx: Context, work: Work, objects: Sequence[Json]) -> str:
    kube = await ctx.kube(work.cluster_id)
    for obj in apply.ordered(objects):
        ctx.lease.check()
        try:
            if work.moves:
                await apply.take_over(kube, obj)
            await apply.put(kube, await ctx.db(apply.unsealed, obj), force=work.takes_over)
        except apply.Conflicts as error:
            raise StepFailed(
                stored(_("Others own fields of it: %(owners)s"), owners=error),
                _("Repair takes the fields over; or change them where their owner does."),
            ) from error
        except (Forbidden, Invalid) as error:
            raise StepFailed(
                stored(_("%(object)s: %(error)s"), object=apply.name_of(obj), error=error),
                _("Mend what the API server says, then retry."),
            ) from error
    return stored(_("%(n)s objects applied"), n=len(objects))


async def _established(kube: Kube, objects: Sequence[Json]) -> None:
    """Objects of a new kind are taken once its definition is established."""
    for obj in objects:
        if obj["kind"] != "CustomResourceDefinition":
            continue
        live = await apply.find(kube, obj)
        conditions = ((live or {}).get("status") or {}).get("conditions") or ()
        if not any(c["type"] == "Established" and c["status"] == "True" for c in conditions):
            raise NotYet(stored(_("%(name)s is not established yet"), name=apply.name_of(obj)), 0.3)


async def record_with_helm(ctx: Context, operation: Operation) -> str:
    """The release record first: it may be written again, the row's state is the last word."""
    work = await work_of(ctx, operation)
    assert work.revision is not None
    ctx.lease.check()
    kube = await ctx.kube(work.cluster_id)
    try:
        last = await helm.last_number(kube, work.wanted.name, work.wanted.namespace)
        await helm.write(kube, work.wanted, work.revision, ctx.now())
    except helm.Busy as busy:
        raise NotYet(stored(_("Helm is at it: %(state)s"), state=busy), 2.0) from busy
    except helm.Taken as taken:
        number = await ctx.db(renumber, work, last)
        raise NotYet(stored(_("Helm wrote one too; ours is %(n)s now"), n=number), 0.1) from taken
    return await record(ctx, operation)


_CHANGE: Steps = (
    ("preflight", preflight),
    ("snapshot", snapshot_after_helm),
    ("rbac-and-crds", rbac_and_crds),
    ("apply", apply_rest),
    ("rollout", rollout),
    ("nodes-ready", nodes_or_crash),
    ("canary", canary),
    ("record", record_with_helm),
)
_REPAIR: Steps = (
    ("snapshot", snapshot_after_helm),
    ("rbac-and-crds", rbac_and_crds),
    ("apply", apply_rest),
    ("rollout", rollout),
    ("record", record_with_helm),
)
STEPS: Mapping[str, Steps] = {
    "install": _CHANGE,
    "upgrade": _CHANGE,
    "configure": _CHANGE,
    "rollback": _CHANGE,
    "repair": _REPAIR,
    "adopt": (
        ("recognise", adoption.recognise),
        ("snapshot", snapshot),
        ("record", adoption.record_adopted),
    ),
    "uninstall": removal.STEPS,
}
