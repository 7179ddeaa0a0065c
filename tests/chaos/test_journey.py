"""What a platform team does in the first hour, with kubectl and REST, on real processes."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.chaos import manifests as m
from tests.chaos.house import House, wait_until

pytestmark = pytest.mark.chaos


def phases(house: House, app: str) -> list[str]:
    return [pod["status"]["phase"] for pod in house.pods(app)]


def all_run(house: House, app: str, count: int) -> bool:
    return phases(house, app) == ["Running"] * count


def test_virtual_nodes_are_ready_with_the_labels_and_taint_of_the_vendor(house: House) -> None:
    for node in json.loads(house.kubectl("get", "nodes", "-o", "json", "-l", "type"))["items"]:
        name, zone = node["metadata"]["name"], node["metadata"]["name"][-13:]
        wanted = {
            "kubernetes.io/arch": "amd64",
            "kubernetes.io/hostname": name,
            "kubernetes.io/os": "linux",
            "kubernetes.io/role": "agent",
            "service.alibabacloud.com/exclude-node": "true",
            "topology.diskplugin.csi.alibabacloud.com/zone": zone,
            "topology.kubernetes.io/region": "cn-hangzhou",
            "topology.kubernetes.io/zone": zone,
            "type": "virtual-kubelet",
        }
        labels = node["metadata"]["labels"]
        assert wanted.items() <= labels.items()
        taint = {
            "key": "virtual-kubelet.io/provider",
            "value": "alibabacloud",
            "effect": "NoSchedule",
        }
        assert node["spec"]["taints"] == [taint]
    table = house.kubectl("get", "nodes")
    assert re.search(r"virtual-kubelet-cn-hangzhou-j +Ready +agent ", table), table
    assert re.search(r"virtual-kubelet-cn-hangzhou-k +Ready +agent ", table), table


def test_a_deployment_runs_scales_and_leaves_nothing_billed(house: House) -> None:
    containers = [m.container(cpu="2")]
    containers[0]["resources"] = {k: {"cpu": "2"} for k in ("requests", "limits")}
    house.apply(m.deployment("nginx", 2, containers=containers))
    wait_until(lambda: all_run(house, "nginx", 2), seconds=20)
    for pod in house.pods("nginx"):
        check_written_back(house, pod)
    house.kubectl("scale", "deployment", "nginx", "--replicas", "4")
    wait_until(lambda: all_run(house, "nginx", 4), seconds=20)
    addresses = {pod["status"]["podIP"] for pod in house.pods("nginx")}
    assert len(addresses) == 4
    house.kubectl("rollout", "status", "deployment", "nginx", "--timeout", "10s")
    house.kubectl("delete", "deployment", "nginx")
    wait_until(lambda: not house.world.running("nginx"), seconds=30)
    wait_until(lambda: not house.pods("nginx"), seconds=30)


def check_written_back(house: House, pod: dict[str, Any]) -> None:
    """Walkthrough J1, step 5, as ECI spells it."""
    (instance,) = house.world.billed(pod["metadata"]["uid"])
    written = pod["metadata"]["annotations"]
    node = pod["spec"]["nodeName"]
    wanted = {
        "ProviderCreate": "done",
        "k8s.aliyun.com/eci-instance-id": instance["id"],
        "alibabacloud.com/pod-ephemeral-storage": "30Gi",
        "alibabacloud.com/pod-use-spec": "2-4Gi",
        "alibabacloud.com/schedule-result": "finished",
        "kubernetes.io/preferred-scheduling-node": f"{node}/1",
        "kubernetes.io/resource-type": "serverless",
    }
    assert wanted.items() <= written.items(), written
    assert written["k8s.aliyun.com/eci-request-id"]
    assert (instance["cpu"], instance["memory"]) == (2, 4)
    row = house.row(pod["metadata"]["uid"])
    assert row is not None
    assert (row["status"], row["ip"], row["instance_id"], row["spec"]) == (
        "Running",
        pod["status"]["podIP"],
        instance["id"],
        "2 / 4Gi",
    )


def test_a_pod_that_names_its_node_runs_there(house: House) -> None:
    house.apply(m.bound("direct", "virtual-kubelet-cn-hangzhou-j"))
    wait_until(lambda: all_run(house, "direct", 1), seconds=20)
    (pod,) = house.pods("direct")
    assert house.world.billed(pod["metadata"]["uid"])[0]["zone"] == "cn-hangzhou-j"
    assert "direct" in house.kubectl("get", "pods", "-o", "wide")


def test_jobs_complete_and_fail_by_their_exit_codes(house: House) -> None:
    house.apply(
        m.job("good", ["sh", "-c", "echo hello; exit 0"], completions=2),
        m.job("bad", ["sh", "-c", "echo broken; exit 3"]),
    )
    wait_until(lambda: sorted(phases(house, "good")) == ["Succeeded"] * 2, seconds=30)
    wait_until(lambda: phases(house, "bad") == ["Failed"], seconds=30)
    (bad,) = house.pods("bad")
    assert bad["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 3
    wait = ("wait", "--timeout", "20s")
    house.kubectl(*wait, "--for", "condition=Complete", "job/good")
    house.kubectl(*wait, "--for", "condition=Failed", "job/bad")
    for name in ("good", "bad"):
        wait_until(lambda: not house.world.running(name), seconds=30)  # noqa: B023


def test_configmaps_and_secrets_reach_the_instance_and_a_missing_one_is_waited_for(
    house: House,
) -> None:
    sources = [{"configMapRef": {"name": "settings"}}, {"secretRef": {"name": "keys"}}]
    command = ["sh", "-c", "echo color=$COLOR code=$CODE; sleep 600"]
    reader = m.container("busybox", command=command, envFrom=sources)
    house.apply(m.bound("reader", containers=[reader]))
    wait_until(lambda: "settings" in waits_for(house, "reader"), seconds=20)
    house.kubectl("create", "configmap", "settings", "--from-literal=COLOR=blue")
    house.kubectl("create", "secret", "generic", "keys", "--from-literal=CODE=sesame")
    wait_until(lambda: all_run(house, "reader", 1), seconds=25)
    (pod,) = house.pods("reader")
    row = house.row(pod["metadata"]["uid"])
    assert row is not None
    wait_until(
        lambda: (
            "color=blue code=sesame" in house.rest(f"pods/{row['id']}/logs/?container=main")["text"]
        ),
        seconds=15,
    )


def waits_for(house: House, app: str) -> str:
    """The console's sentence why the one pod of the app is not further on."""
    rows = [house.row(pod["metadata"]["uid"]) for pod in house.pods(app)]
    return " ".join(row["blocker"] for row in rows if row)


def test_a_node_is_removed_by_an_operation_and_added_again(house: House) -> None:
    name = "virtual-kubelet-cn-hangzhou-j"
    house.apply(m.bound("tenant", name))
    wait_until(lambda: all_run(house, "tenant", 1), seconds=20)
    node = next(node for node in house.nodes() if node["name"] == name)
    asked = house.rest(f"nodes/{node['id']}/", "DELETE", {"instances": "delete"})
    wait_until(lambda: operation(house, asked)["state"] == "succeeded", seconds=60)
    assert name not in house.kubectl("get", "nodes")
    assert not house.pods("tenant")
    assert not house.world.running("tenant")
    house.filler.fill()
    assert name in house.kubectl("get", "nodes")


def operation(house: House, asked: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = house.rest(f"operations/{asked['id']}/")
    return found
