"""A cloud and a cluster that lie, refuse and fall silent: nothing is deleted, the page says why."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.chaos import manifests as m
from tests.chaos.house import House, wait_until
from tests.chaos.witness import Watched

pytestmark = pytest.mark.chaos
ZONE_K, ZONE_J = "cn-hangzhou-k", "cn-hangzhou-j"
# More than one page of DescribeContainerGroups, which holds twenty.
CALM = 24


def start(house: House, app: str, count: int = 1, **more: Any) -> Watched:
    watched = Watched(house, app)
    house.apply(*(m.bound(f"{app}-{i}", labels={"app": app}, **more) for i in range(count)))
    return watched


def blockers(watched: Watched) -> list[str]:
    """The console's sentences why the pods of the app are not further on."""
    rows = [watched.house.row(uid) for uid in watched.uids()]
    return [row["blocker"] for row in rows if row]


def waits_because(watched: Watched, *words: str, seconds: float = 20.0) -> None:
    said: list[str] = []

    def told() -> bool:
        said[:] = blockers(watched)
        return any(all(word in one for word in words) for one in said)

    try:
        wait_until(told, seconds=seconds)
    except AssertionError as error:
        raise AssertionError(f"{words} not among {said}") from error


def say(text: str) -> None:
    """A measured figure, shown with `-rA` or `-s`."""
    sys.stdout.write(f"\n{text}\n")


def lists(house: House, since: int) -> int:
    return len(house.world.calls("DescribeContainerGroups", since))


def taints(house: House) -> list[str]:
    node = json.loads(house.kubectl("get", "node", m.NODE, "-o", "json"))
    return [taint["key"] for taint in node["spec"]["taints"]]


def test_lists_that_lie_and_keys_that_end_delete_nothing(house: House) -> None:
    calm = start(house, "calm", CALM)
    calm.wait_running(CALM, seconds=30)
    since, _ = house.world.now()
    house.world.key(permission=False)
    poor = start(house, "poor")
    waits_because(poor, "The cloud account does not let us")
    wait_until(lambda: lists(house, since) >= 3, seconds=30, what="three lists are empty")
    assert "spillway.io/cloud-unavailable" in wait_until(
        lambda: [key for key in taints(house) if key.startswith("spillway.io")], seconds=15
    )
    assert house.rest("credentials/")["results"][0]["trouble"]
    house.world.key(permission=True, disabled=True)
    gone = start(house, "revoked")
    waits_because(gone, "The cloud account does not let us")
    assert "NotReady" not in house.kubectl("get", "nodes")
    house.world.key(disabled=False)
    house.world.fault(action="DescribeContainerGroups", fail_page=2, times=4)
    wait_until(lambda: house.world.get("/eci/faults")[0]["hits"] >= 2, seconds=45)
    for late in (poor, gone):
        late.wait_running(1, seconds=60)
    wait_until(lambda: taints(house) == ["virtual-kubelet.io/provider"], seconds=20)
    assert not house.world.calls("DeleteContainerGroup", since)
    calm.unharmed()


def test_a_throttled_burst_runs_once_the_cloud_lets_it(house: House) -> None:
    house.world.fault(action="CreateContainerGroup", code="Throttling.User", times=15)
    burst = start(house, "burst", 10)
    waits_because(burst, "The cloud limits our calls")
    burst.wait_running(10, seconds=45)
    burst.unharmed()


def test_without_stock_in_the_first_zone_the_second_is_used(house: House) -> None:
    house.world.knobs(stock={ZONE_K: False})
    moved = start(house, "moved", 3)
    moved.wait_running(3, seconds=30)
    assert {i["zone"] for i in moved.instances()} == {ZONE_J}
    moved.unharmed()


def test_without_stock_anywhere_the_pod_waits_and_says_so(house: House) -> None:
    house.world.knobs(stock={ZONE_K: False, ZONE_J: False})
    big = m.container(cpu="4")
    hungry = start(house, "hungry", 1, containers=[big])
    waits_because(hungry, "No stock of 4", ZONE_K, ZONE_J)
    assert hungry.phases() == ["Pending"]
    assert not [i for i in hungry.made() if i["billed_from"]]


def test_a_cluster_that_is_down_loses_nothing(house: House) -> None:
    kept = start(house, "kept", 5)
    kept.wait_running(5, seconds=30)
    since, _ = house.world.now()
    house.world.cluster_faults(down=True)
    cluster = wait_until(lambda: clusters(house, lambda c: c["state"] != "connected"), seconds=40)
    assert cluster["reason"]
    house.world.cluster_faults(down=False)
    healed = time.monotonic()
    fresh = start(house, "fresh", 2)
    fresh.wait_running(2, seconds=60)
    say(f"running again {time.monotonic() - healed:.1f} s after the cluster came back")
    wait_until(lambda: clusters(house, lambda c: c["state"] == "connected"), seconds=40)
    assert not house.world.calls("DeleteContainerGroup", since)
    kept.unharmed()


def clusters(house: House, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any] | None:
    (cluster,) = house.rest("clusters/")["results"]
    return cluster if wanted(cluster) else None


def test_pods_are_seen_though_watches_are_silent_and_versions_forgotten(house: House) -> None:
    old = start(house, "old", 3)
    old.wait_running(3, seconds=30)
    house.world.cluster_faults(watch_stall=True)
    unseen = start(house, "unseen", 2)
    # Cut the silent streams; every watch after that is told that its version is forgotten.
    house.world.cluster_faults(gone=True, down=True)
    wait_until(lambda: "cluster API failed" in house.log("watch").read_text(), seconds=20)
    house.world.cluster_faults(down=False)
    started = time.monotonic()
    unseen.wait_running(2, seconds=60)
    say(f"running {time.monotonic() - started:.1f} s later, seen by lists alone")
    house.world.cluster_faults(gone=False, watch_stall=False)
    wait_until(lambda: len(house.rest("pods/?q=unseen&phase=Running")["results"]) == 2, seconds=45)
    old.unharmed()
    unseen.unharmed()


def test_a_change_is_in_rest_within_a_second(house: House) -> None:
    """From the API server's own time of each phase to the row of the console."""
    watched = start(house, "prompt", 5)
    seen: dict[tuple[str, str], float] = {}
    end = time.monotonic() + 30
    while len([key for key in seen if key[1] == "Running"]) < 5:
        assert time.monotonic() < end
        for row in house.rest("pods/?q=prompt")["results"]:
            seen.setdefault((row["uid"], row["status"]), time.time())
    late = []
    for write in house.world.history(watched.writes_from):
        if write["resource"] == "pods" and write["phase"] == "Running":
            late.append(seen.pop((write["uid"], "Running"), 0.0) - write["time"])
    shown = sorted(late)[-5:]
    say(f"API event to REST row, slowest of five: {max(shown) * 1000:.0f} ms")
    assert 0 < max(shown) < 1.0


def test_a_burst_beyond_the_limit_runs_at_its_rate_and_holds_nobody_up(house: House) -> None:
    """A hundred creates at once, then 1,000 a minute: the least that the cloud allows."""
    count, per_second = 200, 1000 / 60
    since = house.world.now()[1]
    burst = start(house, "many", count)
    burst.wait_running(count, seconds=60)
    writes = [w for w in house.world.history(since) if w["name"].startswith("many-")]
    begun = min(w["time"] for w in writes if w["verb"] == "create")
    running: dict[str, float] = {}
    for write in writes:
        if write["phase"] == "Running":
            running.setdefault(write["uid"], write["time"] - begun)
    times = sorted(running.values())
    say(f"of {count} pods the 50th ran after {times[49]:.1f} s, all after {times[-1]:.1f} s")
    assert times[49] < times[-1] - 2.0
    # The tests before this one may have used up the burst.
    assert times[-1] < 2 * count / per_second
    calls = house.world.calls("CreateContainerGroup", burst.calls_from)
    assert not [call for call in calls if call["code"]]
