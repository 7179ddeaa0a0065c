"""What a managed operation asked of the vendor, and which of the vendor's tasks is its own.

What was asked stands in `Operation.arguments["managed"]`, committed before the request is made:

    {"asked_at": when, "accepted": whether it was taken, "task": the vendor's task id,
     "known": ids of the changes of configurations that are not ours,
     "over_at": when the task was seen to have ended well,
     "guessed": the answer was lost, the task may be another's: ask again if it did not help}

ACK's ModifyClusterAddon answers without a body (package `alibabacloud-cs20151215` 7.2.3): its task
is the one that was not among those noted before. The vendor's own tool (repository
`elastic-compute-control-cli`, `ack addon update`) waits up to 600 s for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.utils.translation import gettext_noop as _

from addons.components.base import Json
from addons.components.vendors import Vendor
from addons.models import Operation
from addons.operations import NotYet, StepFailed
from addons.runtime.contract import Context
from addons.sentences import stored
from providers.vendor import InstalledAddon, TaskState

POLL_SECONDS = 2.0
# How long a request without an answer may take to show.
SHOWS_AFTER = timedelta(seconds=15)
# How long the task of a changed configuration may take to show, and how long what is held already
# is looked at before it is taken for done without one.
TASK_SHOWS_AFTER = timedelta(seconds=600)
HELD_FOR = timedelta(seconds=60)
STUCK = _("Look at the component in the cloud's own console, mend the cause, then retry.")


def note_of(operation: Operation) -> Json:
    kept: Json = operation.arguments.get("managed") or {}
    return kept


async def keep(ctx: Context, operation: Operation, **values: Any) -> None:
    """Replace the note; committed before whatever comes next."""
    operation.arguments = {**operation.arguments, "managed": values}
    await ctx.db(operation.save, update_fields=["arguments"])


async def add(ctx: Context, operation: Operation, **values: Any) -> None:
    await keep(ctx, operation, **note_of(operation) | values)


def waited(operation: Operation, since: str, now: datetime) -> timedelta:
    """How long ago something noted was."""
    return now - datetime.fromisoformat(note_of(operation)[since])


async def known_tasks(vendor: Vendor) -> list[str]:
    return [task.id for task in await vendor.api.configurations(vendor.cluster_id)]


async def new_task(operation: Operation, vendor: Vendor) -> str:
    """The first change of a configuration since the request; empty: none shows yet."""
    known = note_of(operation).get("known")
    if known is None:
        return ""
    return await _first_beyond(known, vendor)


async def _first_beyond(known: Sequence[str], vendor: Vendor) -> str:
    new = [task for task in await known_tasks(vendor) if task not in known]
    return new[-1] if new else ""


async def find_task(
    ctx: Context,
    operation: Operation,
    vendor: Vendor,
    there: InstalledAddon | None,
    fulfilled: Callable[[InstalledAddon | None], bool],
) -> None:
    """Until the task of an accepted request that named none shows, or it holds without one."""
    note = note_of(operation)
    if note.get("task") or note.get("known") is None:
        return
    task = await new_task(operation, vendor)
    if task:
        await add(ctx, operation, task=task)
        return
    since = waited(operation, "asked_at", ctx.now())
    if since >= TASK_SHOWS_AFTER or (since >= HELD_FOR and fulfilled(there)):
        return
    raise NotYet(_("the cloud took the request; waiting for its task to show"), POLL_SECONDS)


async def more_may_show(ctx: Context, operation: Operation, vendor: Vendor) -> bool:
    """What is asked for does not hold: whether that may still change.

    Values take their time to show. A task that ended well may have been of somebody who changed
    them just before: then the one that shows after it is ours.
    """
    note = note_of(operation)
    if note.get("task") and note.get("known") is not None:
        known = [*note["known"], note["task"]]
        if task := await _first_beyond(known, vendor):
            await add(ctx, operation, known=known, task=task, over_at=None)
            return True
    since = next((one for one in ("over_at", "asked_at") if note.get(one)), "")
    return bool(since) and waited(operation, since, ctx.now()) < SHOWS_AFTER


async def task_is_over(ctx: Context, operation: Operation, vendor: Vendor) -> None:
    """Until the task ended well. Raises `StepFailed` with what it says when it failed."""
    task_id = note_of(operation).get("task")
    if not task_id or note_of(operation).get("over_at"):
        return
    task = await vendor.api.task(task_id)
    if task.state is TaskState.RUNNING:
        line = " · ".join(filter(None, (task.stage, *task.events[-1:])))
        raise NotYet(line or _("the cloud is at it"), POLL_SECONDS)
    if task.state is TaskState.FAILED:
        await keep(ctx, operation)
        told = {"code": task.code, "message": task.message or task.stage, "task": task.id}
        text = _("The cloud's task %(task)s failed: %(code)s %(message)s")
        raise StepFailed(stored(text, **told), STUCK)
    await add(ctx, operation, over_at=ctx.now().isoformat())
