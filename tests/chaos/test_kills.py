"""kill -9 at the worst moments while pods are being made: nobody pays twice, nothing is lost."""

from __future__ import annotations

import shutil

import pytest

from tests.chaos import manifests as m
from tests.chaos.house import LEASE_SECONDS, House, wait_until
from tests.chaos.witness import LEASE_GAP, Watched, lease_gaps, ledger_rows

pytestmark = pytest.mark.chaos
PODS = 25
SECONDS = 60.0
# The lease of a dead watch process is shorter here than by default.
GAP = LEASE_GAP - (15.0 - LEASE_SECONDS)


def start(house: House, app: str, count: int = PODS) -> Watched:
    watched = Watched(house, app)
    house.apply(*(m.bound(f"{app}-{i}", labels={"app": app}) for i in range(count)))
    return watched


def test_worker_killed_between_intent_and_call(house: House) -> None:
    house.world.fault(action="CreateContainerGroup", code="Throttling.User", times=None)
    watched = start(house, "before")
    wait_until(lambda: ledger_rows(house).get("intent", 0) > 0, seconds=20)
    house.kill("worker")
    house.world.heal()
    assert not watched.instances()
    house.restart("worker")
    watched.wait_running(PODS, seconds=SECONDS)
    watched.unharmed()


def test_worker_killed_after_the_cloud_accepted(house: House) -> None:
    house.world.knobs(answer_ms=4000)
    watched = start(house, "accepted")
    wait_until(lambda: len(watched.instances()) > PODS // 2, seconds=20)
    house.kill("worker")
    made = {i["id"] for i in watched.instances()}
    assert ledger_rows(house)["creating"] >= len(made) // 2
    house.world.heal()
    house.restart("worker")
    watched.wait_running(PODS, seconds=SECONDS)
    watched.unharmed()
    assert made <= {i["id"] for i in watched.instances()}


def test_answers_lost_and_the_worker_killed_again_and_again(house: House) -> None:
    house.world.fault(action="CreateContainerGroup", lost_answer=True, times=10)
    house.world.knobs(latency_ms=100)
    watched = start(house, "storm")
    for made in (3, 14):
        wait_until(lambda: len(watched.instances()) >= made, seconds=40)  # noqa: B023
        house.kill("worker")
        house.restart("worker")
    watched.wait_running(PODS, seconds=SECONDS)
    watched.unharmed()


def test_watch_killed_while_pods_start(house: House) -> None:
    watched = start(house, "unwatched")
    house.kill("watch")
    house.restart("watch")
    watched.wait_running(PODS, seconds=SECONDS)
    wait_until(
        lambda: len(house.rest("pods/?q=unwatched&phase=Running")["results"]) == PODS, seconds=30
    )
    watched.unharmed()
    gaps = lease_gaps(house.world, watched.writes_from)
    assert max(gaps.values()) < GAP


def test_redis_killed_and_empty_while_pods_start(house: House) -> None:
    house.world.knobs(answer_ms=1500)
    watched = start(house, "queueless")
    wait_until(watched.instances, seconds=20)
    house.kill("redis")
    assert "Running" not in watched.phases()
    shutil.rmtree(house.directory / "data" / "redis")
    house.restart("redis")
    watched.wait_running(PODS, seconds=SECONDS)
    watched.unharmed()


def test_everything_killed_at_once_while_pods_start(house: House) -> None:
    house.world.knobs(answer_ms=1500)
    watched = start(house, "blackout")
    wait_until(watched.instances, seconds=20)
    everything = ("worker", "watch", "beat", "web", "redis")
    house.kill(*everything)
    assert "Running" not in watched.phases()
    shutil.rmtree(house.directory / "data" / "redis")
    house.restart(*reversed(everything))
    watched.wait_running(PODS, seconds=SECONDS)
    wait_until(lambda: house.rest("me/"), seconds=20)
    wait_until(
        lambda: len(house.rest("pods/?q=blackout&phase=Running")["results"]) == PODS, seconds=30
    )
    watched.unharmed()
    gaps = lease_gaps(house.world, watched.writes_from)
    assert max(gaps.values()) < GAP
