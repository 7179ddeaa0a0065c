"""kill -9 of real workers in the middle of every step of what is done to components."""

from __future__ import annotations

import logging
import time
import uuid
from collections import Counter
from typing import Any

import pytest

from addons.components.steps import common, hosted, removal, steps_for
from tests.chaos import manifests as m
from tests.chaos.house import wait_until
from tests.chaos.walk import BY, IN, OWN, Going, Walk

log = logging.getLogger(__name__)
pytestmark = pytest.mark.chaos
Json = dict[str, Any]
VK, ACK_NODE, HOSTED = "rbkci-virtual-kubelet", "ack-virtual-node", "hosted-virtual-node"
# Steps that write to the database alone pass in a moment: no knob holds them.
MOMENTS = {common.snapshot, common.record, removal.forget, hosted.apply_nodes}
OLD, NEW = "v2.10.5", "v2.13.0"
WHAT = ("install", "upgrade", "remove")


def kci_values(walk: Walk, **more: Any) -> Json:
    kci = walk.world.facts["clouds"]["kci"]
    return {
        "credential": walk.accounts["ksyun"],
        "KCI_CLUSTER_ID": f"c-{uuid.uuid4().hex[:8]}",
        "KCI_REGION": kci["region"],
        "KCI_SUBNET_ID": kci["subnets"][0]["id"],
        "KCI_SECURITY_GROUP_IDS": kci["security_group_id"],
        "nodename": "virtual-kubelet01",
        **more,
    }


def eci_values(walk: Walk) -> Json:
    eci = walk.world.facts["clouds"]["eci"]
    return {
        "credential": walk.accounts["aliyun"],
        "ECI_REGION": eci["region"],
        "vSwitchIds": eci["vswitches"][0]["id"],
        "securityGroupId": eci["security_group_id"],
    }


def hosted_values(walk: Walk, zones: int) -> Json:
    eci = walk.world.facts["clouds"]["eci"]
    places = [{"zone": one["zone"], "subnet": one["id"]} for one in eci["vswitches"][:zones]]
    group = eci["security_group_id"]
    return {"credential": walk.accounts["aliyun"], "placements": places, "security_group": group}


def prepared(walk: Walk) -> dict[str, Json]:
    """What has to be there before: installed beside each other, nobody is killed."""
    values = {where: kci_values(walk) for where in (f"{IN}-configure", f"{IN}-remove")}
    begun = [walk.install(where, VK, values=given) for where, given in values.items()]
    begun += [
        walk.install(
            f"{IN}-upgrade", ACK_NODE, delivery="in_cluster", values=eci_values(walk), version=OLD
        )
    ]
    begun += [
        walk.install(f"{OWN}-{what}", HOSTED, values=hosted_values(walk, 1))
        for what in ("configure", "remove")
    ]
    begun += [
        walk.install(f"{BY}-{what}", ACK_NODE, delivery="managed", version=OLD)
        for what in ("upgrade", "remove")
    ]
    walk.ended(begun)
    return values


def begun(walk: Walk, values: dict[str, Json]) -> list[Going]:
    other = {**values[f"{IN}-configure"], "KCI_KUBE_PROXY": True}
    return [
        walk.install(f"{IN}-install", VK, values=kci_values(walk)),
        walk.change(f"{IN}-upgrade", ACK_NODE, "upgrade", version=NEW),
        walk.change(f"{IN}-configure", VK, "configure", values=other),
        walk.change(f"{IN}-remove", VK, "uninstall"),
        walk.install(f"{OWN}-install", HOSTED, values=hosted_values(walk, 1)),
        walk.change(f"{OWN}-configure", HOSTED, "configure", values=hosted_values(walk, 2)),
        walk.change(f"{OWN}-remove", HOSTED, "uninstall"),
        walk.install(f"{BY}-install", ACK_NODE, delivery="managed", version=OLD),
        walk.change(f"{BY}-upgrade", ACK_NODE, "upgrade", version=NEW),
        walk.change(f"{BY}-remove", ACK_NODE, "uninstall"),
    ]


def functions(going: Going) -> dict[str, Any]:
    """Step -> what it runs; several operations share most of theirs."""
    delivery = {IN: "in_cluster", OWN: "hosted", BY: "managed"}[going.cluster.rpartition("-")[0]]
    what = going.cluster.rpartition("-")[2]
    action = "uninstall" if what == "remove" else what
    return dict(steps_for({"action": action, "delivery": delivery}))


def running(walk: Walk) -> list[Json]:
    """Every instance whose bill goes on, at either cloud."""
    found = [one for cloud in ("eci", "kci") for one in walk.world.get(f"/{cloud}/instances")]
    return [one for one in found if one["deleted_at"] is None and one["ended_at"] is None]


def pods_at_work(walk: Walk) -> None:
    """On nodes that will be removed: something to drain, instances to delete."""
    for cluster in (f"{IN}-remove", f"{OWN}-remove"):
        nodes = walk.house.kubectl(
            "get", "no", "-l", "type=virtual-kubelet", "-o", "name", cluster=cluster
        )
        walk.house.apply(m.bound("at-work", nodes.strip().removeprefix("node/")), cluster=cluster)
    wait_until(lambda: len(running(walk)) == 2, seconds=30, what="both pods run")


def test_workers_killed_in_every_step_do_everything_once(walk: Walk) -> None:
    values = prepared(walk)
    pods_at_work(walk)
    walk.world.knobs(latency_ms=0)
    began = time.monotonic()
    going = walk.kill_at_every_step(lambda: begun(walk, values), seconds=480)
    took = time.monotonic() - began

    hit = {functions(one)[step] for one in going for step in one.hit}
    every = {function for one in going for function in functions(one).values()}
    log.info("%s kills in %.0f s hit %s of %s steps", walk.kills, took, len(hit), len(every))
    for one in going:
        log.info("%s: %s", one.cluster, " ".join(sorted(one.hit)))
    assert every - hit <= MOMENTS, every - hit - MOMENTS

    walk.ended(going)
    for one in going:
        often = {what: n for what, n in walk.made(one).items() if n > 1}
        assert often == {}, one.cluster
    assert walk.asked("InstallClusterAddons") == dict.fromkeys([f"{BY}-{x}" for x in WHAT], 1)
    assert walk.asked("UpgradeClusterAddons") == {f"{BY}-upgrade": 1}
    assert walk.asked("UnInstallClusterAddons") == {f"{BY}-remove": 1}
    for one in going:
        found = [(row["state"], row["reason"], row["drifted"]) for row in walk.rows(one.cluster)]
        there = [] if one.cluster.endswith("remove") else [("installed", "", 0)]
        assert found == there
        sent = {} if one.cluster.endswith("remove") else {one.pk: 1}
        assert canaries(walk, one) == sent
    wait_until(lambda: running(walk) == [], seconds=30, what="nothing is billed")


def canaries(walk: Walk, going: Going) -> dict[int, int]:
    """Operation -> how many canary pods it sent."""
    made = {
        (one["name"], one["uid"])
        for one in walk.history(going.cluster, going.since)
        if one["resource"] == "pods" and one["name"].startswith("spillway-canary-")
    }
    return Counter(int(name.rpartition("-")[2]) for name, _uid in made)
