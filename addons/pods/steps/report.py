"""Tell the cluster what the cloud says; nothing is paid here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django.utils import translation

from addons.pods import reasons, resize, store
from addons.pods.decide import Action
from addons.pods.patience import overdue
from addons.pods.status import failed, is_over, status_of
from addons.pods.times import stamp
from addons.pods.work import Work, asked_of
from addons.runtime.contract import Outcome
from providers import base
from providers.base import InstanceState, RunState
from providers.seen import decode

Json = Mapping[str, Any]
# An instance on its way is asked for by its id when the sweep did not tell of it for so long.
STARTING_SECONDS = 25.0
_PULL_FAILING = {"ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull"}
# The cloud keeps the instance until there is room for it (ACS user guide, "Custom conditions").
_NO_PLACE = {"NoStock", "StockExhaust", "StockClose", "Unschedulable"}
_PULLING = {"Pulling", "ContainerCreating", "PodInitializing"}


async def report(work: Work, action: Action) -> Outcome:
    del action
    row = work.open_row
    seen = decode(row.seen)
    work = await work.put_annotations(row)
    if minutes := overdue(work, seen):
        return await _too_late(work, row.cloud_id, minutes)
    before = work.live_pod
    asked = asked_of(row)
    status = status_of(before, seen, now=work.now, provider=row.provider, asked=asked)
    changed = await work.put_status(status)
    await _say_resize(work, status)
    if is_over(changed):
        note = work.note(reasons.FINISHED, phase=changed["status"]["phase"])
        await work.writer.do(store.nothing, None, note)
        return Outcome(0.0)
    return _outcome(seen, row.cloud_id)


async def _say_resize(work: Work, status: Json) -> None:
    """Once for each spec that asks for another size."""
    before, now = (_resize(one) for one in (work.live_pod.get("status") or {}, status))
    if now is None:
        return
    generation = now.get("observedGeneration")
    if before is not None and before.get("observedGeneration", generation) == generation:
        return
    values = {"instance": work.open_row.cloud_id, "spec": work.open_row.spec}
    await work.say(reasons.RESIZE, **values)
    await work.writer.do(store.nothing, None, work.note(reasons.RESIZE, **values))
    await work.announce()


def _resize(status: Json) -> Json | None:
    conditions = status.get("conditions") or ()
    return next((one for one in conditions if one["type"] == resize.CONDITION), None)


async def _too_late(work: Work, instance: str, minutes: int) -> Outcome:
    """The pod fails; its instance goes as that of any pod that has ended."""
    values: dict[str, Any] = {"instance": instance, "minutes": minutes}
    with translation.override("en"):
        message = reasons.sentence(reasons.OVERDUE, values)
    status = failed(work.live_pod, reason="ProviderFailed", message=message, now=work.now)
    await work.put_status(status)
    await work.say(reasons.OVERDUE, **values)
    await work.writer.do(store.nothing, None, work.note(reasons.OVERDUE, **values))
    await work.announce()
    return Outcome(0.0)


async def ask(work: Work, action: Action) -> Outcome:
    """The sweep has been silent about it: describe it by its id."""
    answer = await work.lookup()
    if answer.instance is None:
        absence = store.Absence(work.open_row.pk, answer.asked_at)
        if await work.writer.do(store.missing, absence):
            return await lost(work, action)
        return Outcome(4.0, reasons.STARTING, {"instance": work.open_row.cloud_id})
    row = work.open_row
    row.seen, row.seen_at = store.encode(answer.instance), answer.asked_at
    return await report(replace(work, row=row), action)


async def lost(work: Work, action: Action) -> Outcome:
    """Gone by two answers of the cloud while its pod lives: the pod fails, its owner replaces it.

    A halted account never comes here.
    """
    del action
    row = work.row or work.known.last
    instance = row.cloud_id if row else ""
    values = {"instance": instance}
    if work.row is not None:
        if work.account.halted_at is not None:
            return Outcome(30.0, reasons.HALTED, {"reason": work.account.halt_reason})
        note = work.note(reasons.LOST, **values)
        await work.writer.do(store.close, store.Closing(work.row.pk, "gone"), note)
    message = f"Instance {instance} is gone: the cloud no longer has it."
    status = failed(work.live_pod, reason="InstanceGone", message=message, now=work.now)
    await work.put_status(status)
    await work.say(reasons.LOST, **values)
    await work.announce()
    return Outcome(None, reasons.LOST, values)


def _outcome(seen: base.Instance | None, instance: str) -> Outcome:
    values = {"instance": instance}
    if seen is None or seen.state in {InstanceState.SCHEDULING, InstanceState.STARTING}:
        return _starting(seen, values)
    for status in seen.containers or ():
        if status.state.state is RunState.WAITING and status.state.reason == "CrashLoopBackOff":
            detail = {"container": status.name, "message": status.state.message or "crash loop"}
            return Outcome(None, reasons.CONTAINER_FAILING, detail)
    return Outcome(None)


def _starting(seen: base.Instance | None, values: dict[str, str]) -> Outcome:
    if seen is not None and seen.state is InstanceState.SCHEDULING and seen.reason in _NO_PLACE:
        detail = {**values, "message": seen.message}
        return Outcome(STARTING_SECONDS, reasons.NO_PLACE, detail)
    every = (*(seen.init_containers if seen else ()), *((seen.containers if seen else None) or ()))
    waiting = [s for s in every if s.state.state is RunState.WAITING]
    for status in waiting:
        if status.state.reason in _PULL_FAILING:
            detail = {"image": status.image, "message": status.state.message}
            return Outcome(STARTING_SECONDS, reasons.IMAGE_PULL_FAILING, detail)
    if seen is not None and any(s.state.reason in _PULLING for s in waiting):
        since = seen.billed_from or seen.created_at
        shown = {**values, "since": stamp(since) if since else "-"}
        return Outcome(STARTING_SECONDS, reasons.IMAGE_PULLING, shown)
    return Outcome(STARTING_SECONDS, reasons.STARTING, values)
