"""The walkthroughs of three clouds, on real processes: ACS beside ECI, KCI, a GPU job."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from sandbox.demo.scene import MANIFESTS
from tests.chaos import manifests as m
from tests.chaos.house import House, wait_until

pytestmark = pytest.mark.chaos
Json = dict[str, Any]
ACK, IDC, KCE = "ack-hangzhou", "idc-zhangjiakou", "kce-beijing"
UUID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
J1_ANNOTATIONS = {
    "ProviderCreate": "done",
    "alibabacloud.com/client-token": UUID,
    "alibabacloud.com/instance-id": "acs-[a-z0-9]{20}",
    "alibabacloud.com/pod-ephemeral-storage": "30Gi",
    "alibabacloud.com/pod-use-spec": "2-4Gi",
    "alibabacloud.com/request-id": UUID,
    "alibabacloud.com/schedule-result": "finished",
    "alibabacloud.com/user-id": "[0-9]+",
    "kubernetes.io/preferred-scheduling-node": "virtual-kubelet-cn-hangzhou-[jk]/1",
    "kubernetes.io/resource-type": "serverless",
}


def apply(house: House, cluster: str, manifest: str) -> None:
    house.kubectl("apply", "-f", str(MANIFESTS / manifest), cluster=cluster)


def running(house: House, cluster: str, app: str, count: int) -> bool:
    phases = [pod["status"]["phase"] for pod in house.pods(app, cluster=cluster)]
    return phases == ["Running"] * count


def zones(pods: list[Json]) -> set[str]:
    return {pod["spec"]["nodeName"].rpartition("-")[2] for pod in pods}


def test_acs_and_eci_serve_the_same_virtual_nodes_in_both_zones(clouds: House) -> None:
    apply(clouds, ACK, "ack.yaml")
    wait_until(lambda: running(clouds, ACK, "nginx", 2), seconds=60, what="nginx runs")
    wait_until(lambda: running(clouds, ACK, "checkout", 2), seconds=60, what="checkout runs")
    acs, eci = clouds.pods("nginx", cluster=ACK), clouds.pods("checkout", cluster=ACK)
    assert zones(acs) == zones(eci) == {"j", "k"}
    for pod in acs:
        written = pod["metadata"]["annotations"]
        for key, pattern in J1_ANNOTATIONS.items():
            assert re.fullmatch(pattern, written[key]), (key, written[key])
    for pod in eci:
        assert pod["metadata"]["annotations"]["alibabacloud.com/instance-id"].startswith("eci-")
    addresses = [pod["status"]["podIP"] for pod in (*acs, *eci)]
    assert len(set(addresses)) == 4
    listed = {row["name"]: row for row in clouds.rest("pods/?cluster=ack-hangzhou")["results"]}
    for pod in acs:
        row = listed[pod["metadata"]["name"]]
        assert (row["provider"], row["spec"]) == ("acs", "2 / 4Gi")
        assert row["instance_id"].startswith("acs-")
    clouds.kubectl("delete", "deployment", "nginx", "checkout", cluster=ACK)
    wait_until(lambda: not billed(clouds, "acs", "eci"), seconds=60, what="nothing is billed")


def billed(house: House, *names: str) -> list[str]:
    found = [i for name in names for i in house.world.get(f"/{name}/instances")]
    return [i["id"] for i in found if i["billed_from"] and i["billed_to"] is None]


def test_a_virtual_node_of_kci_looks_and_rounds_as_kingsoft_says(clouds: House) -> None:
    table = clouds.kubectl("get", "node", "virtual-kubelet01", cluster=KCE)
    assert re.search(r"virtual-kubelet01 +Ready +agent +\S+ +v1\.36\.1-vk-v\d", table), table
    node = json.loads(clouds.kubectl("get", "node", "virtual-kubelet01", "-o", "json", cluster=KCE))
    taint = {"key": "virtual-kubelet.io/provider", "value": "kingsoftcloud", "effect": "NoSchedule"}
    assert node["spec"]["taints"] == [taint]
    apply(clouds, KCE, "kce.yaml")
    wait_until(lambda: running(clouds, KCE, "nginx-kci", 3), seconds=60, what="nginx-kci runs")
    rows = clouds.rest("pods/?cluster=kce-beijing")["results"]
    sizes = {row["spec"] for row in rows if row["workload"] == "nginx-kci"}
    assert sizes == {"4 / 8Gi"}
    clouds.apply(
        m.bound("rounded", "virtual-kubelet01", containers=[sized("nginx:1.27", "1.5", "3Gi")]),
        cluster=KCE,
    )
    wait_until(lambda: running(clouds, KCE, "rounded", 1), seconds=60, what="rounded runs")
    (pod,) = clouds.pods("rounded", cluster=KCE)
    row = clouds.row(pod["metadata"]["uid"])
    assert row is not None
    assert (row["asked"], row["spec"]) == ("1.5 / 3Gi", "2 / 4Gi")
    clouds.kubectl("delete", "deployment/nginx-kci", "pod/rounded", cluster=KCE)
    wait_until(lambda: not billed(clouds, "kci"), seconds=60, what="nothing is billed")


def sized(image: str, cpu: str, memory: str) -> Json:
    size = {"cpu": cpu, "memory": memory}
    return {"name": "main", "image": image, "resources": {"requests": size, "limits": size}}


def test_what_kci_does_not_do_is_said_before_and_after(clouds: House) -> None:
    bad = m.bound("hostly", "virtual-kubelet01", hostNetwork=True)
    answer = clouds.rest("compatibility/", "POST", {"yaml": json.dumps(bad), "providers": ["kci"]})
    assert "hostNetwork" in json.dumps(answer)
    clouds.apply(bad, cluster=KCE)
    wait_until(
        lambda: clouds.pods("hostly", cluster=KCE)[0]["status"]["phase"] == "Failed", seconds=30
    )
    (pod,) = clouds.pods("hostly", cluster=KCE)
    assert "spec.hostNetwork" in pod["status"]["message"]
    events = clouds.kubectl("describe", "pod", "hostly", cluster=KCE)
    assert "PodRefused" in events
    clouds.kubectl("delete", "pod", "hostly", cluster=KCE)


def test_a_gpu_job_ends_completed_and_its_log_stays(clouds: House) -> None:
    apply(clouds, IDC, "idc.yaml")

    def pod() -> Json:
        found = clouds.kubectl("get", "pod", "gpu-pod", "-o", "json", cluster=IDC)
        parsed: Json = json.loads(found)
        return parsed

    wait_until(lambda: pod()["status"]["phase"] == "Succeeded", seconds=90, what="it completes")
    done = pod()
    assert done["spec"]["nodeName"] == "virtual-kubelet-cn-zhangjiakou-a"
    assert re.search(
        r"gpu-pod +0/1 +Completed", clouds.kubectl("get", "pod", "gpu-pod", cluster=IDC)
    )
    wait_until(lambda: not billed(clouds, "eci"), seconds=60, what="nothing is billed")
    row = clouds.row(done["metadata"]["uid"])
    assert row is not None
    log = clouds.rest(f"pods/{row['id']}/logs/?container=cuda-container")
    assert "Test PASSED" in json.dumps(log)
    clouds.kubectl("delete", "pod", "gpu-pod", cluster=IDC)
