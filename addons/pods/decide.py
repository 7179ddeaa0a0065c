"""From what is known of a pod and its instance to one action. Pure.

    pod, ledger row, account, time  ->  Action

Absence is acted on only as far as its evidence goes: a pod that is not live must be proven gone by
the caller before `DELETE_OWNERLESS` is carried out, and while the account is halted nothing that
rests on absence is done at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from addons.pods import reasons
from addons.pods.deadline import deadline_of
from addons.pods.status import is_over
from providers.base import InstanceState, OnFailure, Waiting
from providers.models import Instance
from providers.seen import decode

Json = Mapping[str, Any]
State = Instance.State
# After the cloud found no capacity for an instance that it had accepted.
NO_CAPACITY_PAUSE = timedelta(seconds=60)
NEXT_PLACE_PAUSE = timedelta(seconds=2)
FOR_EVER = Waiting()
# How long an instance on its way may be silent before it is asked for by its id.
SILENCE = timedelta(seconds=20)
# A row that closed so says that another attempt is welcome; any other says that there was one.
TRY_AGAIN = frozenset({"refused", "not_made", "no_capacity"})


class Do(StrEnum):
    NOTHING = "nothing"
    WAIT = "wait"
    CREATE = "create"
    HOLD = "hold"  # someone refuses new instances here
    LOOK = "look"  # an instance may exist: search for it by its tags
    ASK = "ask"  # describe the instance by its id
    REPORT = "report"
    FAIL = "fail"
    DELETE = "delete"
    DELETE_OWNERLESS = "delete_ownerless"
    CONFIRM = "confirm"  # it was deleted: is it gone?
    GIVE_UP = "give_up"  # no stock, and the pod shall not wait for it any longer
    EXPIRE = "expire"  # the pod was active for longer than it may be
    UNMADE = "unmade"  # close a row whose create was never called
    FINISH = "finish"  # the instance is gone: let the pod go


@dataclass(frozen=True, slots=True)
class Account:
    halted: str = ""
    trouble: str = ""
    trouble_message: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """`pod`: None when it is not live. `row`: the open one. `last`: the newest closed one."""

    pod: Json | None
    row: Instance | None
    last: Instance | None
    account: Account
    now: datetime
    paused: bool = False
    # The virtual node is being removed: nothing new is made, nothing fails for want of it.
    leaving: bool = False
    # Some account of the virtual node takes such pods.
    served: bool = True
    # How long the pod may wait for stock, and since when it does.
    waiting: Waiting = FOR_EVER
    since: datetime | None = None
    # The provider leaves out the places that were short: the next try goes elsewhere.
    placing: bool = False
    next_place: str = ""
    # A hold refuses new instances to its namespace or node: what fills the sentence.
    held: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Action:
    do: Do
    reason: str = ""
    values: dict[str, Any] = field(default_factory=dict)
    after: float | None = None


def decide(facts: Facts) -> Action:
    if facts.pod is None:
        return _ownerless(facts)
    if facts.pod["metadata"].get("deletionTimestamp"):
        return _deleted(facts)
    if is_over(facts.pod):
        return _finished(facts)
    return _alive(facts)


def _alive(facts: Facts) -> Action:
    if facts.paused:
        return Action(Do.WAIT, reasons.CLUSTER_PAUSED)
    end = deadline_of(facts.pod) if facts.pod else None
    if end is not None and facts.now >= end:
        return Action(Do.EXPIRE)
    if facts.leaving and (facts.row is None or facts.row.state == State.INTENT):
        return Action(Do.UNMADE if facts.row else Do.NOTHING)
    if facts.row is None:
        return _without_instance(facts)
    return _with_instance(facts, facts.row)


def _ownerless(facts: Facts) -> Action:
    if facts.row is None:
        return Action(Do.NOTHING)
    return _remove(facts, facts.row, Do.DELETE_OWNERLESS, "its pod is gone")


def _deleted(facts: Facts) -> Action:
    if facts.row is None:
        return Action(Do.FINISH)
    return _remove(facts, facts.row, Do.DELETE, "its pod is being deleted")


def _finished(facts: Facts) -> Action:
    if facts.row is None:
        return Action(Do.NOTHING)
    return _remove(facts, facts.row, Do.DELETE, "its pod has ended")


def _remove(facts: Facts, row: Instance, delete: Do, why: str) -> Action:
    """One step on the way from an open row to a closed one."""
    if row.state == State.INTENT:
        return Action(Do.UNMADE)
    if facts.account.halted and (delete is Do.DELETE_OWNERLESS or row.state == State.DELETING):
        return Action(Do.WAIT, reasons.HALTED, {"reason": facts.account.halted}, after=30)
    if row.state == State.CREATING:
        return Action(Do.LOOK, reasons.UNKNOWN_OUTCOME)
    if row.state == State.ACTIVE:
        return Action(delete, reasons.DELETING, {"instance": row.cloud_id, "why": why})
    return Action(Do.CONFIRM, reasons.DELETING, {"instance": row.cloud_id})


def _without_instance(facts: Facts) -> Action:
    last, account = facts.last, facts.account
    if last is not None and last.close_reason not in TRY_AGAIN:
        if account.halted:
            return Action(Do.WAIT, reasons.HALTED, {"reason": account.halted}, after=30)
        return Action(Do.FAIL, reasons.LOST, {"instance": last.cloud_id})
    if not facts.served:
        return Action(Do.WAIT, reasons.NOT_SERVED, after=60)
    return _asking(facts, last)


def _asking(facts: Facts, last: Instance | None) -> Action:
    if facts.held:
        return _held(facts.held)
    if facts.account.trouble:
        return _trouble(facts.account)
    if last is not None and last.close_reason == "no_capacity":
        return _short(facts, last)
    return Action(Do.CREATE)


def _short(facts: Facts, last: Instance) -> Action:
    """The cloud had accepted its instance and then found no capacity for it."""
    values = {"zones": [last.zone], "spec": last.spec, "next": facts.next_place or last.zone}
    if gives_up(facts.waiting, facts.since, facts.now):
        return Action(Do.GIVE_UP, reasons.NO_STOCK, values)
    pause = NEXT_PLACE_PAUSE if facts.placing else NO_CAPACITY_PAUSE
    left = ((last.closed_at or facts.now) + pause - facts.now).total_seconds()
    return Action(Do.WAIT, reasons.NO_STOCK, values, after=left) if left > 0 else Action(Do.CREATE)


def gives_up(waiting: Waiting, since: datetime | None, now: datetime) -> bool:
    """Whether a pod that found no stock shall fail instead of trying again."""
    if waiting.on_failure is OnFailure.BACK:
        return False
    return waiting.limit is None or (since is not None and now - since >= waiting.limit)


def _trouble(account: Account) -> Action:
    return Action(Do.WAIT, reasons.ACCOUNT_TROUBLE, {"message": account.trouble_message}, after=30)


def _held(values: Mapping[str, Any]) -> Action:
    return Action(Do.HOLD, reasons.HELD, dict(values))


def _with_instance(facts: Facts, row: Instance) -> Action:
    match row.state:
        case State.INTENT:
            if facts.held:
                return _held(facts.held)
            return _trouble(facts.account) if facts.account.trouble else Action(Do.CREATE)
        case State.CREATING:
            return Action(Do.LOOK, reasons.UNKNOWN_OUTCOME)
        case State.ACTIVE:
            return _active(row, facts.now)
    if facts.account.halted:
        return Action(Do.WAIT, reasons.HALTED, {"reason": facts.account.halted}, after=30)
    return Action(Do.CONFIRM, reasons.DELETING, {"instance": row.cloud_id})


def _active(row: Instance, now: datetime) -> Action:
    seen = decode(row.seen)
    if seen is not None and seen.state is InstanceState.SCHEDULE_FAILED:
        return Action(Do.DELETE, reasons.NO_STOCK, {"instance": row.cloud_id, "why": seen.message})
    heard = row.seen_at or row.cloud_created_at or row.intended_at
    settled = seen is not None and (seen.state.over or seen.state is InstanceState.RUNNING)
    silent = row.missing_count >= 2 or (not settled and now - heard > SILENCE)
    return Action(Do.ASK if silent else Do.REPORT)
