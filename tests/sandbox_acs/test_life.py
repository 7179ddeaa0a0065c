"""Instances in time: bills, evictions, restarts, and the control API."""

from __future__ import annotations

import asyncio
import random
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from sandbox.clouds.acs import meter
from sandbox.clouds.acs.cloud import AcsCloud
from sandbox.clouds.acs.control import AcsControl
from sandbox.clouds.acs.extension import AcsCluster
from sandbox.clouds.acs.model import Instance
from sandbox.cluster.cluster import Cluster
from sandbox.cluster.controllers.config import Config
from sandbox.control import ControlServer

from .conftest import CLASS, QOS, QUICK, Acs, pod, wait_until


def instance(**changes: Any) -> Instance:
    names = "id cluster namespace pod uid node zone vswitch_id eni_id ip client_token request_id"
    made = Instance(
        seq=1,
        compute_class="general-purpose",
        qos="default",
        cpu="2",
        memory="4",
        storage=30,
        created_at=1000.9,
        billed_from=1000.9,
        **dict.fromkeys(names.split(), "x"),
    )
    return msgspec.structs.replace(made, **changes)


@pytest.mark.parametrize(
    ("changes", "hourly"),
    [
        # ACS billing page: 2 vCPU and 4 GiB cost about 0.24 CNY an hour, best-effort 0.048.
        ({}, Decimal("0.240192")),
        ({"qos": "best-effort"}, Decimal("0.047808")),
        ({"compute_class": "performance"}, Decimal("0.312192")),
        ({"storage": 40}, Decimal("0.261192")),
        ({"compute_class": "gpu"}, None),
    ],
)
def test_an_hour_costs_what_the_billing_page_says(
    changes: dict[str, Any], hourly: Decimal | None
) -> None:
    made = instance(ended_at=4600.2, **changes)
    assert meter.billed_seconds(made, 9e9) == 3600
    assert meter.cost(made, 9e9) == hourly


def test_a_bill_ends_with_the_run_not_with_the_pod() -> None:
    made = instance(ended_at=1010.0, deleted_at=2000.0)
    assert meter.billed_seconds(made, 9e9) == 10
    assert meter.billed_seconds(instance(deleted_at=1001.1), 9e9) == 1
    assert meter.billed_seconds(instance(), 1003.0) == 3


def test_a_best_effort_instance_is_warned_and_then_evicted(acs: Acs) -> None:
    acs.create("cheap", labels={QOS: "best-effort"})
    acs.phase("cheap", "Running")
    made = acs.instance("cheap")
    evictions = acs.cloud.clusters["served"].evictions
    assert evictions is not None
    acs.run(evictions.announce(made, 300.0))
    assert acs.events("cheap")["SpotToBeReleased"] == "Spot ACS will be released in 5 minutes"
    assert acs.pod("cheap")["status"]["phase"] == "Running"
    acs.run(evictions.announce(made, 0.2))
    status = acs.phase("cheap", "Failed")["status"]
    assert (status["reason"], made.status, made.reason) == ("Evicted", "Failed", "Evicted")
    ended = status["containerStatuses"][0]["state"]["terminated"]
    assert ended["exitCode"] == 137
    assert not made.alive
    assert "Reason:           Evicted" in acs.kubectl("describe", "pod", "cheap")


async def test_the_control_api_shows_bends_and_evicts(tmp_path: Path) -> None:
    cloud = AcsCloud.kept_in(tmp_path, now=time.time, rng=random.Random(2))
    cluster = Cluster(
        "acs-test",
        config=Config(nodes=(), coredns_replicas=0),
        extensions=[AcsCluster(cloud, "acs-test", "v1.36.1-aliyun.1")],
    )
    server = ControlServer()
    server.app.add_routes(AcsControl(cloud).routes())
    await cluster.start()
    await server.start("127.0.0.1", 0)
    try:
        async with aiohttp.ClientSession(server.url) as http:
            await drive(cluster, http)
    finally:
        await server.stop()
        await cluster.stop()
        await cloud.stop()


async def drive(cluster: Cluster, http: aiohttp.ClientSession) -> None:
    async with http.put("/acs/knobs", json={**QUICK, "notice_seconds": 0.1}) as answer:
        assert (await answer.json())["pull_seconds"] == QUICK["pull_seconds"]
    async with http.put("/acs/knobs", json={"unknown": 1}) as answer:
        assert answer.status == 400
    labels = {QOS: "best-effort", CLASS: "performance"}
    for name, given in (("cheap", labels), ("dear", {})):
        await cluster.client.create("pods", pod(name, labels=given), "default")
    rows: list[Any] = []
    async with asyncio.timeout(10):
        while [row["status"] for row in rows] != ["Running", "Running"]:
            async with http.get("/acs/instances") as answer:
                rows = await answer.json()
    cheap, dear = sorted(rows, key=lambda row: row["pod"])
    assert (cheap["compute_class"], cheap["spec"], cheap["billed_to"]) == (
        "performance",
        "2-4Gi",
        None,
    )
    async with http.post(f"/acs/instances/{dear['id']}/evict") as answer:
        assert answer.status == 409
    async with http.post(f"/acs/instances/{cheap['id']}/evict") as answer:
        assert (await answer.json())["evict_at"]
    async with http.post(f"/acs/instances/{dear['id']}/die", json={"reason": "Broken"}) as answer:
        assert (await answer.json())["status"] == "Failed"
    async with asyncio.timeout(10):
        while cluster.client.look("pods", "cheap", "default")["status"]["phase"] != "Failed":
            await asyncio.sleep(0.01)
    async with http.post(f"/acs/instances/{dear['id']}/die") as answer:
        assert answer.status == 409
    async with http.get("/acs/calls?action=CreateInstance") as answer:
        assert [line["pod"] for line in await answer.json()] == ["cheap", "dear"]
    async with http.get("/acs/instances") as answer:
        ends = [(row["reason"], bool(row["billed_to"])) for row in await answer.json()]
    assert ends == [("Evicted", True), ("Broken", True)]


async def run_until(cluster: Cluster, phase: str) -> dict[str, Any]:
    async with asyncio.timeout(10):
        while True:
            found = cluster.client.look("pods", "kept", "default")
            if found and found["status"]["phase"] == phase:
                return found
            await asyncio.sleep(0.01)


async def test_an_instance_outlives_a_restart_of_the_world(tmp_path: Path) -> None:
    seen = []
    for start in range(2):
        cloud = AcsCloud.kept_in(tmp_path, now=time.time, rng=random.Random(start))
        cloud.turn(cloud.knobs.updated(QUICK))
        (tmp_path / "cluster").mkdir(exist_ok=True)
        cluster = Cluster(
            "acs-test",
            state_dir=tmp_path / "cluster",
            config=Config(nodes=(), coredns_replicas=0),
            extensions=[AcsCluster(cloud, "acs-test", "v1.36.1-aliyun.1")],
        )
        await cluster.start()
        if not start:
            await cluster.client.create("pods", pod("kept"), "default")
        found = await run_until(cluster, "Running")
        seen.append((found["metadata"]["annotations"], found["status"]["podIP"]))
        assert [i.alive for i in cloud.instances.values()] == [True]
        taken = {ip for v in cloud.network.vswitches.values() for ip in v.taken}
        assert taken == {found["status"]["podIP"]}
        if start:
            await cluster.client.delete("pods", "kept", "default", grace_seconds=0)
            assert not list(cloud.living())
        await cluster.stop()
        await cloud.stop()
    assert seen[0] == seen[1]


def test_reset_forgets_what_ended_and_keeps_what_lives(acs: Acs) -> None:
    acs.create("over", image="busybox", command=["true"], restartPolicy="Never")
    acs.phase("over", "Succeeded")
    acs.create("on")
    acs.phase("on", "Running")
    acs.call(acs.cloud.reset)
    assert [i.pod for i in acs.cloud.instances.values()] == ["on"]
    acs.core.delete_namespaced_pod("on", "default", grace_period_seconds=0)
    wait_until(lambda: acs.instance("on").deleted_at)
