"""Delete an instance, wait until the cloud says that it is gone, then let the pod go."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

from addons.pods import accounts, allowance, reasons, store
from addons.pods.decide import Action, Do
from addons.pods.patience import ran_short
from addons.pods.status import failed, is_over
from addons.pods.work import Work, outcome_of
from addons.runtime.contract import Outcome
from addons.sweep.tails import keep_tails
from kube import PODS
from kube.errors import NotFound as PodNotFound
from providers.base import InstanceState
from providers.errors import AccountTrouble, Busy, NotFound, ProviderError
from providers.seen import decode

CALL_SECONDS = 3.0
# First look after a deletion; then until two answers, three seconds apart, do not hold it.
FIRST_LOOK = 1.0
NEXT_LOOK = 2.0
APART = 3.1
# A deletion that shows no effect for so long is asked for again.
AGAIN = timedelta(seconds=15)


async def delete(work: Work, action: Action) -> Outcome:
    row = work.open_row
    if action.reason == reasons.NO_STOCK:
        seen = decode(row.seen)
        await ran_short(work, (seen.zone if seen else "") or row.zone)
    await keep_tails(work)
    await _hear_the_end(work)
    work.ctx.lease.check(CALL_SECONDS)
    note = work.note(reasons.DELETED, instance=row.cloud_id, why=str(action.values.get("why", "")))
    if not await work.writer.do(store.deleting, row.pk, note):
        return Outcome(1.0)
    await work.announce()
    await work.say(reasons.DELETED, **action.values)
    return await _call(work)


async def _hear_the_end(work: Work) -> None:
    """The last chance to hear when it ceased to cost: the cloud forgets what is deleted.

    Best effort: without an answer the bill stays an estimate.
    """
    seen = decode(work.open_row.seen)
    if seen is not None and seen.state.over and seen.ended_at is None:
        with suppress(ProviderError):
            await work.lookup()


async def delete_ownerless(work: Work, action: Action) -> Outcome:
    """Only when the API server shows twice, now, that no pod has this UID; and not too many."""
    if await _lives(work):
        return Outcome(1.0)
    if not await allowance.take(work.ctx, work.account.pk):
        return Outcome(allowance.CYCLE_SECONDS, reasons.DELETING, dict(action.values))
    return await delete(work, action)


async def _lives(work: Work) -> bool:
    """Whether any of two answers, one by name and one list, holds a pod of this UID."""
    try:
        pod = await work.kube.get(PODS, work.name, work.namespace)
    except PodNotFound:
        pod = None
    listing = await work.kube.list(PODS, work.namespace, fields=f"metadata.name={work.name}")
    found = [*listing.items, *([pod] if pod else ())]
    return any(one["metadata"]["uid"] == work.uid for one in found)


async def _call(work: Work) -> Outcome:
    row, provider = work.open_row, await work.provider()
    work.ctx.lease.check(CALL_SECONDS)
    values = {"instance": row.cloud_id}
    try:
        await provider.delete(row.cloud_id)
    except NotFound:
        return Outcome(0.1, reasons.DELETING, values)
    except Busy:
        return Outcome(NEXT_LOOK, reasons.DELETING, values)
    except AccountTrouble as error:
        await accounts.troubled(work, error, "delete")
        return outcome_of(error)
    except ProviderError as error:
        return outcome_of(error)
    await accounts.healed(work, "delete")
    seen = decode(row.seen)
    if seen is not None and seen.state.over:
        return await _closed(work)
    return Outcome(FIRST_LOOK, reasons.DELETING, values)


async def confirm(work: Work, action: Action) -> Outcome:
    """Ask for the instance by its id: gone twice, or over, closes the row."""
    row, values = work.open_row, dict(action.values)
    try:
        answer = await work.lookup()
    except AccountTrouble as error:
        await accounts.troubled(work, error, "read")
        return outcome_of(error)
    except ProviderError as error:
        return outcome_of(error)
    if answer.instance is None:
        if await work.writer.do(store.missing, store.Absence(row.pk, answer.asked_at)):
            return await _closed(work)
        return Outcome(APART, reasons.DELETING, values)
    late = row.delete_asked_at is not None and work.now - row.delete_asked_at > AGAIN
    if answer.instance.state is not InstanceState.STOPPING and (late or answer.instance.state.over):
        row.seen = store.encode(answer.instance)
        return await _call(work)
    return Outcome(NEXT_LOOK, reasons.DELETING, values)


async def _closed(work: Work) -> Outcome:
    note = work.note(reasons.CLOSED, instance=work.open_row.cloud_id)
    closing = store.Closing(work.open_row.pk, _why(work))
    await work.writer.do(store.close, closing, note)
    await work.announce()
    if work.pod is not None and work.pod["metadata"].get("deletionTimestamp"):
        return await finish(work, Action(Do.FINISH))
    live = work.pod is not None and not is_over(work.pod)
    return Outcome(0.0 if live else None)


def _why(work: Work) -> str:
    """Why the row closes: what `decide` goes by when the pod still lives."""
    if work.pod is None or work.pod["metadata"].get("deletionTimestamp"):
        return "deleted"
    if is_over(work.pod):
        return "finished"
    seen = decode(work.open_row.seen)
    failed_to_schedule = seen is not None and seen.state is InstanceState.SCHEDULE_FAILED
    return "no_capacity" if failed_to_schedule else "gone"


async def unmade(work: Work, action: Action) -> Outcome:
    del action
    await work.writer.do(store.not_made, work.open_row.pk)
    return Outcome(0.0)


async def finish(work: Work, action: Action) -> Outcome:
    """No instance is left: remove the pod from the cluster, this UID only."""
    del action
    pod = work.live_pod
    meta = pod["metadata"]
    holders = list(meta.get("finalizers") or ())
    if holders and meta.get("deletionGracePeriodSeconds") == 0:
        return Outcome(None, reasons.FINALIZERS, {"finalizers": holders})
    if holders and not is_over(pod):
        # Controllers that hold a pod (Job tracking) wait for its final phase.
        await work.put_status(failed(pod, reason="", message="", now=work.now))
    work.ctx.lease.check()
    await work.kube.delete(PODS, work.name, work.namespace, uid=work.uid, grace_seconds=0)
    await work.writer.do(store.nothing, None, work.note(reasons.POD_DELETED))
    await work.announce()
    return Outcome(None, reasons.FINALIZERS, {"finalizers": holders}) if holders else Outcome()
