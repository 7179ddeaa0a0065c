"""The journeys over REST: real HTTP, a token, real processes."""

from __future__ import annotations

import base64
import json
import re

import pytest

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
    plan = rest.plan("installations/", wish)
    zones = {f"virtual-kubelet-cn-hangzhou-{zone}": READY for zone in "jk"}
    assert (plan["blocking"], plan["nodes"]) == (False, list(zones))
    older = check(rest.plan("installations/", {**wish, "version": "v2.10.5"}), "acs")
    assert (older["state"], older["detail"]) == ("warn", "v2.10.5 does not serve ACS.")
    assert older["fix"] == "For that, choose v2.13.0 or newer."

    node = install(rest, ACK, ACK_NODE, version="v2.10.5")
    assert place.nodes(ACK) == zones
    listed = rest.rows(f"installations/{node['id']}/nodes/")
    assert [(one["name"], one["zone"], one["status"]) for one in listed] == [
        (f"virtual-kubelet-{zone}", zone, "Ready") for zone in ("cn-hangzhou-j", "cn-hangzhou-k")
    ]
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
    grant = granted(rest, account)
    assert (grant["policy"], grant["granted"]) == (POLICY, True)
    assert re.fullmatch(r"ack-one-user-[0-9a-f]{10}", grant["user"])
    secret = place.get("secret", "alibaba-addon-secret", cluster=IDC)["data"]
    assert set(secret) == {"access-key-id", "access-key-secret"}
    key = base64.b64decode(secret["access-key-secret"]).decode()
    assert key not in json.dumps(rest.get(f"credentials/{account}/ram-grants/"))

    node = install(rest, IDC, ACK_NODE)
    assert place.nodes(IDC)[IDC_NODE] == READY
    profile_takes_effect(place)
    leave(place, rest, node)
    revoke(rest, account)
    assert not place.there("secret/alibaba-addon-secret", cluster=IDC)


def granted(rest: Rest, account: int) -> Json:
    """The grant, after the operation that made it and handed the cluster its key."""
    path = f"credentials/{account}/ram-grants/"
    rest.done(path, {"addon": ACK_NODE, "cluster": IDC})
    [found] = [row for row in rest.rows(path) if row["state"] == "granted"]
    return found


def revoke(rest: Rest, account: int) -> None:
    answer = rest.call("DELETE", f"credentials/{account}/ram-grants/{ACK_NODE}/")
    assert answer.status_code == 202
    assert rest.ended(answer.json()["id"])["state"] == "succeeded"


def profile_takes_effect(place: Place) -> None:
    """For the next pod, without a restart; when a zone is out of stock the next one is used."""
    cloud = place.cloud("aliyun-idc")
    ids = [one["id"] for one in cloud["vswitches"]]
    controllers = place.controllers()
    profile = place.get("configmap", "eci-profile", cluster=IDC)["data"]
    assert profile == {
        "enableClusterIp": "true",
        "enableHybridMode": "false",
        "enablePrivateZone": "false",
        "securityGroupId": cloud["security_group_id"],
        "selectors": "",
        "vSwitchIds": ",".join(ids),
        "vpcId": cloud["vpc_id"],
    }
    assert place.burst("nginx", IDC_NODE, cluster=IDC)["zone"] == "cn-zhangjiakou-a"
    place.edit_profile(vSwitchIds=f"{ids[0]},{ids[2]}")
    place.stock(a=False)
    assert place.burst("nginx-2", IDC_NODE, cluster=IDC)["zone"] == "cn-zhangjiakou-c"
    place.stock()
    assert place.controllers() == controllers


def leave(place: Place, rest: Rest, node: Json) -> None:
    """The way out that leaves nothing behind, with the pods and their cost shown before."""
    plan = rest.plan(f"installations/{node['id']}/uninstall/", {})
    assert {(pod["pod"], pod["node"]) for pod in plan["affected"]} == {
        ("nginx", IDC_NODE),
        ("nginx-2", IDC_NODE),
    }
    assert float(plan["cost_per_hour"]["CNY"]) > 0
    ended = rest.done(f"installations/{node['id']}/uninstall/", {})
    proof = next(step for step in ended["steps"] if step["name"] == "proof")
    assert proof["detail"].endswith("none of them that its pods named")
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


def test_an_on_premises_cluster_gets_virtual_nodes_and_the_scheduler(
    place: Place, rest: Rest
) -> None:
    account = place.credentials()["aliyun-idc"]
    granted(rest, account)
    node = install(rest, IDC, ACK_NODE)
    assert place.nodes(IDC)[IDC_NODE] == READY
    scheduler = install(rest, IDC, SCHEDULER)
    assert place.takes_resource_policies()
    uninstall(rest, scheduler, node)
    assert place.nodes(IDC) == {}
    revoke(rest, account)
