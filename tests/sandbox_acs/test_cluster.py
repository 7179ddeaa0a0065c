"""An ACS cluster as kubectl and the official client see it."""

from __future__ import annotations

import ipaddress
import re

import pytest
from kubernetes.client import ApiException

from .conftest import CLASS, MODEL, QOS, Acs, wait_until

BY_ACS = {
    "ProviderCreate": "done",
    "alibabacloud.com/client-token": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "alibabacloud.com/instance-id": r"acs-[0-9a-z]{20}",
    "alibabacloud.com/pod-ephemeral-storage": "30Gi",
    "alibabacloud.com/pod-use-spec": "2-4Gi",
    "alibabacloud.com/request-id": r"[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}",
    "alibabacloud.com/schedule-result": "finished",
    "alibabacloud.com/user-id": r"\d{16}",
    "kubernetes.io/pod-stream-port": "10250",
    "kubernetes.io/preferred-scheduling-node": r"virtual-kubelet-cn-hangzhou-[jk]/1",
    "kubernetes.io/resource-type": "serverless",
    "network.alibabacloud.com/allocated-eni-id": r"eni-[0-9a-z]{20}",
    "network.alibabacloud.com/security-group-ids": r"sg-\w+",
    "network.alibabacloud.com/vpc-id": r"vpc-\w+",
    "network.alibabacloud.com/vswitch-id": r"vsw-\w+",
    "topology.kubernetes.io/region": "cn-hangzhou",
    "topology.kubernetes.io/zone": "cn-hangzhou-[jk]",
}


def test_a_pod_becomes_an_instance_and_is_told_so(acs: Acs) -> None:
    made = acs.create("web", resources={"requests": {"cpu": "2"}, "limits": {"cpu": "2"}})
    assert made["metadata"]["labels"] == {CLASS: "general-purpose", QOS: "default"}
    pod = acs.phase("web", "Running")
    written = pod["metadata"]["annotations"]
    assert written.keys() == BY_ACS.keys()
    for name, pattern in BY_ACS.items():
        assert re.fullmatch(pattern, written[name]), (name, written[name])
    instance = acs.instance("web")
    assert instance.id == written["alibabacloud.com/instance-id"]
    assert (instance.uid, instance.status) == (pod["metadata"]["uid"], "Running")
    assert pod["status"]["podIP"] == instance.ip
    conditions = {c["type"]: c["status"] for c in pod["status"]["conditions"]}
    assert conditions["ContainerInstanceCreated"] == conditions["Ready"] == "True"
    assert conditions["SandboxReady"] == "True"


def test_nodes_are_virtual_one_for_each_zone(acs: Acs) -> None:
    listed = acs.kubectl("get", "nodes")
    assert re.search(r"virtual-kubelet-cn-hangzhou-j +Ready +agent .* v1.36.1-aliyun.1", listed)
    (j, k) = acs.core.list_node().items
    assert j.metadata.labels == {
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": "virtual-kubelet-cn-hangzhou-j",
        "kubernetes.io/os": "linux",
        "kubernetes.io/role": "agent",
        "service.alibabacloud.com/exclude-node": "true",
        "topology.diskplugin.csi.alibabacloud.com/zone": "cn-hangzhou-j",
        "topology.kubernetes.io/region": "cn-hangzhou",
        "topology.kubernetes.io/zone": "cn-hangzhou-j",
        "type": "virtual-kubelet",
    }
    assert k.metadata.labels["topology.kubernetes.io/zone"] == "cn-hangzhou-k"


def test_kubectl_describes_logs_and_deletes(acs: Acs) -> None:
    acs.create("job", image="busybox", command=["echo", "hello"], restartPolicy="Never")
    acs.phase("job", "Succeeded")
    described = acs.kubectl("describe", "pod", "job")
    assert f"alibabacloud.com/instance-id: {acs.instance('job').id}" in described
    assert acs.kubectl("logs", "job") == "hello\n"
    assert acs.instance("job").ended_at is not None
    assert acs.instance("job").deleted_at is None
    acs.kubectl("delete", "pod", "job")
    wait_until(lambda: acs.instance("job").deleted_at)
    acs.create("web")
    acs.phase("web", "Running")
    assert acs.kubectl("exec", "web", "--", "hostname") == "web\n"


def refused(acs: Acs, **pod: object) -> tuple[int, str]:
    with pytest.raises(ApiException) as caught:
        acs.create("x", **pod)
    return caught.value.status, caught.value.body


GPU = {"limits": {"nvidia.com/gpu": "1"}}


@pytest.mark.parametrize(
    ("pod", "why"),
    [
        ({"labels": {CLASS: "huge"}}, "compute class 'huge'"),
        ({"labels": {QOS: "spot"}}, "compute QoS 'spot'"),
        ({"labels": {CLASS: "gpu-hpn", QOS: "best-effort"}, "resources": GPU}, "gpu-hpn"),
        ({"labels": {CLASS: "gpu"}, "resources": GPU}, MODEL),
        ({"labels": {CLASS: "gpu", MODEL: "H9"}, "resources": GPU}, "'H9'"),
        ({"labels": {CLASS: "gpu", MODEL: "T4"},
          "annotations": {"alibabacloud.com/pod-required-spec": "2-4Gi"}}, "CPU pods only"),
        ({"labels": {CLASS: "gpu", MODEL: "L20X"}, "resources": GPU}, "8 cards, not 1"),
        ({"labels": {CLASS: "gpu", MODEL: "T4"}, "resources": {"limits": {"nvidia.com/gpu": "4"}}},
         "1, 2 cards, not 4"),
        ({"resources": GPU}, "compute class gpu"),
        ({"resources": {"requests": {"cpu": "65"}}}, "no size"),
        ({"resources": {"requests": {"cpu": "24"}}}, "submit a ticket"),
        ({"resources": {"requests": {"ephemeral-storage": "513Gi"}}}, "513 GiB"),
        ({"annotations": {"alibabacloud.com/pod-required-spec": "2-4096Mi"}}, "2-4Gi"),
        ({"annotations": {"alibabacloud.com/pod-required-spec": "1-2Gi"},
          "resources": {"requests": {"cpu": "2"}}}, "smaller than the sum"),
        ({"annotations": {"alibabacloud.com/extra-ephemeral-storage": "much"}}, "no quantity"),
        ({"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}, "hostPath"),
    ],
)  # fmt: skip
def test_what_acs_does_not_make_is_refused_at_submission(
    acs: Acs, pod: dict[str, object], why: str
) -> None:
    status, body = refused(acs, **pod)
    assert status == 403
    assert why in body
    assert '"reason":"Forbidden"' in body.replace(" ", "")


def test_a_node_port_service_is_refused(acs: Acs) -> None:
    body = {"metadata": {"name": "s"}, "spec": {"type": "NodePort", "ports": [{"port": 80}]}}
    with pytest.raises(ApiException, match="NodePort"):
        acs.core.create_namespaced_service("default", body)


def test_host_namespaces_are_rewritten_off(acs: Acs) -> None:
    made = acs.create(
        "host", hostNetwork=True, hostPID=True, hostIPC=True, dnsPolicy="ClusterFirstWithHostNet"
    )
    assert not {"hostNetwork", "hostPID", "hostIPC"} & made["spec"].keys()
    assert made["spec"]["dnsPolicy"] == "ClusterFirst"
    assert acs.phase("host", "Running")["status"]["podIP"] != made["status"].get("hostIP")


def test_annotations_of_acs_cannot_be_brought_along(acs: Acs) -> None:
    made = acs.create("copy", annotations={"alibabacloud.com/instance-id": "acs-forged"})
    assert "alibabacloud.com/instance-id" not in made["metadata"].get("annotations", {})


def test_a_zone_without_stock_is_passed_over_and_told(acs: Acs) -> None:
    acs.turn(stock={"cn-hangzhou-j": {"general-purpose/2-4Gi": False}})
    acs.create("moved")
    pod = acs.phase("moved", "Running")
    assert pod["spec"]["nodeName"] == "virtual-kubelet-cn-hangzhou-k"
    assert "out of stock. cn-hangzhou-j" in acs.events("moved")["NoStock"]


def test_a_pod_waits_while_no_zone_has_stock(acs: Acs) -> None:
    acs.turn(stock={"cn-hangzhou-j": False, "cn-hangzhou-k": {"general-purpose": 0}})
    acs.create("waiting")
    wait_until(lambda: {"NoStock", "FailedScheduling"} <= acs.events("waiting").keys())
    conditions = acs.pod("waiting")["status"]["conditions"]
    reasons = {c["type"]: c["reason"] for c in conditions}
    assert reasons == {"PodScheduled": "Unschedulable", "ContainerInstanceCreated": "NoStock"}
    assert "nodeName" not in acs.pod("waiting")["spec"]
    acs.turn(stock={"cn-hangzhou-j": False, "cn-hangzhou-k": {"general-purpose": 1}})
    acs.phase("waiting", "Running")
    acs.create("second")
    wait_until(lambda: "NoStock" in acs.events("second"))


def test_a_pod_bound_by_its_node_name_waits_for_stock_too(acs: Acs) -> None:
    acs.turn(stock={"cn-hangzhou-k": False})
    acs.create("pinned", nodeName="virtual-kubelet-cn-hangzhou-k")
    wait_until(lambda: "out of stock. cn-hangzhou-k" in acs.events("pinned").get("NoStock", ""))
    acs.turn()
    acs.phase("pinned", "Running")


def test_eci_and_acs_take_addresses_from_the_two_ends_of_a_vswitch(acs: Acs) -> None:
    acs.create("high")
    acs.phase("high", "Running")
    vswitch = acs.cloud.network.vswitches[acs.instance("high").vswitch_id]
    network = ipaddress.ip_network(vswitch.cidr)
    assert ipaddress.ip_address(acs.instance("high").ip) > network[-20]


def test_vswitches_of_a_pod_choose_its_zone(acs: Acs) -> None:
    k = next(v for v in acs.cloud.network.vswitches.values() if v.zone == "cn-hangzhou-k")
    for number in range(3):
        chosen = {"network.alibabacloud.com/vswitch-ids": k.id}
        acs.create(f"in-k-{number}", annotations=chosen)
        pod = acs.phase(f"in-k-{number}", "Running")
        assert pod["metadata"]["annotations"]["network.alibabacloud.com/vswitch-id"] == k.id


def test_a_pod_is_being_created_until_its_sandbox_has_an_address(acs: Acs) -> None:
    acs.turn(schedule_seconds=600)
    acs.create("slow")
    wait_until(lambda: "startTime" in acs.pod("slow")["status"])
    status = acs.pod("slow")["status"]
    conditions = {c["type"]: (c["status"], c.get("reason")) for c in status["conditions"]}
    assert conditions["ContainerInstanceCreated"] == ("False", "Creating")
    assert status["containerStatuses"][0]["state"]["waiting"]["reason"] == "ContainerCreating"


def test_storage_is_added_by_annotation(acs: Acs) -> None:
    acs.create("roomy", annotations={"alibabacloud.com/extra-ephemeral-storage": "20Gi"})
    assert acs.annotated("roomy")["alibabacloud.com/pod-ephemeral-storage"] == "50Gi"


def test_gpu_pods_are_guaranteed_and_carry_their_cards(acs: Acs) -> None:
    resources = {"limits": {"cpu": "3", "memory": "9Gi", "nvidia.com/gpu": "2"}}
    made = acs.create("cards", labels={CLASS: "gpu", MODEL: "T4"}, resources=resources)
    (container,) = made["spec"]["containers"]
    assert container["resources"]["requests"] == container["resources"]["limits"]
    written = acs.phase("cards", "Running")["metadata"]["annotations"]
    assert written["alibabacloud.com/pod-use-spec"] == "16-16Gi"
    assert written["alibabacloud.com/pod-gpu-use-spec"] == "2"


def test_a_planted_fault_keeps_the_pod_pending_until_it_is_spent(acs: Acs) -> None:
    from sandbox.clouds.groups.faults import Fault

    fault = Fault(action="CreateInstance", code="Throttling", message="later", times=2)
    acs.call(lambda: acs.cloud.faults.plant(fault))
    acs.create("throttled")
    wait_until(lambda: acs.events("throttled").get("Throttling") == "later")
    acs.phase("throttled", "Running")
    assert len([i for i in acs.cloud.instances.values() if i.pod == "throttled"]) == 1


def test_a_daemon_set_starts_and_never_becomes_ready(acs: Acs) -> None:
    body = """
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec: {containers: [{name: a, image: nginx}]}
"""
    acs.kubectl("apply", "-f", "-", stdin=body)
    try:
        wait_until(
            lambda: acs.kubectl("get", "pods", "-l", "app=agent").count("0/1     Running") == 2
        )
        assert "1/1" not in acs.kubectl("get", "pods", "-l", "app=agent")
    finally:
        acs.kubectl("delete", "daemonset", "agent")


def test_a_lost_answer_leaves_one_pod_and_one_instance(acs: Acs) -> None:
    acs.cluster.faults.set({"lost_answers": 1})
    acs.core.api_client.configuration.retries = False
    assert "EOF" in acs.kubectl("run", "lost", "--image=nginx", expect=1)
    assert acs.cluster.faults.lost_answers == 0
    acs.phase("lost", "Running")
    assert len([i for i in acs.cloud.living() if i.pod == "lost"]) == 1
