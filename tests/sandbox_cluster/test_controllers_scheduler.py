"""Where pods go, and what is said when they can go nowhere."""

import time

from sandbox.cluster.controllers.scheduling.filters import covers
from tests.sandbox_cluster.controllers_world import VIRTUAL, deployment, node_config, pod, world


def why(w, name):
    found = w.look("pods", name)["status"].get("conditions", [])
    return next((c.get("message", "") for c in found if c["type"] == "PodScheduled"), "")


async def test_the_refusal_counts_nodes_by_reason_in_the_real_words():
    async with world(node_config(1), node_config(2)) as w:
        await w.register_virtual_node()
        body = pod("big")
        body["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "100"}}
        await w.client.create("pods", body)
        await w.until(lambda: why(w, "big"))
        assert why(w, "big") == (
            "0/3 nodes are available: 1 node(s) had untolerated taint "
            "{virtual-kubelet.io/provider: alibabacloud}, 2 Insufficient cpu. preemption: 0/3 "
            "nodes are available: 3 Preemption is not helpful for scheduling."
        )
        assert "FailedScheduling" in w.reasons("big")


async def test_a_full_node_leaves_room_for_preemption_in_the_message():
    async with world(node_config(1)) as w:
        await w.client.create("deployments.apps", deployment(replicas=3, cpu="2"))
        await w.until(lambda: len(w.pods("Running")) == 2)
        (left,) = w.pods("Pending")
        await w.until(lambda: why(w, left["metadata"]["name"]))
        assert why(w, left["metadata"]["name"]) == (
            "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: "
            "1 No preemption victims found for incoming pod."
        )


async def test_a_waiting_pod_is_bound_as_soon_as_room_appears():
    async with world(node_config(1)) as w:
        for name in ("first", "second"):
            body = pod(name)
            body["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "4"}}
            await w.client.create("pods", body)
            await w.pass_time(5)
        assert "Insufficient cpu" in why(w, "second")
        await w.client.delete("pods", "first", "default")
        await w.until(lambda: w.look("pods", "second")["status"]["phase"] == "Running", within=15)


async def test_pods_of_another_scheduler_are_left_alone():
    async with world() as w:
        await w.client.create("pods", pod("mine", schedulerName="ack-co-scheduler"))
        await w.pass_time(30)
        made = w.look("pods", "mine")
        assert "nodeName" not in made["spec"]
        assert not w.reasons("mine")


async def test_selector_and_toleration_lead_to_the_virtual_node_only():
    async with world() as w:
        await w.register_virtual_node()
        await w.client.create("deployments.apps", deployment(replicas=2, **VIRTUAL))
        await w.until(lambda: {p["spec"].get("nodeName") for p in w.pods()} != {None})
        await w.pass_time(10)
        assert {p["spec"]["nodeName"] for p in w.pods()} == {"virtual-kubelet-cn-hangzhou-k"}
        assert {p["status"]["phase"] for p in w.pods()} == {"Pending"}
        assert not any(p["status"].get("startTime") for p in w.pods())


async def test_a_cordoned_node_takes_nothing_until_it_is_uncordoned():
    async with world(node_config(1)) as w:
        await w.patch("nodes", "idc-1", {"spec": {"unschedulable": True}}, None)
        await w.client.create("pods", pod("late"))
        await w.until(lambda: "1 node(s) were unschedulable" in why(w, "late"))
        keys = {t["key"] for t in w.look("nodes", "idc-1", None)["spec"]["taints"]}
        assert keys == {"node.kubernetes.io/unschedulable"}
        await w.patch("nodes", "idc-1", {"spec": {"unschedulable": False}}, None)
        await w.until(lambda: w.pods("Running"))
        assert not w.look("nodes", "idc-1", None)["spec"].get("taints")


async def test_required_anti_affinity_puts_one_pod_on_each_node():
    term = {
        "labelSelector": {"matchLabels": {"app": "nginx"}},
        "topologyKey": "kubernetes.io/hostname",
    }
    affinity = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    async with world(node_config(1), node_config(2)) as w:
        await w.client.create("deployments.apps", deployment(replicas=3, affinity=affinity))
        await w.until(lambda: len(w.pods("Running")) == 2)
        (left,) = w.pods("Pending")
        await w.until(lambda: "anti-affinity rules" in why(w, left["metadata"]["name"]))
        assert {p["spec"]["nodeName"] for p in w.pods("Running")} == {"idc-1", "idc-2"}


async def test_extended_resources_and_preferred_affinity_are_weighed():
    plain, gpu = node_config(1), node_config(2)
    gpu = type(gpu)(
        name=gpu.name, address=gpu.address, pod_cidr=gpu.pod_cidr,
        capacity={**gpu.capacity, "nvidia.com/gpu": "1"}, labels={"disk": "ssd"},
    )  # fmt: skip
    preference = {"matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd"]}]}
    affinity = {
        "nodeAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [
                {"weight": 100, "preference": preference}
            ]
        }
    }
    async with world(plain, gpu) as w:
        for number in (1, 2):
            body = pod(f"gpu-{number}")
            body["spec"]["containers"][0]["resources"] = {"limits": {"nvidia.com/gpu": "1"}}
            await w.client.create("pods", body)
            await w.settle()
        await w.client.create("pods", pod("ssd", affinity=affinity))
        await w.until(lambda: len(w.pods("Running")) == 2)
        assert w.look("pods", "gpu-1")["spec"]["nodeName"] == "idc-2"
        assert "2 Insufficient nvidia.com/gpu" in why(w, "gpu-2")
        assert w.look("pods", "ssd")["spec"]["nodeName"] == "idc-2"


async def test_a_thousand_pods_are_bound_within_seconds():
    async with world() as w:
        await w.register_virtual_node()
        await w.client.create("deployments.apps", deployment(replicas=1000, cpu="1", **VIRTUAL))
        began = time.monotonic()
        await w.until(lambda: len(w.pods()) == 1000)
        await w.until(lambda: all(p["spec"].get("nodeName") for p in w.pods()))
        assert time.monotonic() - began < 20


def test_a_toleration_covers_a_taint_as_core_v1_defines():
    taint = {"key": "k", "value": "v", "effect": "NoSchedule"}
    assert covers({"operator": "Exists"}, taint)
    assert covers({"key": "k", "operator": "Exists"}, taint)
    assert covers({"key": "k", "value": "v"}, taint)
    assert not covers({"key": "k", "value": "other"}, taint)
    assert not covers({"key": "k", "operator": "Exists", "effect": "NoExecute"}, taint)
    assert not covers({"value": "v"}, taint)
