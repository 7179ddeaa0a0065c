"""Phase and conditions of a pod from the states of its containers; pure functions.

The rules are those of kubelet's getPhase and status generation (pkg/kubelet).
"""

from __future__ import annotations

from ..informer import Obj
from ..objects import with_condition

_OWN = frozenset(
    ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
)
_GATE = "corresponding condition of pod readiness gate"


def phase_of(spec: Obj, inits: list[Obj], mains: list[Obj]) -> str:
    """Pending, Running, Succeeded or Failed."""
    policy = spec.get("restartPolicy") or "Always"
    if not init_done(spec, inits):
        failed = any(_ended(s) not in {None, 0} for s in inits)
        return "Failed" if failed and policy == "Never" else "Pending"
    fresh = [s for s in mains if "waiting" in s["state"] and not s.get("lastState")]
    if fresh or not mains:
        return "Pending"
    codes = [_ended(s) for s in mains]
    if None in codes or policy == "Always":
        return "Running"
    if all(code == 0 for code in codes):
        return "Succeeded"
    return "Failed" if policy == "Never" else "Running"


def _ended(status: Obj) -> int | None:
    end = status["state"].get("terminated")
    return None if end is None else int(end["exitCode"])


def is_sidecar(container: Obj) -> bool:
    """An init container that keeps running."""
    return container.get("restartPolicy") == "Always"


def init_done(spec: Obj, inits: list[Obj]) -> bool:
    """Every init container has succeeded, every sidecar has started."""
    by_name = {status["name"]: status for status in inits}
    for container in spec.get("initContainers") or []:
        status = by_name.get(container["name"])
        if status is None:
            return False
        if is_sidecar(container):
            if not status.get("started"):
                return False
        elif _ended(status) != 0:
            return False
    return True


def observed(pod: Obj, status: Obj) -> Obj:
    """The status with what a kubelet of 1.36 tells of the spec that it acted on.

    Its node has room for any resize: what is allocated is what the pod asks for.
    """
    generation = pod["metadata"].get("generation", 1)
    result = {**status, "observedGeneration": generation}
    result["conditions"] = [
        {**one, "observedGeneration": generation} if one["type"] in _OWN else one
        for one in status.get("conditions") or []
    ]
    for field, told in (
        ("containers", "containerStatuses"),
        ("initContainers", "initContainerStatuses"),
    ):
        if status.get(told):
            asked = {c["name"]: c.get("resources") or {} for c in pod["spec"].get(field) or []}
            result[told] = [_allocated(one, asked.get(one["name"], {})) for one in status[told]]
    return result


def _allocated(status: Obj, resources: Obj) -> Obj:
    if "waiting" in status["state"] and "resources" not in status:
        return status
    requests = resources.get("requests")
    return {
        **status,
        "resources": resources,
        **({"allocatedResources": requests} if requests else {}),
    }


def with_conditions(pod: Obj, status: Obj, now: float) -> Obj:
    """The status with the kubelet's five conditions."""
    spec = pod["spec"]
    inits = status.get("initContainerStatuses") or []
    mains = status.get("containerStatuses") or []
    sidecars = {c["name"] for c in spec.get("initContainers") or [] if is_sidecar(c)}
    running = [*(one for one in inits if one["name"] in sidecars), *mains] if mains else []
    ended = status["phase"] in {"Succeeded", "Failed"}
    conditions = status.get("conditions") or []
    new = [
        _sandbox(status),
        _initialized(spec, inits, ended=ended and status["phase"] == "Succeeded"),
        _ready("Ready", status, running, _gates(pod, status)),
        _ready("ContainersReady", status, running, []),
        {"type": "PodScheduled", "status": "True"},
    ]
    for condition in new:
        conditions = with_condition(conditions, {"lastProbeTime": None, **condition}, now)
    return {**status, "conditions": [_bare(c) for c in conditions]}


def _bare(condition: Obj) -> Obj:
    return {k: v for k, v in condition.items() if v is not None}


def _sandbox(status: Obj) -> Obj:
    alive = bool(status.get("podIP")) and status["phase"] not in {"Succeeded", "Failed"}
    return {"type": "PodReadyToStartContainers", "status": "True" if alive else "False"}


def _initialized(spec: Obj, inits: list[Obj], *, ended: bool) -> Obj:
    if ended:
        return {"type": "Initialized", "status": "True", "reason": "PodCompleted"}
    if init_done(spec, inits):
        return {"type": "Initialized", "status": "True"}
    left = [s["name"] for s in inits if _ended(s) != 0]
    return {
        "type": "Initialized",
        "status": "False",
        "reason": "ContainersNotInitialized",
        "message": f"containers with incomplete status: [{' '.join(left)}]",
    }


def _gates(pod: Obj, status: Obj) -> list[str]:
    """Readiness gates that are not True."""
    true = {c["type"] for c in status.get("conditions") or [] if c["status"] == "True"}
    gates = [g["conditionType"] for g in pod["spec"].get("readinessGates") or []]
    return [gate for gate in gates if gate not in true]


def _ready(kind: str, status: Obj, mains: list[Obj], gates: list[str]) -> Obj:
    if status["phase"] == "Succeeded":
        return {"type": kind, "status": "False", "reason": "PodCompleted"}
    if status["phase"] == "Failed":
        return {"type": kind, "status": "False", "reason": "PodFailed"}
    unready = [s["name"] for s in mains if not s.get("ready")]
    if unready or not mains:
        return {
            "type": kind,
            "status": "False",
            "reason": "ContainersNotReady",
            "message": f"containers with unready status: [{' '.join(unready)}]",
        }
    if gates:
        return {
            "type": kind,
            "status": "False",
            "reason": "ReadinessGatesNotReady",
            "message": f'{_GATE} "{gates[0]}" does not exist.',
        }
    return {"type": kind, "status": "True"}
