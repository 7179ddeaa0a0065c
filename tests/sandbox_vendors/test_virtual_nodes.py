"""Virtual kubelets of vendors in the simulated clusters: nodes, pods, instances, and their end."""

import base64
import json

import pytest

from sandbox.world import Settings, World

from .conftest import House, until
from .test_cs import ended, install, modify

SPEC = {
    "nodeSelector": {"type": "virtual-kubelet"},
    "tolerations": [{"key": "virtual-kubelet.io/provider", "operator": "Exists"}],
}
WEB = {"name": "web", "image": "nginx", "resources": {"limits": {"cpu": "2"}}}


def pod(name="web", *, labels=None, container=None, **spec):
    return {
        "metadata": {"name": name, "namespace": "default", "labels": labels or {}},
        "spec": {"containers": [container or WEB], **SPEC, **spec},
    }


def phase(cluster, name="web"):
    found = cluster.client.look("pods", name, "default")
    return (found or {}).get("status", {}).get("phase")


async def running(cluster, name="web"):
    await until(lambda: phase(cluster, name) == "Running", 15)
    return cluster.client.look("pods", name, "default")


def ready(cluster, name):
    node = cluster.client.look("nodes", name)
    conditions = (node or {}).get("status", {}).get("conditions") or []
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


async def keys_into(cluster, pair):
    names = ("access-key-id", "access-key-secret")
    data = {n: base64.b64encode(v.encode()).decode() for n, v in zip(names, pair, strict=True)}
    meta = {"name": "alibaba-addon-secret", "namespace": "kube-system"}
    await cluster.client.create("secrets", {"metadata": meta, "data": data})


def alive(roster):
    return [group for group in roster.groups.values() if not group.gone]


async def test_installing_through_cs_brings_nodes_that_run_pods_at_eci_and_acs(house):
    cluster = house.cluster("ack-hangzhou")
    assert (await ended(house, await install(house, "ack-hangzhou"))).state == "success"
    node = await until(lambda: cluster.client.look("nodes", "virtual-kubelet-cn-hangzhou-k"))
    assert node["metadata"]["labels"]["service.alibabacloud.com/exclude-node"] == "true"
    assert node["spec"]["taints"][0] == {
        "key": "virtual-kubelet.io/provider",
        "value": "alibabacloud",
        "effect": "NoSchedule",
    }
    await until(lambda: ready(cluster, "virtual-kubelet-cn-hangzhou-j"))
    sized = {**WEB, "resources": {"limits": {"cpu": "2", "memory": "3Gi"}}}
    await cluster.client.create("pods", pod(container=sized))
    classed = {"alibabacloud.com/compute-class": "general-purpose"}
    await cluster.client.create("pods", pod("acs", labels=classed))
    eci, acs = await running(cluster), await running(cluster, "acs")
    notes = eci["metadata"]["annotations"]
    group = house.world.eci.first.groups[notes["k8s.aliyun.com/eci-instance-id"]]
    assert (group.ip, notes["k8s.aliyun.com/eci-instance-spec"]) == (
        eci["status"]["podIP"],
        "2.0-4.0Gi",
    )
    assert acs["metadata"]["annotations"]["alibabacloud.com/instance-id"].startswith("acs-")
    assert acs["metadata"]["annotations"]["alibabacloud.com/pod-use-spec"] == "2-4Gi"
    assert len(alive(house.world.eci.first)) == 1
    lines = [chunk async for chunk in cluster.kubelets[eci["spec"]["nodeName"]].logs(eci, "web")]
    assert lines
    for name in ("web", "acs"):
        await cluster.client.delete("pods", name, "default", grace_seconds=0)
    await until(lambda: phase(cluster) is None and phase(cluster, "acs") is None)
    await until(lambda: not alive(house.world.eci.first))
    assert not list(house.world.acs.living())


async def test_logs_are_followed_until_the_container_ends_and_exec_answers(house):
    cluster = house.cluster("ack-hangzhou")
    await ended(house, await install(house, "ack-hangzhou"))
    script = {"name": "c", "image": "busybox", "command": ["sh", "-c", "echo a; sleep 9; echo b"]}
    await cluster.client.create("pods", pod(container=script, restartPolicy="Never"))
    shown = await running(cluster)
    backend = cluster.kubelets[shown["spec"]["nodeName"]]
    frames = [f async for f in backend.exec(shown, "c", ["echo", "hi"], None, False)]
    assert frames[0] == (1, b"hi\n")
    lines = [chunk async for chunk in backend.logs(shown, "c", follow=True)]
    assert lines == [b"a\n", b"b\n"]
    await until(lambda: phase(cluster) == "Succeeded")
    tail = [chunk async for chunk in backend.logs(shown, "c", tail_lines=1)]
    assert tail == [b"b\n"]


async def test_an_image_that_is_missing_and_a_zone_without_stock_show_on_the_pod(house):
    cluster = house.cluster("ack-hangzhou")
    await ended(house, await install(house, "ack-hangzhou"))
    wrong = {"name": "c", "image": "does-not-exist:1"}
    await cluster.client.create("pods", pod("wrong", container=wrong))

    def reason():
        found = cluster.client.look("pods", "wrong", "default")
        for status in (found.get("status") or {}).get("containerStatuses") or []:
            return status["state"].get("waiting", {}).get("reason")
        return None

    await until(lambda: reason() in {"ErrImagePull", "ImagePullBackOff"}, 15)
    zones = {"cn-hangzhou-j": False, "cn-hangzhou-k": False}
    house.world.eci.first.turn({"stock": zones})
    await cluster.client.create("pods", pod("late", restartPolicy="Never"))
    await until(lambda: phase(cluster, "late") == "Failed", 15)
    assert "stock" in cluster.client.look("pods", "late", "default")["status"]["message"].lower()


async def test_uninstalling_leaves_the_instances_and_the_nodes_go_silent(house):
    cluster = house.cluster("ack-hangzhou")
    await ended(house, await install(house, "ack-hangzhou"))
    await cluster.client.create("pods", pod())
    await running(cluster)
    plane = house.world.aliyun._planes[house.id("ack-hangzhou")]
    assert plane.runs(plane.eci)
    from alibabacloud_cs20151215 import models as cs

    request = cs.UnInstallClusterAddonsRequest(
        addons=[cs.UnInstallClusterAddonsRequestAddons(name="ack-virtual-node")]
    )
    client = house.cs()
    task = await client.un_install_cluster_addons_async(house.id("ack-hangzhou"), request)
    await ended(house, task.body.task_id)
    assert not plane.runs(plane.eci)
    assert cluster.client.look("nodes", "virtual-kubelet-cn-hangzhou-k")
    await cluster.client.delete("pods", "web", "default")
    assert cluster.client.look("pods", "web", "default")
    assert len(alive(house.world.eci.first)) == 1


async def test_the_feature_gate_gives_pods_of_acs_the_size_that_is_billed(house):
    cluster = house.cluster("ack-hangzhou")
    classed = {"alibabacloud.com/compute-class": "performance"}
    before = await cluster.client.create("pods", pod("before", labels=classed))
    assert "memory" not in before["spec"]["containers"][0]["resources"]["limits"]
    gates = {"featureGates": "ACSPodResourcesMutation=true"}
    await ended(house, (await modify(house, gates)).task_id)
    after = await cluster.client.create("pods", pod("after", labels=classed))
    assert after["spec"]["containers"][0]["resources"]["limits"] == {"cpu": "2", "memory": "4Gi"}


async def test_a_registered_cluster_without_the_secret_has_no_virtual_node(house):
    house.world.aliyun.cloud.turn({"rollout_seconds": 5.0})
    failed = await ended(house, await install(house, "idc-zhangjiakou"))
    assert failed.error.code == "AddonOperationFailed.WaitForAddonReadyTimeout"
    client, cluster = house.cs(), house.id("idc-zhangjiakou")
    shown = (await client.get_cluster_addon_instance_async(cluster, "ack-virtual-node")).body
    assert shown.state == "unhealthy"


async def test_a_registered_cluster_sends_pods_by_their_label(house):
    cluster = house.cluster("idc-zhangjiakou")
    await keys_into(cluster, house.pair())
    assert (await ended(house, await install(house, "idc-zhangjiakou"))).state == "success"
    await until(lambda: ready(cluster, "virtual-kubelet-cn-zhangjiakou-a"), 20)
    job = {"name": "c", "image": "cuda-vector-add:v0.1"}
    job["resources"] = {"limits": {"nvidia.com/gpu": "1"}}
    meta = {
        "name": "gpu-pod",
        "namespace": "default",
        "labels": {"alibabacloud.com/eci": "true"},
        "annotations": {"k8s.aliyun.com/eci-use-specs": "ecs.gn5-c4g1.xlarge"},
    }
    spec = {"restartPolicy": "Never", "containers": [job]}
    await cluster.client.create("pods", {"metadata": meta, "spec": spec})
    await until(lambda: phase(cluster, "gpu-pod") == "Succeeded", 15)
    done = cluster.client.look("pods", "gpu-pod", "default")
    node = done["spec"]["nodeName"]
    assert node.startswith("virtual-kubelet-cn-zhangjiakou-")
    assert done["metadata"]["annotations"]["k8s.aliyun.com/eci-instance-spec"] == (
        "ecs.gn5-c4g1.xlarge"
    )
    lines = [line async for line in cluster.kubelets[node].logs(done, "c")]
    assert b"PASSED" in b"".join(lines)


async def test_wrong_keys_end_in_a_crash_loop_with_the_reason_in_the_log(house):
    cluster = house.cluster("idc-zhangjiakou")
    await keys_into(cluster, (house.pair()[0], "wrong"))
    await install(house, "idc-zhangjiakou")

    def crashing():
        for found in cluster.client.peek("pods", "kube-system"):
            if found["metadata"]["name"].startswith("ack-virtual-node-controller"):
                for status in (found.get("status") or {}).get("containerStatuses") or []:
                    waiting = status["state"].get("waiting") or {}
                    if waiting.get("reason") == "CrashLoopBackOff":
                        return found
        return None

    found = await until(crashing, 20)
    backend = cluster.kubelets[found["spec"]["nodeName"]]
    lines = [c async for c in backend.logs(found, "virtual-node", previous=True)]
    assert b"SignatureDoesNotMatch" in b"".join(lines)
    assert cluster.client.look("nodes", "virtual-kubelet-cn-zhangjiakou-a") is None


async def test_the_profile_is_followed_without_a_restart(house):
    cluster = house.cluster("ack-hangzhou")
    await ended(house, await install(house, "ack-hangzhou"))
    effect = {"annotations": {"k8s.aliyun.com/eci-use-specs": "4-8Gi"}}
    chosen = {"name": "big", "objectSelector": {"matchLabels": {"size": "big"}}, "effect": effect}
    only = "vsw-bp1spillwaydemo0k001"
    data = {"selectors": json.dumps([chosen]), "vSwitchIds": only}
    body = {"data": data}
    await cluster.client.patch("configmaps", "eci-profile", "kube-system", body)
    plain = {"metadata": {"name": "web", "namespace": "default", "labels": {"size": "big"}}}
    await cluster.client.create("pods", {**plain, "spec": {"containers": [WEB]}})
    shown = await running(cluster)
    assert shown["spec"]["nodeName"].startswith("virtual-kubelet-cn-hangzhou-")
    (group,) = alive(house.world.eci.first)
    assert (group.cpu, group.memory, group.vswitches) == (4.0, 8.0, [only])


async def test_the_first_major_version_is_one_node_set_up_by_its_environment(house):
    cluster = house.cluster("ack-hangzhou")
    key, secret = house.pair()
    values = {"ECI_VSWITCH": "vsw-bp1spillwaydemo0j001", "ECI_ACCESS_KEY": key}
    container = {
        "name": "virtual-node",
        "image": "registry-vpc.cn-hangzhou.aliyuncs.com/acs/virtual-nodes-eci:v1.0.0.2-aliyun",
        "env": [{"name": n, "value": v} for n, v in {**values, "ECI_SECRET_KEY": secret}.items()],
    }
    made = {
        "metadata": {"name": "controller", "namespace": "kube-system"},
        "spec": {"containers": [container]},
    }
    await cluster.client.create("pods", made)
    await until(lambda: ready(cluster, "virtual-kubelet"), 15)
    spec = {"containers": [WEB], "nodeName": "virtual-kubelet"}
    meta = {"name": "web", "namespace": "default"}
    await cluster.client.create("pods", {"metadata": meta, "spec": spec})
    await running(cluster)
    (group,) = alive(house.world.eci.first)
    assert (group.zone, group.account_key) == ("cn-hangzhou-j", key)


async def test_refusals_of_the_cloud_are_events_and_end_when_they_end(house):
    cluster = house.cluster("idc-zhangjiakou")
    await keys_into(cluster, house.pair("no permission"))
    await ended(house, await install(house, "idc-zhangjiakou"))
    await cluster.client.create("pods", pod())

    def refused():
        found = cluster.client.look("pods", "web", "default")
        return found and found.get("status", {}).get("reason") == "ProviderFailed"

    await until(refused, 15)
    reasons = {event["reason"] for event in cluster.client.peek("events", "default")}
    assert "ProviderCreateFailed" in reasons
    house.world.aliyun.cloud.ram.keys[house.pair("no permission")[0]].permission = True
    await running(cluster)


@pytest.fixture
async def kce(tmp_path):
    world = World(Settings(tmp_path, base_port=None, clusters=("kce-beijing",), speed=10.0))
    await world.start()
    yield House(world)
    await world.stop()


def virtual_kubelet(house, env):
    network = house.world.kci.cloud.network
    values = {
        "KCI_CLUSTER_ID": house.id("kce-beijing"),
        "KCI_REGION": "cn-beijing-6",
        "KCI_SUBNET_ID": next(iter(network.subnets)),
        "KCI_SECURITY_GROUP_IDS": network.default_security_group.id,
        **env,
    }
    container = {
        "name": "virtual-kubelet",
        "image": "hub.kce.ksyun.com/ksyun/rbkci-virtual-kubelet:v1.3.1",
        "args": ["--provider=kingsoftcloud", "--nodename=virtual-kubelet01"],
        "env": [{"name": name, "value": value} for name, value in values.items()],
    }
    labels = {"k8s-app": "virtual-kubelet"}
    return {
        "metadata": {"name": "virtual-kubelet", "namespace": "kube-system"},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


async def test_rbkci_virtual_kubelet_registers_its_node_and_runs_pods_at_kci(kce):
    cluster, cloud = kce.cluster("kce-beijing"), kce.world.kci.cloud
    key = cloud.keys.lasting()[0]
    env = {"KCI_ACCESS_KEY": key.access_key_id, "KCI_SECRET_KEY": key.access_key_secret}
    await cluster.client.create("deployments.apps", virtual_kubelet(kce, env))
    await until(lambda: ready(cluster, "virtual-kubelet01"), 15)
    node = cluster.client.look("nodes", "virtual-kubelet01")
    assert node["status"]["nodeInfo"]["kubeletVersion"] == "v1.17.6-vk-v1.6.0"
    lease = cluster.client.look(
        "leases.coordination.k8s.io", "virtual-kubelet01", "kube-node-lease"
    )
    assert lease["spec"]["holderIdentity"] == "virtual-kubelet01"
    await cluster.client.create("pods", pod())
    shown = await running(cluster)
    group = cloud.groups[shown["metadata"]["annotations"]["k8s.ksyun.com/kci-instance-id"]]
    assert (group.tags["node-name"], group.ip) == ("virtual-kubelet01", shown["status"]["podIP"])
    await cluster.client.delete("deployments.apps", "virtual-kubelet", "kube-system")
    await until(
        lambda: (
            not any(
                p["metadata"]["name"].startswith("virtual-kubelet-")
                for p in cluster.client.peek("pods", "kube-system")
            )
        )
    )
    assert alive(cloud)
    await cluster.client.delete("pods", "web", "default")
    await cluster.client.create("deployments.apps", virtual_kubelet(kce, env))
    await until(lambda: phase(cluster) is None, 20)
    assert not alive(cloud)


async def test_temporary_keys_of_the_cluster_serve_as_well(kce):
    cluster = kce.cluster("kce-beijing")
    env = {"TEMP_AKSK_CM": "user-temp-aksk"}
    await cluster.client.create("deployments.apps", virtual_kubelet(kce, env))
    await until(lambda: ready(cluster, "virtual-kubelet01"), 15)
    await cluster.client.create("pods", pod())
    await running(cluster)


async def test_what_was_installed_runs_again_after_a_restart_of_the_world(tmp_path):
    settings = Settings(tmp_path, base_port=None, clusters=("ack-hangzhou",), speed=10.0)
    world = World(settings)
    await world.start()
    house = House(world)
    await ended(house, await install(house, "ack-hangzhou"))
    await house.cluster("ack-hangzhou").client.create("pods", pod())
    await running(house.cluster("ack-hangzhou"))
    await world.stop()
    again = World(settings)
    await again.start()
    try:
        cluster = again.clusters.running["ack-hangzhou"]
        await cluster.client.delete("pods", "web", "default")
        await until(lambda: phase(cluster) is None, 15)
        assert not alive(again.eci.first)
        shown = json.loads((tmp_path / "world.json").read_text())["clouds"]["aliyun"]
        assert {key["note"] for key in shown["keys"]} == {"full access", "no permission"}
    finally:
        await again.stop()
