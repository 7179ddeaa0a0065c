"""A pod as its row in the mirror: pure, the same columns that kubectl prints.

STATUS follows `printPod` of kubectl (pkg/printers/internalversion).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec

from addons.pods import reasons
from addons.pods.taints import repels, spelled, tolerated
from kube import Pod
from kube.objects import ContainerStatus

_TERMINAL = {"Succeeded", "Failed"}
_SELECTOR = ("type", "virtual-kubelet")
# Keys that samples of the vendors use for one another (KCI guide, "Connect a cluster to KCI").
_LOOKALIKES = {"virtual-kubelet.io/provider", "rbkci-virtual-kubelet.io/provider"}
Taints = Sequence[Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Row:
    """`fields` are columns of PodRow; `version` is the resourceVersion they came from.

    `unseen`: its spec is newer than the one that its status tells of, as after a resize.
    """

    uid: str
    namespace: str
    name: str
    node_name: str
    version: int
    fields: dict[str, Any]
    unseen: bool = False


def moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _waiting_or_over(status: ContainerStatus) -> str:
    state = status.state
    if state is None:
        return ""
    if state.waiting and state.waiting.reason:
        return state.waiting.reason
    over = state.terminated
    if over is None:
        return ""
    if over.reason:
        return over.reason
    return f"Signal:{over.signal}" if over.signal else f"ExitCode:{over.exit_code}"


def _initializing(pod: Pod) -> str:
    """`Init:0/1`, `Init:Error` ... while init containers are not done; else empty."""
    statuses = pod.status.init_container_statuses or []
    for index, status in enumerate(statuses):
        over = status.state.terminated if status.state else None
        if over is not None and over.exit_code == 0:
            continue
        if over is not None:
            return f"Init:{_waiting_or_over(status)}"
        reason = _waiting_or_over(status)
        if reason and reason != "PodInitializing":
            return f"Init:{reason}"
        return f"Init:{index}/{len(pod.spec.init_containers or statuses)}"
    return ""


def _from_containers(pod: Pod, reason: str) -> str:
    """What the containers say, the first one winning; running ones hide a completed one."""
    running = False
    for status in reversed(pod.status.container_statuses or []):
        told = _waiting_or_over(status)
        if told:
            reason = told
        elif status.ready and status.state and status.state.running:
            running = True
    if reason == "Completed" and running:
        ready = any(c.type == "Ready" and c.status == "True" for c in pod.status.conditions or ())
        return "Running" if ready else "NotReady"
    return reason


def status_text(pod: Pod) -> str:
    """What kubectl prints under STATUS."""
    text = pod.status.reason or pod.status.phase or "Unknown"
    text = _initializing(pod) or _from_containers(pod, text)
    if pod.terminating:
        if pod.status.reason == "NodeLost":
            return "Unknown"
        if pod.status.phase not in _TERMINAL:
            return "Terminating"
    return text


def workload(pod: Pod) -> tuple[str, str]:
    """The workload a person knows: the Deployment rather than its ReplicaSet."""
    owner = pod.metadata.owner
    if owner is None:
        return "", ""
    digest = (pod.metadata.labels or {}).get("pod-template-hash", "")
    if owner.kind == "ReplicaSet" and digest and owner.name.endswith(f"-{digest}"):
        return "Deployment", owner.name.removesuffix(f"-{digest}")
    return owner.kind, owner.name


def wants_virtual_node(pod: Pod, taint_keys: Collection[str]) -> bool:
    """Whether an unscheduled pod asks for a node like ours; tolerating everything is no wish."""
    if _selects_virtual_nodes(pod):
        return True
    return any(t.key and t.key in taint_keys for t in pod.spec.tolerations or ())


def _selects_virtual_nodes(pod: Pod) -> bool:
    """By the label that tells them: in the nodeSelector, or in every term of the affinity."""
    key, value = _SELECTOR
    if (pod.spec.node_selector or {}).get(key) == value:
        return True
    affinity = (pod.spec.affinity or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    terms = required.get("nodeSelectorTerms") or ()
    return bool(terms) and all(
        any(
            rule.get("key") == key and rule.get("operator") == "In" and value in rule["values"]
            for rule in term.get("matchExpressions") or ()
        )
        for term in terms
    )


def _repelled(pod: Pod, nodes: Sequence[Taints]) -> Mapping[str, str] | None:
    """The taint that keeps it from every virtual node although it selects them; else None."""
    if not _selects_virtual_nodes(pod):
        return None
    own = [msgspec.to_builtins(toleration) for toleration in pod.spec.tolerations or ()]
    lacking = [
        next((t for t in taints if repels(t) and not tolerated(own, t)), None) for taints in nodes
    ]
    return lacking[0] if lacking and all(lacking) else None


def _condition_time(pod: Pod, kind: str) -> datetime | None:
    for condition in pod.status.conditions or ():
        if condition.type == kind and condition.status == "True":
            return moment(condition.last_transition_time)
    return None


def _started(pod: Pod) -> datetime | None:
    """When the first container ran; known as long as one still does."""
    times = [
        moment(status.state.running.started_at)
        for status in pod.status.container_statuses or ()
        if status.state and status.state.running
    ]
    return min((time for time in times if time), default=None)


def _finished(pod: Pod) -> datetime | None:
    if pod.status.phase not in _TERMINAL:
        return None
    times = [
        moment(status.state.terminated.finished_at)
        for status in pod.status.container_statuses or ()
        if status.state and status.state.terminated
    ]
    return max((time for time in times if time), default=None)


def _deleting(pod: Pod) -> datetime | None:
    """When the deletion was asked for: deletionTimestamp is that plus the grace."""
    end = moment(pod.metadata.deletion_timestamp)
    grace = pod.metadata.deletion_grace_period_seconds or 0
    return end - timedelta(seconds=grace) if end else None


def _unscheduled(pod: Pod, nodes: Sequence[Taints]) -> dict[str, Any]:
    for condition in pod.status.conditions or ():
        if condition.type == "PodScheduled" and condition.status == "False":
            if taint := _repelled(pod, nodes):
                keys = [t.key for t in pod.spec.tolerations or () if t.key in _LOOKALIKES]
                values = {"taint": spelled(taint), "tolerated": keys}
                code = reasons.WRONG_TOLERATION if keys else reasons.NO_TOLERATION
                return {"blocker": code, "blocker_values": values}
            values = {"message": condition.message}
            return {"blocker": reasons.WAITING_FOR_SCHEDULE, "blocker_values": values}
    return {}


def row_of(pod: Pod, nodes: Sequence[Taints] = ()) -> Row:
    """`nodes`: the taints of each virtual node of the cluster."""
    meta, statuses = pod.metadata, pod.status.container_statuses or []
    every = [*statuses, *(pod.status.init_container_statuses or [])]
    kind, name = workload(pod)
    fields: dict[str, Any] = {
        "labels": meta.labels or {},
        "workload_kind": kind,
        "workload_name": name,
        "phase": pod.status.phase or "Pending",
        "status": status_text(pod)[:64],
        "reason": pod.status.reason[:128],
        "message": pod.status.message,
        "ready": sum(status.ready for status in statuses),
        "containers": len(pod.spec.containers or ()),
        "restarts": sum(status.restart_count for status in every),
        "ip": pod.status.pod_ip,
        "created_at": moment(meta.creation_timestamp),
        "deleting_at": _deleting(pod),
    }
    kept = {
        "scheduled_at": _condition_time(pod, "PodScheduled"),
        "running_at": _started(pod),
        "finished_at": _finished(pod),
    }
    # A time once known stays known: later states of the pod may no longer tell it.
    fields |= {column: value for column, value in kept.items() if value}
    if not pod.spec.node_name:
        fields |= _unscheduled(pod, nodes)
    version = int(meta.resource_version or 0)
    unseen = 0 < pod.status.observed_generation < meta.generation
    return Row(meta.uid, meta.namespace, meta.name, pod.spec.node_name, version, fields, unseen)
