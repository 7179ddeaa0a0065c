"""The conditions of a pod that a kubelet owns.

Source: Kubernetes documentation, "Pod Lifecycle" (conditions), and `pkg/kubelet/status`
(reasons and messages). A transition time changes only with the status and never goes back.
Conditions of others (readiness gates, DisruptionTarget) are kept as they are. Ours tell the
generation of the pod that they were made of.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from addons.pods import resize
from addons.pods.containers import is_sidecar
from addons.pods.times import stamp

Json = Mapping[str, Any]
OWN = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")


def conditions(
    pod: Json,
    *,
    phase: str,
    inits: Sequence[Json],
    containers: Sequence[Json],
    address: str,
    now: datetime,
    resizing: bool = False,
) -> list[dict[str, Any]]:
    """All conditions of the pod: ours as they are now, the others' unchanged.

    `resizing`: it asks for another size than its instance has.
    """
    before = {c["type"]: c for c in (pod.get("status") or {}).get("conditions") or ()}
    sidecars = {one["name"] for one in pod["spec"].get("initContainers") or () if is_sidecar(one)}
    running = [*(s for s in inits if s["name"] in sidecars), *containers]
    ready = _containers_ready(phase, running)
    wanted = {
        "PodReadyToStartContainers": ("True" if address else "False", "", ""),
        "Initialized": _initialized(phase, inits, containers, sidecars),
        "Ready": _ready(pod, ready, before),
        "ContainersReady": ready,
        "PodScheduled": ("True", "", ""),
    }
    if resizing and phase not in {"Succeeded", "Failed"}:
        wanted[resize.CONDITION] = ("True", resize.INFEASIBLE, resize.MESSAGE)
    generation = pod["metadata"].get("generation")
    own = [
        _condition(name, *told, before=before.get(name), now=now, generation=generation)
        for name, told in wanted.items()
    ]
    foreign = before.keys() - {*OWN, resize.CONDITION}
    return [*own, *(dict(c) for name, c in before.items() if name in foreign)]


def _condition(
    name: str,
    status: str,
    reason: str,
    message: str,
    *,
    before: Json | None,
    now: datetime,
    generation: int | None,
) -> dict[str, Any]:
    at = stamp(now)
    if before is not None:
        previous = before.get("lastTransitionTime") or at
        at = previous if before.get("status") == status else max(at, previous)
    result: dict[str, Any] = {"type": name, "status": status, "lastTransitionTime": at}
    if generation:
        result["observedGeneration"] = generation
    # Strategic merge keeps what is not named: an old reason goes only when it is named as null.
    for key, value in (("reason", reason), ("message", message)):
        if value:
            result[key] = value
        elif before is not None and before.get(key):
            result[key] = None
    return result


def _initialized(
    phase: str, inits: Sequence[Json], containers: Sequence[Json], sidecars: Collection[str]
) -> tuple[str, str, str]:
    if phase == "Succeeded":
        return "True", "PodCompleted", ""
    waiting = [s["name"] for s in inits if not _init_done(s, sidecar=s["name"] in sidecars)]
    begun = any("waiting" not in s["state"] for s in containers)
    if phase == "Running" or begun or not waiting:
        return "True", "", ""
    names = " ".join(waiting)
    return "False", "ContainersNotInitialized", f"containers with incomplete status: [{names}]"


def _init_done(status: Json, *, sidecar: bool) -> bool:
    if sidecar:
        return bool(status.get("started"))
    terminated = (status.get("state") or {}).get("terminated") or {}
    return bool(status.get("ready")) or terminated.get("exitCode") == 0


def _containers_ready(phase: str, containers: Sequence[Json]) -> tuple[str, str, str]:
    if phase == "Succeeded":
        return "False", "PodCompleted", ""
    if phase == "Failed":
        return "False", "PodFailed", ""
    unready = " ".join(s["name"] for s in containers if not s["ready"])
    if not unready:
        return "True", "", ""
    return "False", "ContainersNotReady", f"containers with unready status: [{unready}]"


def _ready(
    pod: Json, containers: tuple[str, str, str], before: Mapping[str, Json]
) -> tuple[str, str, str]:
    gates = [g["conditionType"] for g in pod["spec"].get("readinessGates") or ()]
    if containers[0] != "True" or not gates:
        return containers
    closed = [
        f'corresponding condition of pod readiness gate "{gate}" does not exist.'
        if gate not in before
        else f'the status of pod readiness gate "{gate}" is not "True", but '
        f"{before[gate].get('status')}"
        for gate in gates
        if before.get(gate, {}).get("status") != "True"
    ]
    return ("False", "ReadinessGatesNotReady", ", ".join(closed)) if closed else containers
