"""The journeys over REST: real HTTP, a token, real processes."""

from __future__ import annotations

import base64
import json
import re

import pytest

from tests.chaos import manifests
from tests.chaos.house import wait_until
from tests.journeys.place import (
    ACK,
    ACK_NODE,
    IDC,
    KCE,
    POLICY,
    SCHEDULER,
    VK,
    Json,
    Place,
    Rest,
)

pytestmark = pytest.mark.chaos
READY = "Ready agent v1.20.11-aliyun.1"
GATE = "ACSPodResourcesMutation=true"
IDC_NODE = "virtual-kubelet-cn-zhangjiakou-a"


def check(plan: Json, code: str) -> Json:
    return next(one for one in plan["checks"] if one["code"] == code)


def installed(rest: Rest, cluster: str, component: str) -> Json:
    [row] = rest.rows(f"installations/?cluster={cluster}&component={component}")
    found: Json = rest.get(f"installations/{row['id']}/")
    return found


def install(rest: Rest, cluster: str, component: str, **more: object) -> Json:
    rest.done("installations/", {"cluster": cluster, "component": component, **more})
    return installed(rest, cluster, component)


def uninstall(rest: Rest, *rows: Json) -> None:
    for row in rows:
        rest.done(f"installations/{row['id']}/uninstall/", {})


def test_an_ack_cluster_gains_acs_and_eci_by_an_upgrade_and_a_feature_gate(
    place: Place, rest: Rest
) -> None:
    wish = {"cluster": ACK, "component": ACK_NODE, "version": "v2.13.0"}
    place.acs(activated=False)
    plan = rest.plan("installations/", wish)
    place.acs(activated=True)
    assert plan["blocking"]
    assert check(plan, "acs")["detail"] == "ACS is not activated or not authorised."
    assert "activate the service and authorise its roles" in check(plan, "acs")["fix"]
    assert not rest.plan("installations/", wish)["blocking"]

    node = install(rest, ACK, ACK_NODE, version="v2.10.5")
    zones = {f"virtual-kubelet-cn-hangzhou-{zone}": READY for zone in "jk"}
    assert place.nodes(ACK) == zones
    assert (node["version"], node["latest"], node["upgrade"]) == ("v2.10.5", "v2.13.0", True)
    rest.done(f"installations/{node['id']}/upgrade/", {})
    assert installed(rest, ACK, ACK_NODE)["version"] == "v2.13.0"
    assert place.nodes(ACK) == zones

    server = install(rest, ACK, "kube-apiserver", values={"featureGates": GATE})
    assert server["values"] == {"featureGates": GATE}
    assert json.loads(place.addon(ACK, "kube-apiserver")["config"])["featureGates"] == GATE
    uninstall(rest, server, node)
    assert place.nodes(ACK) == {}


def test_a_registered_cluster_is_granted_its_key_and_bursts_to_eci(
    place: Place, rest: Rest
) -> None:
    wish = {"cluster": IDC, "component": ACK_NODE}
    rest.call("PATCH", f"clusters/{IDC}/", {"region": "cn-nowhere"})
    plan = rest.plan("installations/", wish)
    rest.call("PATCH", f"clusters/{IDC}/", {"region": "cn-zhangjiakou"})
    assert check(plan, "region")["detail"] == "ECI is not offered in cn-nowhere."
    assert check(plan, "region")["fix"].startswith("It is offered in: ap-northeast-1, ")
    assert " cn-zhangjiakou, " in check(plan, "region")["fix"]
    assert check(plan, "kubernetes")["detail"] == "Kubernetes v1.36.1"

    account = place.credentials()["aliyun-idc"]
    grant = rest.post(
        f"credentials/{account}/ram-grants/", {"addon": ACK_NODE, "cluster": IDC}, expect=201
    )
    assert (grant["policy"], grant["granted"]) == (POLICY, True)
    assert re.fullmatch(r"ack-one-user-[0-9a-f]{10}", grant["user"])
    secret = place.get("secret", "alibaba-addon-secret", cluster=IDC)["data"]
    assert set(secret) == {"access-key-id", "access-key-secret"}
    key = base64.b64decode(secret["access-key-secret"]).decode()
    assert key not in json.dumps(rest.get(f"credentials/{account}/ram-grants/"))

    node = install(rest, IDC, ACK_NODE)
    assert place.nodes(IDC)[IDC_NODE] == READY
    burst_and_leave(place, rest, node)
    answer = rest.call("DELETE", f"credentials/{account}/ram-grants/{ACK_NODE}/")
    assert answer.status_code == 204
    assert not place.there("secret/alibaba-addon-secret", cluster=IDC)


def burst_and_leave(place: Place, rest: Rest, node: Json) -> None:
    """A pod, the profile changed under it, then the way out that leaves nothing behind."""
    place.house.apply(manifests.bound("nginx", IDC_NODE), cluster=IDC)
    wait_until(lambda: place.phases("nginx", IDC) == ["Running"], seconds=60, what="nginx runs")
    assert len(place.billed(IDC)) == 1

    plan = rest.plan(f"installations/{node['id']}/uninstall/", {})
    [pod] = plan["affected"]
    assert (pod["pod"], pod["node"]) == ("nginx", IDC_NODE)
    assert float(plan["cost_per_hour"]["CNY"]) > 0
    ended = rest.done(f"installations/{node['id']}/uninstall/", {})
    proof = next(step for step in ended["steps"] if step["name"] == "proof")
    assert proof["detail"].endswith("none of them ours")
    assert (place.billed(IDC), place.nodes(IDC), place.phases("nginx", IDC)) == ([], {}, [])


def test_an_older_cluster_has_the_addon_as_a_release_that_helm_lists_and_upgrades(
    place: Place, rest: Rest
) -> None:
    cloud = place.cloud("aliyun")
    values = {
        "ECI_VSWITCH": cloud["vswitches"][0]["id"],
        "ECI_SECURITY_GROUP": cloud["security_group_id"],
        "credential": place.credentials()["aliyun"],
    }
    old = {"version": "v1.0.0.2-aliyun", "delivery": "in_cluster", "values": values}
    row = install(rest, ACK, ACK_NODE, **old)
    assert place.nodes(ACK) == {"virtual-kubelet": READY}
    assert (row["namespace"], row["release"]) == ("kube-system", ACK_NODE)
    [release] = json.loads(place.helm("list", "-o", "json", cluster=ACK))
    assert (release["name"], release["namespace"]) == (ACK_NODE, "kube-system")

    rest.done(f"installations/{row['id']}/upgrade/", {"version": "v2.0.0.102-045a06eb4-aliyun"})
    history = json.loads(place.helm("history", ACK_NODE, "-o", "json", cluster=ACK))
    assert [one["status"] for one in history] == ["superseded", "deployed"]
    assert place.nodes(ACK) == {"virtual-kubelet-cn-hangzhou-j": READY}
    uninstall(rest, row)
    assert json.loads(place.helm("list", "-a", "-o", "json", cluster=ACK)) == []
    assert place.nodes(ACK) == {}


def kci(place: Place) -> Json:
    cloud = place.cloud("ksyun")
    return {
        "credential": place.credentials()["ksyun"],
        "KCI_CLUSTER_ID": "kce-1",
        "KCI_REGION": cloud["region"],
        "KCI_SUBNET_ID": cloud["subnets"][0]["id"],
        "KCI_SECURITY_GROUP_IDS": cloud["security_group_id"],
        "KCI_KUBE_PROXY": True,
        "nodename": "virtual-kubelet01",
        "cluster-dns": "10.0.96.2",
        "virtual-node-dns": "10.0.96.3",
    }


def test_a_kce_cluster_gains_kci_by_the_vendors_own_objects(place: Place, rest: Rest) -> None:
    wish = {"cluster": KCE, "component": VK}
    plan = rest.plan("installations/", {**wish, "values": {}})
    assert plan["blocking"]
    assert any("KCI_CLUSTER_ID" in one["detail"] for one in plan["checks"])
    plan = rest.plan("installations/", {**wish, "values": kci(place)})
    assert (plan["blocking"], plan["nodes"]) == (False, ["virtual-kubelet01"])

    row = install(rest, KCE, VK, values=kci(place))
    assert place.nodes(KCE) == {"virtual-kubelet01": "Ready agent v1.17.6-vk-v1.6.0"}
    binding = place.get("clusterrolebinding", "virtual-kubelet-rb", cluster=KCE)
    assert binding["roleRef"]["name"] == "cluster-admin"
    assert binding["subjects"][0]["name"] == "virtual-kubelet-sa"
    [container] = place.get("deployment", "virtual-kubelet", cluster=KCE)["spec"]["template"][
        "spec"
    ]["containers"]
    assert {
        "--provider=kingsoftcloud",
        "--nodename=virtual-kubelet01",
        "--cluster-dns=10.0.96.2",
        "--virtual-node-dns=10.0.96.3",
        "--cluster-domain=cluster.local",
        "--enable-node-lease",
    } == set(container["args"])
    env = {one["name"]: one for one in container["env"]}
    assert env["KCI_KUBE_PROXY"]["value"] == "true"
    assert {"KCI_ACCESS_KEY", "KCI_SECRET_KEY", "VKUBELET_POD_IP"} == {
        name for name, one in env.items() if "valueFrom" in one
    }
    uninstall(rest, row)
    assert place.nodes(KCE) == {}
    assert not place.there("deployment/virtual-kubelet", cluster=KCE)


def resource_policy() -> Json:
    return {
        "apiVersion": "scheduling.alibabacloud.com/v1alpha1",
        "kind": "ResourcePolicy",
        "metadata": {"name": "nginx", "namespace": "default"},
        "spec": {
            "selector": {"app": "nginx"},
            "strategy": "prefer",
            "units": [{"resource": "idc", "max": 2}, {"resource": "eci"}],
        },
    }


def test_an_on_premises_cluster_gets_virtual_nodes_and_the_scheduler(
    place: Place, rest: Rest
) -> None:
    account = place.credentials()["aliyun-idc"]
    rest.post(f"credentials/{account}/ram-grants/", {"addon": ACK_NODE, "cluster": IDC}, expect=201)
    node = install(rest, IDC, ACK_NODE)
    assert place.nodes(IDC)[IDC_NODE] == READY
    scheduler = install(rest, IDC, SCHEDULER)
    place.house.apply(resource_policy(), cluster=IDC)
    assert place.get("resourcepolicy", "nginx", namespace="default", cluster=IDC)
    place.kubectl("delete", "resourcepolicy", "nginx", cluster=IDC)
    uninstall(rest, scheduler, node)
    assert place.nodes(IDC) == {}
    rest.call("DELETE", f"credentials/{account}/ram-grants/{ACK_NODE}/")
