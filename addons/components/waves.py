"""The next move of a fleet upgrade: pure, from its rows alone, so that a crash is another look.

Wave 0 is the canary, one cluster. A wave begins as a whole once the wave before has settled and
its pause is over; a failure stops all that has not begun, unless failures are to be passed over.
What has begun always goes on to its end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Protocol

from addons.models import FleetMember, FleetUpgrade, Operation

State = FleetUpgrade.State
Of = FleetMember.State

LOOK_SECONDS = 1.0
# A pause that somebody watches should end on time; a key that waits longer is looked at anyway.
LONGEST_LOOK_SECONDS = 30.0
_BECOMES = {
    Operation.State.QUEUED: Of.RUNNING,
    Operation.State.RUNNING: Of.RUNNING,
    Operation.State.SUCCEEDED: Of.DONE,
    Operation.State.FAILED: Of.FAILED,
    Operation.State.CANCELLED: Of.FAILED,
}


class Member(Protocol):
    """What is read of a `FleetMember`."""

    pk: int
    wave: int
    state: str
    started_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Rule:
    """What is read of a `FleetUpgrade`."""

    state: str
    pause: timedelta
    stop_on_failure: bool


@dataclass(frozen=True, slots=True)
class Move:
    """Members to begin now, the state the upgrade goes to (None: it stays), and the next look.

    `look_after` is in seconds; None: not before somebody resumes it.
    """

    begin: tuple[int, ...] = ()
    state: FleetUpgrade.State | None = None
    look_after: float | None = None


@dataclass(frozen=True, slots=True)
class Wave:
    """A wave as people see it. `begins_at`: the end of the pause before it, once that is known."""

    number: int
    state: str
    clusters: int
    done: int
    failed: int
    started_at: datetime | None
    ended_at: datetime | None
    begins_at: datetime | None


def becomes(state: str, operation: str | None) -> str:
    """The state of a member whose operation stands so: also one that was retried by hand counts."""
    if state not in {Of.RUNNING, Of.FAILED} or operation is None:
        return state
    return _BECOMES[Operation.State(operation)]


def plan(count: int, batch: int) -> list[int]:
    """The wave of each of so many clusters: the first is the canary."""
    return [0 if at == 0 else 1 + (at - 1) // batch for at in range(count)]


def decide(rule: Rule, members: Sequence[Member], now: datetime) -> Move:
    states = {member.state for member in members}
    running = Of.RUNNING in states
    again = LOOK_SECONDS if running else None
    if rule.state != State.RUNNING:
        return Move(look_after=again)
    if rule.stop_on_failure and Of.FAILED in states:
        return Move(state=State.STOPPED, look_after=again)
    if not states & {Of.RUNNING, Of.WAITING}:
        return Move(state=State.STOPPED if Of.FAILED in states else State.SUCCEEDED)
    for wave, begins_at in _turns(rule, members):
        waiting = tuple(one.pk for one in wave if one.state == Of.WAITING)
        if waiting and begins_at is not None and begins_at > now:
            return Move(look_after=min((begins_at - now).total_seconds(), LONGEST_LOOK_SECONDS))
        if waiting or any(one.state == Of.RUNNING for one in wave):
            return Move(begin=waiting, look_after=LOOK_SECONDS)
    raise AssertionError("a member waits or runs, so its wave was found")


def _turns(rule: Rule, members: Sequence[Member]) -> Iterator[tuple[list[Member], datetime | None]]:
    """The waves in order, each with the moment from which it may begin (None: at once).

    A wave that has begun is not held up again: a member that is tried once more waits for nobody.
    """
    ended: datetime | None = None
    for _number, group in groupby(sorted(members, key=lambda m: (m.wave, m.pk)), lambda m: m.wave):
        wave = list(group)
        fresh = all(one.started_at is None for one in wave)
        yield wave, ended + rule.pause if ended and fresh else None
        if {Of.WAITING, Of.RUNNING} & {one.state for one in wave}:
            ended = None
        else:
            ended = max((one.ended_at for one in wave if one.ended_at), default=ended)


def waves(rule: Rule, members: Sequence[Member]) -> list[Wave]:
    """Per wave: how it stands. Its state is one of a member's states."""
    found = []
    for wave, begins_at in _turns(rule, members):
        states = [one.state for one in wave]
        settled = not {Of.WAITING, Of.RUNNING} & set(states)
        ends = [one.ended_at for one in wave if one.ended_at]
        found.append(
            Wave(
                number=wave[0].wave,
                state=_state(states),
                clusters=len(wave),
                done=states.count(Of.DONE),
                failed=states.count(Of.FAILED),
                started_at=min((m.started_at for m in wave if m.started_at), default=None),
                ended_at=max(ends) if settled and ends else None,
                begins_at=begins_at,
            )
        )
    return found


def _state(states: Sequence[str]) -> str:
    """The one to look at first."""
    order = (Of.RUNNING, Of.FAILED, Of.WAITING, Of.DONE)
    begun = Of.DONE in states and Of.WAITING in states
    if begun and Of.FAILED not in states:
        return Of.RUNNING
    return next((state for state in order if state in states), Of.SKIPPED)
