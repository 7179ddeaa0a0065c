"""What the cloud says of an instance, as the status of its pod. Pure and monotone.

Phase and containers as a kubelet reports them (Kubernetes documentation, "Pod Lifecycle"; the
phase rules of `pkg/kubelet/kubelet_pods.go`, getPhase). What was reported stays true: the phase
never goes back, an end is final, restart counts grow, a container that ended for good stays ended.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from addons.pods import resize
from addons.pods.asked import qos_class
from addons.pods.conditions import conditions
from addons.pods.container_status import CREATING, View, Waiting, lost
from addons.pods.resize import Asked
from addons.pods.times import stamp
from providers.base import Instance, InstanceState

Json = Mapping[str, Any]
Status = dict[str, Any]
_RANK = {"": 0, "Pending": 0, "Unknown": 0, "Running": 1, "Succeeded": 2, "Failed": 2}


def is_over(pod: Json) -> bool:
    return (pod.get("status") or {}).get("phase") in {"Succeeded", "Failed"}


def status_of(
    pod: Json,
    instance: Instance | None,
    *,
    now: datetime,
    provider: str = "",
    waiting: Waiting = CREATING,
    asked: Asked | None = None,
    fresh: bool = False,
) -> Status:
    """The whole status that the pod should have. A pod that is over keeps the one it has.

    `asked`: what its instance was asked for, once that was done; `fresh`: that was just now.
    """
    before: Json = pod.get("status") or {}
    if is_over(pod):
        return dict(before)
    view = View(pod, instance, provider, waiting, now)
    inits, containers = view.inits(), view.containers()
    phase = _phase(instance, containers)
    if _RANK[phase] < _RANK[before.get("phase", "")]:
        phase = before["phase"]
    reason, message = _why(phase, instance)
    allocated = resize.allocation(pod, asked, fresh=fresh)
    status = _status(
        pod,
        phase,
        resize.with_resources(inits, allocated),
        resize.with_resources(containers, allocated),
        instance,
        reason=reason,
        message=message,
        now=now,
        resizing=resize.is_pending(pod, allocated, asked),
    )
    return {**status, **resize.of_the_pod(allocated)}


def failed(pod: Json, *, reason: str, message: str, now: datetime) -> Status:
    """The pod has failed for good; containers that had not ended are reported as lost."""
    before: Json = pod.get("status") or {}
    if is_over(pod):
        return dict(before)
    return _status(
        pod,
        "Failed",
        [lost(s, now) for s in before.get("initContainerStatuses") or ()],
        [lost(s, now) for s in before.get("containerStatuses") or ()],
        None,
        reason=reason,
        message=message,
        now=now,
    )


def _status(
    pod: Json,
    phase: str,
    inits: Sequence[Json],
    containers: Sequence[Json],
    instance: Instance | None,
    *,
    reason: str,
    message: str,
    now: datetime,
    resizing: bool = False,
) -> Status:
    before: Json = pod.get("status") or {}
    address = before.get("podIP") or (instance.ip if instance else "")
    result: Status = {
        "phase": phase,
        "conditions": conditions(
            pod,
            phase=phase,
            inits=inits,
            containers=containers,
            address=address,
            now=now,
            resizing=resizing,
        ),
        "startTime": before.get("startTime") or stamp(now),
        "qosClass": before.get("qosClass") or qos_class(pod),
    }
    if generation := pod["metadata"].get("generation"):
        result["observedGeneration"] = generation
    if containers or phase != "Failed":
        result["containerStatuses"] = [dict(s) for s in containers]
    if inits:
        result["initContainerStatuses"] = [dict(s) for s in inits]
    if reason or before.get("reason"):
        result["reason"] = reason or None
    if message or before.get("message"):
        result["message"] = message or None
    if address:
        # An instance is its own host: no other machine is there to name.
        host = before.get("hostIP") or address
        result |= {"podIP": address, "podIPs": [{"ip": address}]}
        result |= {"hostIP": host, "hostIPs": [{"ip": host}]}
    return result


def _why(phase: str, instance: Instance | None) -> tuple[str, str]:
    if instance is None or phase not in {"Failed", "Pending"}:
        return "", ""
    if phase == "Failed":
        reason = "Expired" if instance.state is InstanceState.EXPIRED else instance.reason
        return ("" if reason == "Failed" else reason), instance.message
    return "", ""


def _phase(instance: Instance | None, containers: Sequence[Json]) -> str:
    """The cloud's word on an end is final; before that the containers tell."""
    if instance is None:
        return "Pending"
    if instance.state is InstanceState.SUCCEEDED:
        return "Succeeded"
    if instance.state in {InstanceState.FAILED, InstanceState.EXPIRED}:
        return "Failed"
    if any("running" in s["state"] or s["restartCount"] > 0 for s in containers):
        return "Running"
    ended = [s for s in containers if "terminated" in s["state"]]
    if ended and instance.state in {InstanceState.RUNNING, InstanceState.RESTARTING}:
        return "Running"
    return "Pending"
