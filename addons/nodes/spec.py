"""The Node and Lease objects of a virtual node: pure.

Labels, taints, name and version come from the provider's dialect; what others put on the node
(labels, annotations, taints, cordon) is theirs and stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from addons.models import VirtualNode
from providers import registry

CLOUD_TAINT = {"key": "spillway.io/cloud-unavailable", "effect": "NoSchedule"}
CLOUD_CONDITION = "CloudReachable"
LEASE_SECONDS = 40
DEFAULT_CAPACITY = {"cpu": "1000", "memory": "4Ti", "ephemeral-storage": "30Ti", "pods": "1000"}
_PRESSURES = ("MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable")
_CALM = {
    "MemoryPressure": ("KubeletHasSufficientMemory", "instances bring their own memory"),
    "DiskPressure": ("KubeletHasNoDiskPressure", "instances bring their own disk"),
    "PIDPressure": ("KubeletHasSufficientPID", "instances bring their own kernel"),
    "NetworkUnavailable": ("RouteCreated", "instances are in the VPC"),
}
# Read by drivers and old clients as texts; a virtual node has no machine to tell of.
_NO_MACHINE = ("machineID", "systemUUID", "bootID", "kernelVersion", "osImage", "kubeProxyVersion")


def stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def micro(moment: datetime) -> str:
    """MicroTime, as Lease wants it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def conditions(
    known: Iterable[Mapping[str, Any]], *, trouble: str, now: datetime
) -> list[dict[str, Any]]:
    """Ready while we live (heartbeat is not health); the cloud's state is a condition apart."""
    wanted = [
        ("Ready", "True", "KubeletReady", "Spillway serves this node"),
        *((kind, "False", *_CALM[kind]) for kind in _PRESSURES),
        (CLOUD_CONDITION, "False", "CloudUnavailable", trouble)
        if trouble
        else (CLOUD_CONDITION, "True", "CloudReachable", "the cloud accepts our key"),
    ]
    before = {str(item.get("type")): item for item in known}
    result = []
    for kind, status, reason, message in wanted:
        old = before.get(kind, {})
        changed = old.get("status") != status or not old.get("lastTransitionTime")
        since = stamp(now) if changed else old["lastTransitionTime"]
        result.append(
            {
                "type": kind,
                "status": status,
                "reason": reason,
                "message": message,
                "lastHeartbeatTime": stamp(now),
                "lastTransitionTime": since,
            }
        )
    return result


def status(
    row: VirtualNode, known: Iterable[Mapping[str, Any]], *, trouble: str, now: datetime
) -> dict[str, Any]:
    capacity = row.capacity or DEFAULT_CAPACITY
    profile = _profile(row)
    return {
        "capacity": capacity,
        "allocatable": capacity,
        "conditions": conditions(known, trouble=trouble, now=now),
        "addresses": [{"type": "Hostname", "address": row.name}],
        "nodeInfo": {
            **dict.fromkeys(_NO_MACHINE, ""),
            "architecture": profile.architecture,
            "operatingSystem": profile.operating_system,
            "containerRuntimeVersion": row.provider,
            "kubeletVersion": version(row),
        },
    }


def version(row: VirtualNode) -> str:
    return registry.dialect(row.provider).node_version(row.cluster.version)


def _profile(row: VirtualNode) -> Any:
    dialect = registry.dialect(row.provider)
    return dialect.node_profile(region=row.region, zone=row.zone, name=row.name)


def labels(row: VirtualNode) -> dict[str, str]:
    return dict(_profile(row).labels)


def taints(
    row: VirtualNode, present: Iterable[Mapping[str, Any]], *, trouble: str
) -> list[dict[str, Any]]:
    """Ours and everybody else's; the cloud taint stands exactly while there is trouble."""
    ours = [dict(taint) for taint in _profile(row).taints]
    named = {(taint["key"], taint["effect"]) for taint in (*ours, CLOUD_TAINT)}
    foreign = [dict(t) for t in present if (t.get("key"), t.get("effect")) not in named]
    return [*ours, *([dict(CLOUD_TAINT)] if trouble else []), *foreign]


def node(row: VirtualNode, *, trouble: str, now: datetime) -> dict[str, Any]:
    profile = _profile(row)
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": row.name,
            "labels": dict(profile.labels),
            "annotations": dict(profile.annotations),
        },
        "spec": {"taints": taints(row, (), trouble=trouble)},
        "status": status(row, (), trouble=trouble, now=now),
    }


def lease(row: VirtualNode, uid: str, now: datetime) -> dict[str, Any]:
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {
            "name": row.name,
            "namespace": "kube-node-lease",
            "ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": row.name, "uid": uid}],
        },
        "spec": {
            "holderIdentity": row.name,
            "leaseDurationSeconds": LEASE_SECONDS,
            "renewTime": micro(now),
        },
    }
