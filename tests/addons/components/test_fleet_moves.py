"""The next move of a fleet upgrade, from rows alone."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from addons.components.waves import Move, Rule, becomes, decide, plan, waves
from addons.models import FleetUpgrade

NOW = datetime(2026, 1, 1, tzinfo=UTC)
State = FleetUpgrade.State


@dataclass
class Row:
    pk: int
    wave: int
    state: str
    started_at: datetime | None = None
    ended_at: datetime | None = None


def rows(*states: str, ended: datetime = NOW - timedelta(seconds=10)) -> list[Row]:
    """A canary and two waves of two; `states` in their order, the rest waits."""
    given = itertools.chain(states, itertools.repeat("waiting"))
    made = []
    for pk, (wave, state) in enumerate(zip(plan(5, 2), given, strict=False), 1):
        begun = NOW - timedelta(seconds=60) if state != "waiting" else None
        over = ended if state in {"done", "failed"} else None
        made.append(Row(pk, wave, state, begun, over))
    return made


def rule(state: str = "running", pause: float = 0, stop: bool = True) -> Rule:
    return Rule(state, timedelta(seconds=pause), stop)


def test_the_first_is_the_canary_and_the_last_wave_takes_what_is_left() -> None:
    assert plan(6, 2) == [0, 1, 1, 2, 2, 3]
    assert plan(1, 10) == [0]


@pytest.mark.parametrize(
    ("states", "begins"),
    [
        ((), (1,)),
        (("running",), ()),
        (("done",), (2, 3)),
        (("done", "done", "running"), ()),
        (("done", "done", "waiting"), (3,)),
        (("done", "done", "done"), (4, 5)),
        (("skipped", "done", "skipped"), (4, 5)),
    ],
)
def test_a_wave_begins_when_the_one_before_has_settled(
    states: tuple[str, ...], begins: tuple[int, ...]
) -> None:
    assert decide(rule(), rows(*states), NOW).begin == begins


def test_a_pause_counts_from_the_end_of_the_wave_before() -> None:
    move = decide(rule(pause=25), rows("done", "done", "done"), NOW)
    assert move == Move(look_after=15.0)
    after = decide(rule(pause=25), rows("done", "done", "done"), NOW + timedelta(seconds=15))
    assert after.begin == (4, 5)


def test_one_that_is_tried_again_in_a_wave_that_had_begun_waits_for_no_pause() -> None:
    members = rows("done", "done", "waiting")
    members[2].started_at = NOW
    assert decide(rule(pause=3600), members, NOW).begin == (3,)


def test_a_failure_stops_what_has_not_begun_and_what_runs_is_watched_to_its_end() -> None:
    move = decide(rule(), rows("done", "failed", "running"), NOW)
    assert (move.begin, move.state) == ((), State.STOPPED)
    assert move.look_after is not None
    assert decide(rule("stopped"), rows("done", "failed", "done"), NOW) == Move()


def test_failures_may_be_passed_over_and_are_told_at_the_end() -> None:
    forgiving = rule(stop=False)
    assert decide(forgiving, rows("done", "failed", "done"), NOW).begin == (4, 5)
    ended = decide(forgiving, rows("done", "failed", *["done"] * 3), NOW)
    assert ended == Move(state=State.STOPPED)


def test_it_succeeds_when_all_are_done_or_left_out() -> None:
    assert decide(rule(), rows("done", "skipped", *["done"] * 3), NOW).state == State.SUCCEEDED


@pytest.mark.parametrize("state", ["paused", "cancelled", "stopped"])
def test_nothing_begins_unless_it_runs(state: str) -> None:
    assert decide(rule(state), rows("done"), NOW) == Move()


def test_a_failed_member_whose_operation_is_retried_by_hand_counts_as_its_operation() -> None:
    assert becomes("failed", "running") == "running"
    assert becomes("failed", "succeeded") == "done"
    assert becomes("running", "cancelled") == "failed"
    assert becomes("waiting", "failed") == "waiting"


def test_waves_tell_how_they_stand_and_when_the_next_begins() -> None:
    found = waves(rule(pause=60), rows("done", "done", "done"))
    assert [(one.number, one.state, one.done, one.clusters) for one in found] == [
        (0, "done", 1, 1),
        (1, "done", 2, 2),
        (2, "waiting", 0, 2),
    ]
    assert found[2].begins_at == NOW + timedelta(seconds=50)
    assert waves(rule(pause=60), rows("done", "done", "running"))[2].begins_at is None
