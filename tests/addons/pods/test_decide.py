"""What is decided from what is known; a table."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from addons.pods.deadline import by_then
from addons.pods.decide import Account, Do, Facts, decide
from addons.pods.times import stamp
from addons.runtime.contract import Outcome
from providers.base import OnFailure, Waiting
from providers.models import Instance
from tests.addons.pods.pods import pod

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LIVE = pod()
LEAVING = pod(metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"})
DONE = pod(status={"phase": "Succeeded"})


def row(state: str, **fields: Any) -> Instance:
    cloud_id = "" if state in {"intent", "creating"} else "eci-1"
    times = {"intended_at": NOW, "seen_at": NOW}
    return Instance(**{"state": state, "cloud_id": cloud_id, **times, **fields})


def closed(reason: str, **fields: Any) -> Instance:
    return row("closed", close_reason=reason, closed_at=NOW, **fields)


def seen(state: str) -> dict[str, Any]:
    return {"id": "eci-1", "name": "n", "state": state, "raw_state": state, "region": "r"}


@pytest.mark.parametrize(
    ("obj", "open_row", "last", "do"),
    [
        (LIVE, None, None, Do.CREATE),
        (LIVE, None, closed("refused"), Do.CREATE),
        (LIVE, None, closed("no_capacity"), Do.WAIT),
        (LIVE, None, closed("gone"), Do.FAIL),
        (LIVE, None, closed("deleted"), Do.FAIL),
        (LIVE, row("intent"), None, Do.CREATE),
        (LIVE, row("creating"), None, Do.LOOK),
        (LIVE, row("active", seen=seen("running")), None, Do.REPORT),
        (LIVE, row("active", seen=seen("schedule_failed")), None, Do.DELETE),
        (LIVE, row("active", seen_at=NOW - timedelta(minutes=1)), None, Do.ASK),
        (LIVE, row("active", seen=seen("running"), missing_count=2), None, Do.ASK),
        (LIVE, row("deleting"), None, Do.CONFIRM),
        (LEAVING, None, None, Do.FINISH),
        (LEAVING, row("intent"), None, Do.UNMADE),
        (LEAVING, row("creating"), None, Do.LOOK),
        (LEAVING, row("active"), None, Do.DELETE),
        (LEAVING, row("deleting"), None, Do.CONFIRM),
        (DONE, None, closed("finished"), Do.NOTHING),
        (DONE, row("active"), None, Do.DELETE),
        (None, None, None, Do.NOTHING),
        (None, row("active"), None, Do.DELETE_OWNERLESS),
        (None, row("deleting"), None, Do.CONFIRM),
    ],
)
def test_each_state_has_one_next_step(
    obj: Any, open_row: Instance | None, last: Instance | None, do: Do
) -> None:
    assert decide(Facts(obj, open_row, last, Account(), NOW)).do is do


@pytest.mark.parametrize(
    ("obj", "open_row", "last"),
    [
        (LIVE, None, closed("gone")),
        (LIVE, row("deleting"), None),
        (None, row("active"), None),
        (None, row("deleting"), None),
        (LEAVING, row("deleting"), None),
    ],
)
def test_nothing_that_rests_on_absence_is_done_while_the_account_is_halted(
    obj: Any, open_row: Instance | None, last: Instance | None
) -> None:
    action = decide(Facts(obj, open_row, last, Account(halted="EmptyList"), NOW))
    assert (action.do, action.reason) == (Do.WAIT, "BreakerHalted")


def test_an_account_in_trouble_makes_pods_wait_and_a_paused_cluster_too() -> None:
    trouble = Account(trouble="NoPermission", trouble_message="no")
    assert decide(Facts(LIVE, None, None, trouble, NOW)).reason == "AccountTrouble"
    assert decide(Facts(LIVE, None, None, Account(), NOW, paused=True)).reason == "ClusterPaused"
    assert decide(Facts(LEAVING, row("active"), None, trouble, NOW, paused=True)).do is Do.DELETE


SHORT = closed("no_capacity")


@pytest.mark.parametrize(
    ("waiting", "waited", "placing", "do"),
    [
        (Waiting(), 300, False, Do.CREATE),
        (Waiting(), 30, False, Do.WAIT),
        (Waiting(), 30, True, Do.CREATE),
        (Waiting(timedelta(minutes=10), OnFailure.BACK), 601, True, Do.CREATE),
        (Waiting(None, OnFailure.FAST), 1, True, Do.GIVE_UP),
        (Waiting(timedelta(minutes=10), OnFailure.FAST), 599, True, Do.CREATE),
        (Waiting(timedelta(minutes=10), OnFailure.FAST), 600, True, Do.GIVE_UP),
        (Waiting(timedelta(minutes=10), OnFailure.OVER), 600, True, Do.GIVE_UP),
    ],
)
def test_no_stock_is_waited_out_as_long_as_the_pod_says(
    waiting: Waiting, waited: int, placing: bool, do: Do
) -> None:
    now = NOW + timedelta(seconds=waited)
    facts = Facts(LIVE, None, SHORT, Account(), now, waiting=waiting, since=NOW, placing=placing)
    assert decide(facts).do is do


def test_a_pod_ends_when_its_active_deadline_is_over_and_is_looked_at_then() -> None:
    started = {"startTime": stamp(NOW)}
    pod = {**LIVE, "spec": {**LIVE["spec"], "activeDeadlineSeconds": 60}, "status": started}
    before, after = NOW + timedelta(seconds=45), NOW + timedelta(seconds=60)
    assert decide(Facts(pod, row("active"), None, Account(), before)).do is not Do.EXPIRE
    assert decide(Facts(pod, row("active"), None, Account(), after)).do is Do.EXPIRE
    assert by_then(Outcome(), pod, before).requeue_after == 15
    assert by_then(Outcome(5.0), pod, before).requeue_after == 5
    assert by_then(Outcome(), LIVE, before).requeue_after is None


@pytest.mark.parametrize(
    ("open_row", "last", "do"),
    [
        (None, None, Do.HOLD),
        (None, closed("refused"), Do.HOLD),
        (None, closed("no_capacity"), Do.HOLD),
        (row("intent"), None, Do.HOLD),
        (None, closed("gone"), Do.FAIL),
        (row("creating"), None, Do.LOOK),
        (row("active", seen=seen("running")), None, Do.REPORT),
        (row("deleting"), None, Do.CONFIRM),
    ],
)
def test_a_hold_refuses_new_instances_and_leaves_the_others_alone(
    open_row: Instance | None, last: Instance | None, do: Do
) -> None:
    held = {"hold": "the budget is used up", "source": "budget:1"}
    assert decide(Facts(LIVE, open_row, last, Account(), NOW, held=held)).do is do


def test_a_held_pod_that_is_deleted_goes() -> None:
    held = {"hold": "x", "source": "budget:1"}
    assert decide(Facts(LEAVING, None, None, Account(), NOW, held=held)).do is Do.FINISH
