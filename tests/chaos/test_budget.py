"""A budget is used up in a world of real processes: new pods wait, running ones go on, lifting is
clean, and whoever wanted to hear of it does."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.chaos import manifests as m
from tests.chaos.house import House, wait_until
from tests.chaos.test_faults import say
from tests.console.billing.receivers import SECRETS, Receiver, receiving

pytestmark = pytest.mark.chaos
# A pod of 2 vCPU and 4 GiB of ECI costs 0.44 an hour: used up after some twelve seconds.
AMOUNT = "0.0015"
ACTS_WITHIN = 60.0
BIG = {"requests": {"cpu": "2", "memory": "4Gi"}, "limits": {"cpu": "2", "memory": "4Gi"}}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


def pod(name: str) -> dict[str, Any]:
    container = {**m.container("busybox", command=["sleep", "3600"]), "resources": BIG}
    return m.bound(name, containers=[container])


def phase(house: House, app: str) -> str:
    return " ".join(found["status"]["phase"] for found in house.pods(app))


def waiting(house: House, app: str) -> str:
    """The console's sentence and the container's reason, once both are there."""
    (found,) = house.pods(app)
    row = house.row(found["metadata"]["uid"])
    states = found["status"].get("containerStatuses") or [{}]
    reason = states[0].get("state", {}).get("waiting", {}).get("reason", "")
    return f"{reason}: {row['blocker']}" if row and row["blocker"] else ""


def budget(house: House, receiver: Receiver, **more: Any) -> dict[str, Any]:
    given = {"name": "ops", "kind": "webhook", "address": receiver.address("webhook")}
    channel = house.rest("billing/channels/", "POST", {**given, "secret": SECRETS["webhook"]})
    body = {
        "name": "default",
        "amount": AMOUNT,
        "currency": "CNY",
        "period": "day",
        "forecast": False,
        "channels": [channel["id"]],
        **more,
    }
    made: dict[str, Any] = house.rest("billing/budgets/", "POST", body)
    return made


def state(house: House, pk: int) -> str:
    return str(house.rest(f"billing/budgets/{pk}/")["state"])


def clear(house: House, made: dict[str, Any]) -> None:
    for channel in made["channels"]:
        house.rest(f"billing/channels/{channel}/", "DELETE")
    house.rest(f"billing/budgets/{made['id']}/", "DELETE")


def test_a_budget_holds_new_pods_leaves_running_ones_and_lifts_cleanly(
    house: House, receiver: Receiver
) -> None:
    made = budget(house, receiver, action="hold", scope={"namespace": "default"})
    try:
        house.apply(pod("first"))
        wait_until(lambda: phase(house, "first") == "Running", seconds=20, what="it runs")
        wait_until(lambda: state(house, made["id"]) == "held", seconds=ACTS_WITHIN, what="held")
        detail = house.rest(f"billing/budgets/{made['id']}/")
        assert float(detail["spent"]) >= float(AMOUNT)
        house.apply(pod("second"))
        told = wait_until(lambda: waiting(house, "second"), seconds=20, what="it says why")
        assert told.startswith("HeldByBudget: ")
        assert "Budget default is used up" in told
        events = json.loads(
            house.kubectl("get", "events", "--field-selector", "reason=HeldByBudget", "-o", "json")
        )["items"]
        assert {event["involvedObject"]["name"] for event in events} == {"second"}
        assert phase(house, "first") == "Running"
        assert house.world.made("second") == []
        wait_until(lambda: receiver.got, seconds=30, what="the webhook is told")
        at = time.monotonic()
        assert house.rest(f"billing/budgets/{made['id']}/lift/", "POST", {})["lifted"] == 1
        wait_until(lambda: phase(house, "second") == "Running", seconds=20, what="it runs now")
        say(f"lifted to running in {time.monotonic() - at:.1f} s")
        wait_until(lambda: len(receiver.got) >= 4, seconds=30, what="the lifting is told")
        heard = sorted(body["data"]["threshold"] for _, body in receiver.got)
        assert heard == ["100", "50", "80", "lifted"]
        types = {body["data"]["threshold"]: body["type"] for _, body in receiver.got}
        assert (types["100"], types["lifted"]) == ("budget.crossed", "budget.lifted")
        acted = {body["data"]["threshold"]: body["data"]["action"] for _, body in receiver.got}
        assert (acted["80"], acted["100"]) == ("", "hold")
        assert state(house, made["id"]) == "over"
        assert phase(house, "first") == "Running"
    finally:
        clear(house, made)


def test_a_budget_acts_within_a_minute_of_crossing_even_when_a_worker_dies(
    house: House, receiver: Receiver
) -> None:
    house.apply(pod("steady"))
    wait_until(lambda: phase(house, "steady") == "Running", seconds=20, what="it runs")
    made = budget(house, receiver, action="cordon", amount="0.0001")
    crossed = time.monotonic()
    try:
        house.kill("worker")
        house.restart("worker")
        wait_until(lambda: state(house, made["id"]) == "held", seconds=ACTS_WITHIN, what="held")
        wait_until(
            lambda: all(node["unschedulable"] for node in house.nodes()),
            seconds=ACTS_WITHIN,
            what="the nodes are cordoned",
        )
        say(f"acted {time.monotonic() - crossed:.1f} s after the budget was crossed")
        assert time.monotonic() - crossed < ACTS_WITHIN
        assert "SchedulingDisabled" in house.kubectl("get", "nodes", m.NODE)
        assert phase(house, "steady") == "Running"
        house.rest(f"billing/budgets/{made['id']}/lift/", "POST", {})
        wait_until(
            lambda: not any(node["unschedulable"] for node in house.nodes()),
            seconds=15,
            what="the cordons are taken back",
        )
        assert "SchedulingDisabled" not in house.kubectl("get", "nodes", m.NODE)
    finally:
        clear(house, made)
