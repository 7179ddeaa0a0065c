"""What Kubernetes sees of a virtual node, without any cluster."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from addons.nodes import spec
from kube import Node
from kube.objects import Condition, NodeStatus
from providers import registry
from providers.base import Quota
from tests.addons import cast

pytestmark = pytest.mark.django_db
DIALECT = registry.dialect("eci")


def test_a_node_has_exactly_the_labels_and_the_taint_of_the_vendor() -> None:
    node = cast.node(cast.cluster())
    made = spec.manifest(node, DIALECT, cast.NOW)
    assert made["metadata"]["labels"] == {
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": "virtual-kubelet-cn-hangzhou-k",
        "kubernetes.io/os": "linux",
        "kubernetes.io/role": "agent",
        "service.alibabacloud.com/exclude-node": "true",
        "topology.diskplugin.csi.alibabacloud.com/zone": "cn-hangzhou-k",
        "topology.kubernetes.io/region": "cn-hangzhou",
        "topology.kubernetes.io/zone": "cn-hangzhou-k",
        "type": "virtual-kubelet",
    }
    taint = {
        "key": "virtual-kubelet.io/provider",
        "value": "alibabacloud",
        "effect": "NoSchedule",
    }
    assert made["spec"] == {"taints": [taint], "unschedulable": False}


@pytest.mark.parametrize(("cpu", "pods"), [("20", "1000"), ("3000", "12000"), ("100000", "50000")])
def test_capacity_follows_the_accounts_quota(cpu: str, pods: str) -> None:
    made = spec.capacity(Quota(cpu_max=Decimal(cpu), cpu_used=Decimal(0)))
    assert made["cpu"] == cpu
    assert made["memory"] == f"{int(cpu) * 4}Gi"
    assert made["pods"] == pods


def test_cloud_trouble_keeps_new_pods_away_and_never_takes_readiness() -> None:
    cluster = cast.cluster()
    account = cast.account(trouble="Account.Arrearage", trouble_message="in arrears")
    node = cast.node(cluster, account=account)
    told = {c["type"]: c for c in spec.status(node, DIALECT, None, cast.NOW)["conditions"]}
    assert told["Ready"]["status"] == "True"
    assert told["CloudReachable"]["status"] == "False"
    assert told["CloudReachable"]["reason"] == "Account_Arrearage"
    foreign = {"key": "team", "value": "red", "effect": "NoExecute"}
    assert spec.taints(node, [foreign]) == [
        foreign,
        {"key": "spillway.io/cloud-unavailable", "effect": "NoSchedule"},
    ]


def test_a_healed_account_takes_our_taint_away_and_leaves_those_of_others() -> None:
    node = cast.node(cast.cluster())
    foreign = {"key": "team", "value": "red", "effect": "NoExecute"}
    ours = {"key": "spillway.io/cloud-unavailable", "effect": "NoSchedule"}
    assert spec.taints(node, [ours, foreign]) == [foreign]
    assert spec.taints(node, [foreign]) is None


def test_the_time_of_a_transition_stays_while_the_status_is_the_same() -> None:
    node = cast.node(cast.cluster())
    since = "2025-01-01T00:00:00Z"
    known = Node(
        status=NodeStatus(
            conditions=[
                Condition(type="Ready", status="True", last_transition_time=since),
                Condition(type="DiskPressure", status="Unknown", last_transition_time=since),
            ]
        )
    )
    later = cast.NOW + timedelta(hours=1)
    told = {c["type"]: c for c in spec.status(node, DIALECT, known, later)["conditions"]}
    assert told["Ready"]["lastTransitionTime"] == since
    assert told["DiskPressure"]["lastTransitionTime"] == spec.rfc3339(later)


def test_trouble_of_the_second_account_is_told_by_name_and_keeps_nobody_away() -> None:
    second = cast.account(name="acs-one", trouble="Forbidden", trouble_message="may not")
    node = cast.node(cast.cluster(), second_account=second)
    told = {c["type"]: c for c in spec.status(node, DIALECT, None, cast.NOW)["conditions"]}
    shown = told["CloudReachable"]
    assert (shown["status"], shown["reason"]) == ("False", "Forbidden")
    assert shown["message"] == "acs-one: may not"
    assert spec.taints(node, []) is None
    node.account.name, node.account.halted_at = "eci-one", cast.NOW
    node.account.halt_reason = "EmptyList"
    assert spec.trouble_of(node) == spec.Trouble("AccountHalted", "eci-one: EmptyList", True)
    assert spec.taints(node, []) == [{"key": spec.CLOUD_TAINT, "effect": "NoSchedule"}]
