"""Adopting: what others installed is recognised once more, and its state kept as a revision.

Nothing in the cluster is changed but the release record, and that only where Helm has none.
"""

from __future__ import annotations

from django.utils.translation import gettext_noop as _

from addons.components import helm
from addons.components import recognise as recognition
from addons.components.steps.common import record, work_of
from addons.components.work import keep
from addons.models import Operation
from addons.operations import StepFailed
from addons.runtime.contract import Context
from addons.sentences import stored
from kube import Kube


async def recognise(ctx: Context, operation: Operation) -> str:
    work = await work_of(ctx, operation)
    kube = await ctx.kube(work.cluster_id)
    found = await recognition.recognise(kube, work.wanted.component)
    if found is None:
        raise StepFailed(
            _("It is not in the cluster any more."), _("Install it, instead of adopting it.")
        )
    if found.version != operation.arguments["version"]:
        raise StepFailed(
            stored(_("Its version is %(version)s now."), version=found.version),
            _("Start the adoption anew."),
        )
    last = await helms_last(kube, found.release, found.namespace)
    await ctx.db(keep, operation, after=max(0, last - 1), helm=bool(last))
    return stored(_("recognised by %(evidence)s"), evidence=found.evidence)


async def helms_last(kube: Kube, release: str, namespace: str) -> int:
    """The newest number of Helm's; raises `StepFailed` while Helm is at it, as Helm would."""
    try:
        return await helm.last_number(kube, release, namespace)
    except helm.Busy as busy:
        raise StepFailed(
            stored(
                _("Helm is at it: revision %(number)s is %(status)s."),
                number=busy.number,
                status=busy.status,
            ),
            _("Retry when it is done. If nothing runs any more, helm rollback ends it."),
        ) from busy


async def record_adopted(ctx: Context, operation: Operation) -> str:
    if not operation.arguments.get("helm"):
        work = await work_of(ctx, operation)
        assert work.revision is not None
        ctx.lease.check()
        await helm.write(await ctx.kube(work.cluster_id), work.wanted, work.revision, ctx.now())
    return await record(ctx, operation)
