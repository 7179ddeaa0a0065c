"""The Node object of a virtual node: pure functions from our row to what Kubernetes should see.

Labels, taint and annotations come from the provider's dialect, once, at registration; afterwards
they belong to the cluster's people and are only mirrored. Ours for ever are the status and one
taint, `spillway.io/cloud-unavailable`, which keeps new pods away while the account is in trouble.
Ready is never taken away for that: a NotReady node has its running pods evicted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from addons.models import VirtualNode
from addons.pods import quantity
from kube import Node
from kube.objects import Condition
from providers.base import Dialect, NodeProfile, Quota
from providers.models import CloudAccount

Json = dict[str, Any]
CLOUD_TAINT = "spillway.io/cloud-unavailable"
CLOUD_CONDITION = "CloudReachable"
LEASE_SECONDS = 40
# When the cloud does not tell the account's quota, room for so many vCPU is assumed.
ASSUMED_CPU = Decimal(1000)
GIB_PER_CPU = 4
# The smallest instance has a quarter of a vCPU; every instance has 30 GiB of disk without charge.
PODS_PER_CPU = 4
PODS_MIN, PODS_MAX = 1000, 50_000
DISK_GIB_PER_POD = 30


def capacity(quota: Quota | None) -> dict[str, str]:
    """What the scheduler may count on: the account's vCPU quota and what goes with it."""
    cpu = int(quota.cpu_max if quota else ASSUMED_CPU)
    pods = min(PODS_MAX, max(PODS_MIN, cpu * PODS_PER_CPU))
    return {
        "cpu": str(cpu),
        "memory": f"{cpu * GIB_PER_CPU}Gi",
        "pods": str(pods),
        "ephemeral-storage": f"{pods * DISK_GIB_PER_POD}Gi",
    }


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a cloud account takes no new instances; empty `reason`: all do.

    `keeps_away`: it is the node's default account, so new pods should go elsewhere.
    """

    reason: str = ""
    message: str = ""
    keeps_away: bool = False


def trouble_of(node: VirtualNode) -> Trouble:
    """That of the default account first; the message names the account where there are two."""
    for account in node.accounts:
        found = _trouble(account)
        if found is not None:
            reason, message = found
            named = f"{account.name}: {message}" if node.second_account_id else message
            return Trouble(reason, named, keeps_away=account.pk == node.account_id)
    return Trouble()


def _trouble(account: CloudAccount) -> tuple[str, str] | None:
    if account.halted_at is not None:
        return "AccountHalted", account.halt_reason
    if account.trouble:
        return _camel(account.trouble), account.trouble_message
    return None


def _camel(code: str) -> str:
    """A cloud's code as a condition's reason: letters, digits, `_`, `,`, `:`; no dots."""
    kept = "".join(c if c.isalnum() else "_" for c in code).strip("_")
    return kept if kept[:1].isalpha() else "CloudTrouble"


def conditions(trouble: Trouble, known: Sequence[Condition], now: datetime) -> list[Json]:
    """All of ours; the time of the last transition stays when the status is the same."""
    wanted = (
        ("Ready", "True", "KubeletReady", "Spillway plays the kubelet of this node"),
        ("MemoryPressure", "False", "KubeletHasSufficientMemory", "each pod has its own instance"),
        ("DiskPressure", "False", "KubeletHasNoDiskPressure", "each pod has its own instance"),
        ("PIDPressure", "False", "KubeletHasSufficientPID", "each pod has its own instance"),
        ("NetworkUnavailable", "False", "RouteCreated", "pods have addresses of their vSwitch"),
        (
            CLOUD_CONDITION,
            "False" if trouble.reason else "True",
            trouble.reason or "CloudAnswers",
            trouble.message or "the cloud account can be used",
        ),
    )
    stamp = rfc3339(now)
    before = {c.type: c for c in known}
    return [
        {
            "type": kind,
            "status": status,
            "reason": reason,
            "message": message,
            "lastHeartbeatTime": stamp,
            "lastTransitionTime": _transition(before.get(kind), status, stamp),
        }
        for kind, status, reason, message in wanted
    ]


def _transition(before: Condition | None, status: str, now: str) -> str:
    same = before is not None and before.status == status
    return (before.last_transition_time if same and before else None) or now


def status(node: VirtualNode, dialect: Dialect, known: Node | None, now: datetime) -> Json:
    """The status patch: conditions merge by type, so that those of others stay."""
    listed = (known.status.conditions if known else None) or ()
    profile = _profile(node, dialect)
    resources = dict(node.capacity or {"cpu": "0", "memory": "0", "pods": "0"})
    if node.capacity:
        resources |= profile.resources
    return {
        "capacity": resources,
        "allocatable": resources,
        "conditions": conditions(trouble_of(node), listed, now),
        "addresses": [{"type": "Hostname", "address": node.name}],
        "nodeInfo": _info(profile, dialect.node_version(node.cluster.version)),
    }


def _profile(node: VirtualNode, dialect: Dialect) -> NodeProfile:
    return dialect.node_profile(
        region=node.region, zone=node.zone, name=node.name, settings=node.settings
    )


def _info(profile: NodeProfile, version: str) -> Json:
    return {
        "kubeletVersion": version,
        "operatingSystem": profile.operating_system,
        "architecture": profile.architecture,
        "kubeProxyVersion": "",
        "containerRuntimeVersion": "",
        "kernelVersion": "",
        "osImage": "",
        "bootID": "",
        "machineID": "",
        "systemUUID": "",
    }


def manifest(node: VirtualNode, dialect: Dialect, now: datetime) -> Json:
    """The Node as it is registered."""
    profile = _profile(node, dialect)
    taints = [dict(taint) for taint in profile.taints]
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": node.name,
            "labels": dict(profile.labels),
            "annotations": dict(profile.annotations),
        },
        "spec": {"taints": [*taints, *_cloud_taint(node)], "unschedulable": node.unschedulable},
        "status": status(node, dialect, None, now),
    }


def _cloud_taint(node: VirtualNode) -> list[Json]:
    return [{"key": CLOUD_TAINT, "effect": "NoSchedule"}] if trouble_of(node).keeps_away else []


def taints(node: VirtualNode, known: Sequence[Mapping[str, Any]]) -> list[Json] | None:
    """The node's taints with ours added or taken away; None when they are right already."""
    others = [dict(taint) for taint in known if taint.get("key") != CLOUD_TAINT]
    has = len(others) != len(known)
    wants = trouble_of(node).keeps_away
    return None if has == wants else [*others, *_cloud_taint(node)]


def differs(wanted: Json, known: Node) -> bool:
    """Whether the node's status says something else than it should (times apart)."""
    have = {c.type: (c.status, c.reason, c.message) for c in known.status.conditions or ()}
    for condition in wanted["conditions"]:
        told = (condition["status"], condition["reason"], condition["message"])
        if have.get(condition["type"]) != told:
            return True
    # Compared as numbers: the API server writes 4000 as 4k.
    listed = {name: quantity.parse(value) for name, value in (known.status.capacity or {}).items()}
    version = known.status.node_info.kubelet_version
    wrong = any(
        listed.get(name) != quantity.parse(value) for name, value in wanted["capacity"].items()
    )
    return wrong or version != wanted["nodeInfo"]["kubeletVersion"]


def lease(name: str, uid: str, now: datetime) -> Json:
    """The node's Lease, owned by the Node so that it goes with it."""
    owner = {"apiVersion": "v1", "kind": "Node", "name": name, "uid": uid}
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name, "ownerReferences": [owner] if uid else []},
        "spec": lease_spec(name, now),
    }


def lease_spec(name: str, now: datetime) -> Json:
    return {
        "holderIdentity": name,
        "leaseDurationSeconds": LEASE_SECONDS,
        "renewTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
    }


def rfc3339(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
