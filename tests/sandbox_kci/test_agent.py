"""Cluster mode: the agent in the instance and a simulated API server."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from ksyun.client.kci.v20200702 import models as kci

from sandbox.cluster.cluster import Cluster

SPEC = {
    "restartPolicy": "Never",
    "nodeName": "virtual-kubelet",
    "containers": [
        {
            "name": "main",
            "image": "busybox",
            "command": ["sh", "-c", "echo $GREETING; sleep 1000"],
            "env": [{"name": "GREETING", "value": "hello"}],
        },
        {"name": "side", "image": "nginx"},
    ],
}


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    made = Cluster("kce", controllers=False)
    await made.start()
    yield made
    await made.stop()


async def pod_of(cluster, name="web-1"):
    return await cluster.client.get("pods", name, "default")


async def wait_for(cluster, check, seconds=5.0):
    """Wait until a condition is true of the pod's container statuses; return them by name."""
    deadline = time.monotonic() + seconds
    while True:
        status = (await pod_of(cluster))["status"]
        told = {each["name"]: each for each in status.get("containerStatuses", [])}
        if told and check(told):
            return told
        assert time.monotonic() < deadline, (status, told)
        await asyncio.sleep(0.01)


async def begin(wire, cluster, kubeconfig):
    pod = {"metadata": {"name": "web-1", "namespace": "default"}, "spec": SPEC}
    await cluster.client.create("pods", pod, "default")
    labels = {"cluster-id": "c-1", "namespace": "default", "pod-name": "web-1"}
    wanted = wire.wanted(
        KubeConfig=kubeconfig,
        ClusterDns="10.254.0.10",
        ClusterDomain="cluster.local",
        Container=None,
        Label=[{"Key": key, "Value": value} for key, value in labels.items()],
    )
    answer = await wire.call(kci.CreateContainerGroupRequest, wanted)
    return wire.cloud.groups[answer["ContainerGroupId"]]


async def test_the_agent_runs_the_pod_of_its_labels_and_reports_every_change(wire, cluster):
    group = await begin(wire, cluster, cluster.kubeconfig(token=True))
    told = await wait_for(cluster, lambda told: all(t["ready"] for t in told.values()))
    assert set(told) == {"main", "side"}
    assert "running" in told["main"]["state"]
    assert told["main"]["containerID"].startswith("containerd://")
    asked = {"ContainerGroupId": group.id, "ContainerName": "main"}
    assert (await wire.call(kci.DescribeContainerLogRequest, asked))["Content"] == "hello\n"
    (shown,) = (await wire.call(kci.DescribeContainerGroupRequest))["ContainerGroups"]
    assert (shown["Status"], "Containers" in shown) == ("Running", False)
    wire.cloud.lifecycle.crash(group, wire.clock(), "main", "OOMKilled", 137)
    wire.cloud.settle(group)
    told = await wait_for(cluster, lambda told: "terminated" in told["main"]["state"])
    assert told["main"]["state"]["terminated"]["reason"] == "OOMKilled"
    wire.cloud.lifecycle.kill(group, wire.clock(), "Evicted", 1)
    wire.cloud.settle(group)
    told = await wait_for(cluster, lambda told: "terminated" in told["side"]["state"])
    assert told["side"]["state"]["terminated"]["exitCode"] == 1


async def test_without_a_way_to_the_cluster_the_machine_runs_and_events_say_so(wire, cluster):
    group = await begin(wire, cluster, "apiVersion: v1")
    deadline = time.monotonic() + 5
    while not any(event.reason == "AgentOutOfReach" for event in group.events):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
    assert group.status == "Running"
    assert "containerStatuses" not in (await pod_of(cluster))["status"]
