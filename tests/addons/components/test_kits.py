"""What is rendered, exactly; and ack-virtual-node and ack-co-scheduler in a cluster."""

from __future__ import annotations

from typing import Any

from addons.components.apply import differences, hidden
from addons.components.catalogue import catalogue
from addons.components.judge import wrong
from addons.components.kits import kit_of, rendered
from addons.components.kits.ack_virtual_node import RULES as ACK_RULES
from addons.components.release import release_of
from addons.models import Operation
from kube import CUSTOM_RESOURCE_DEFINITIONS, DEPLOYMENTS, NODES, SECRETS
from kube.resources import MUTATING_WEBHOOKS, Resource
from kube.secret import Secret
from providers import sealing
from tests.addons import cast
from tests.addons.components.conftest import Json, Place
from tests.conftest import World

POLICIES = Resource(
    "scheduling.alibabacloud.com", "v1alpha1", "resourcepolicies", "ResourcePolicy", True
)
KCI = "rbkci-virtual-kubelet"


def release(name: str, values: Json) -> Any:
    component = catalogue()[name]
    return release_of(component, component.latest, values)


def only(objects: list[Json], kind: str) -> Json:
    (found,) = (obj for obj in objects if obj["kind"] == kind)
    return found


def test_the_vendors_manifest_of_kci_with_keys_in_a_secret() -> None:
    values = {
        "credential": 7,
        "KCI_CLUSTER_ID": "c-1",
        "KCI_REGION": "cn-beijing-6",
        "KCI_SUBNET_ID": "subnet-1",
        "KCI_SECURITY_GROUP_IDS": "sg-1,sg-2",
        "KCI_KUBE_PROXY": True,
        "KCI_CLUSTER_SERVER": "10.0.0.1:6443",
        "KCI_REQUEST_INTERNAL": True,
        "nodename": "virtual-kubelet01",
        "cluster-dns": "10.254.0.10",
        "virtual-node-dns": "198.18.254.30",
        "disable-taint": True,
    }
    objects = rendered(release(KCI, values))
    assert [obj["kind"] for obj in objects] == [
        "ServiceAccount",
        "ClusterRoleBinding",
        "Secret",
        "Deployment",
    ]
    assert only(objects, "ClusterRoleBinding")["roleRef"]["name"] == "cluster-admin"
    deployment = only(objects, "Deployment")
    assert deployment["metadata"]["labels"] == {"k8s-app": "virtual-kubelet"}
    spec = deployment["spec"]["template"]["spec"]
    assert spec["serviceAccountName"] == "virtual-kubelet-sa"
    (container,) = spec["containers"]
    assert container["image"] == "hub.kce.ksyun.com/ksyun/rbkci-virtual-kubelet:v1.3.1"
    assert container["args"] == [
        "--provider=kingsoftcloud",
        "--nodename=virtual-kubelet01",
        "--cluster-dns=10.254.0.10",
        "--virtual-node-dns=198.18.254.30",
        "--cluster-domain=cluster.local",
        "--disable-taint",
        "--enable-node-lease",
    ]
    environment = {e["name"]: e.get("value", e.get("valueFrom")) for e in container["env"]}
    assert environment == {
        "VKUBELET_POD_IP": {"fieldRef": {"fieldPath": "status.podIP"}},
        "KCI_ACCESS_KEY": {
            "secretKeyRef": {"name": "virtual-kubelet-keys", "key": "KCI_ACCESS_KEY"}
        },
        "KCI_SECRET_KEY": {
            "secretKeyRef": {"name": "virtual-kubelet-keys", "key": "KCI_SECRET_KEY"}
        },
        "KCI_REGION": "cn-beijing-6",
        "KCI_CLUSTER_ID": "c-1",
        "KCI_SUBNET_ID": "subnet-1",
        "KCI_SECURITY_GROUP_IDS": "sg-1,sg-2",
        "KCI_KUBE_PROXY": "true",
        "KCI_CLUSTER_SERVER": "10.0.0.1:6443",
        "KCI_REQUEST_INTERNAL": "",
    }


def test_least_privilege_and_temporary_keys_are_values() -> None:
    values = {
        "KCI_CLUSTER_ID": "c-1",
        "KCI_REGION": "r",
        "TEMP_AKSK_CM": "user-temp-aksk",
        "rbac": "least-privilege",
    }
    objects = rendered(release(KCI, values))
    role = only(objects, "ClusterRole")
    assert not any("*" in rule["verbs"] + rule["resources"] for rule in role["rules"])
    assert only(objects, "ClusterRoleBinding")["roleRef"]["name"] == role["metadata"]["name"]
    assert not [obj for obj in objects if obj["kind"] == "Secret"]
    (container,) = only(objects, "Deployment")["spec"]["template"]["spec"]["containers"]
    assert {"name": "TEMP_AKSK_CM", "value": "user-temp-aksk"} in container["env"]


def test_values_that_the_vendor_refuses_are_refused_with_their_key() -> None:
    schema = catalogue()[KCI].latest.schema
    good = {"credential": 1, "KCI_CLUSTER_ID": "c", "KCI_REGION": "r"}
    assert wrong(schema, good) == []
    for key, value in (
        ("KCI_SECURITY_GROUP_IDS", "a,b,c,d"),
        ("KCI_CLUSTER_SERVER", "https://api"),
        ("nodename", "Not_A_Name"),
        ("TEMP_AKSK_CM", "both at once"),
        ("KCI_ACCESS_KEY", "plain keys have no place"),
    ):
        assert wrong(schema, {**good, key: value}), key


def test_what_is_rendered_is_recognised_with_the_same_values() -> None:
    values = {"KCI_CLUSTER_ID": "c-1", "KCI_REGION": "r", "TEMP_AKSK_CM": "cm", "nodename": "n"}
    wanted = release(KCI, values)
    found = kit_of(KCI).recognise([only(rendered(wanted), "Deployment")])
    assert found
    assert found.version == "v1.3.1"
    assert {**wanted.effective, **found.values} == {**found.values, "rbac": "cluster-admin"}


def test_ack_virtual_node_as_an_application_brings_nodes(place: Place, world: World) -> None:
    eci = world.facts["clouds"]["eci"]
    key = eci["keys"][0]
    account = cast.account(endpoint=eci["endpoint"], account_id=eci["account_id"])
    sealing.seal_into(
        account,
        key_id=key["access_key_id"],
        secret=Secret(key["access_key_secret"]),
        token=Secret(""),
    )
    account.save()
    switch = eci["vswitches"][0]
    values = {
        "credential": account.pk,
        "ECI_REGION": eci["region"],
        "ECI_VSWITCH": switch["id"],
        "ECI_SECURITY_GROUP": eci["security_group_id"],
    }
    name = "ack-virtual-node"
    done = place.run(name, "install", values=values, delivery="in_cluster", version="v2.10.5")
    assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)
    node = f"virtual-kubelet-{switch['zone']}"
    assert place.get(NODES, node)
    assert place.get(SECRETS, "sh.helm.release.v1.ack-virtual-node.v1", "kube-system")
    done = place.run(name, "upgrade", version="v2.13.0")
    assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)
    place.ask(lambda kube: kube.create(MUTATING_WEBHOOKS, made_by_the_controller()))
    done = place.run(name, "uninstall")
    assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)
    assert place.get(NODES, node) is None
    assert place.get(MUTATING_WEBHOOKS, "vk-webhook") is None
    assert done.arguments["proof"]["asked"]
    proof = done.steps.get(name="proof")
    assert "none of them that its pods named" in proof.detail, "no tag tells its instances"


def made_by_the_controller() -> Json:
    """The webhook that sends labelled pods to virtual nodes; it outlives the Deployment."""
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": "vk-webhook"},
        "webhooks": [],
    }


def test_the_rights_of_ack_virtual_node_are_those_that_its_help_page_lists() -> None:
    webhooks = [r for r in ACK_RULES if r["resources"] == ["mutatingwebhookconfigurations"]]
    assert [(r["verbs"], r.get("resourceNames")) for r in webhooks] == [
        (["create"], None),
        (["get", "list", "watch", "delete", "patch"], ["vk-webhook"]),
    ]
    (bind,) = (r for r in ACK_RULES if "pods/binding" in r["resources"])
    assert bind["verbs"] == ["create"]


def test_the_co_scheduler_brings_resource_policies_that_survive_it(place: Place) -> None:
    name = "ack-co-scheduler"
    done = place.run(name, "install", delivery="in_cluster")
    assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)
    policy = {
        "apiVersion": "scheduling.alibabacloud.com/v1alpha1",
        "kind": "ResourcePolicy",
        "metadata": {"name": "nginx", "namespace": "default"},
        "spec": {
            "selector": {"app": "nginx"},
            "strategy": "prefer",
            "units": [{"resource": "idc"}, {"resource": "ecs", "max": 2}, {"resource": "eci"}],
        },
    }
    place.ask(lambda kube: kube.create(POLICIES, policy))
    done = place.run(name, "uninstall")
    assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)
    assert place.get(DEPLOYMENTS, name, "kube-system") is None
    assert place.get(POLICIES, "nginx", "default"), "people's policies are theirs"
    kept = place.get(CUSTOM_RESOURCE_DEFINITIONS, "resourcepolicies.scheduling.alibabacloud.com")
    assert kept
    place.ask(lambda kube: kube.delete(POLICIES, "nginx", "default"))


def test_the_key_of_add_ons_is_written_and_taken_away(place: Place) -> None:
    name = "alibaba-addon-credentials"
    done = place.run(name, "install", values={"credential": place.account.pk})
    assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)
    secret = place.get(SECRETS, "alibaba-addon-secret", "kube-system")
    assert secret
    assert set(secret["data"]) == {"access-key-id", "access-key-secret"}
    assert place.run(name, "uninstall").state == Operation.State.SUCCEEDED
    assert place.get(SECRETS, "alibaba-addon-secret", "kube-system") is None


def test_keys_that_others_wrote_into_an_environment_are_not_shown_as_drift() -> None:
    theirs = [{"name": "KCI_SECRET_KEY", "value": "open"}, {"name": "KCI_REGION", "value": "r"}]
    reference = {"secretKeyRef": {"name": "keys", "key": "KCI_SECRET_KEY"}}
    ours = [
        {"name": "KCI_SECRET_KEY", "valueFrom": reference},
        {"name": "KCI_REGION", "value": "s"},
    ]
    for wanted in (ours, ours[1:]):
        told = [
            (field, hidden(field, before), hidden(field, after))
            for field, before, after in differences({"env": theirs}, {"env": wanted})
        ]
        assert "open" not in str(told)
        assert ("env[KCI_REGION].value", "r", "s") in told
