"""The Ready, Status and Restarts cells of a pod, following kubectl's ``printPod``."""

from datetime import datetime
from typing import Any

from sandbox.cluster.durations import age

Obj = dict[str, Any]


def pod_ready(obj: Obj, _: datetime) -> str:
    """Return ``ready/total``; sidecars (restartable init containers) count."""
    sidecars = {c["name"] for c in obj["spec"].get("initContainers") or () if _sidecar(c)}
    total = len(obj["spec"].get("containers") or ()) + len(sidecars)
    statuses = obj.get("status", {}).get("containerStatuses") or ()
    good = sum(bool(s.get("ready")) for s in statuses)
    good += sum(
        bool(s.get("ready"))
        for s in obj.get("status", {}).get("initContainerStatuses") or ()
        if s["name"] in sidecars
    )
    return f"{good}/{total}"


def _sidecar(container: Obj) -> bool:
    return container.get("restartPolicy") == "Always"


def pod_status(obj: Obj, _: datetime) -> str:
    """Return the word under STATUS, e.g. ``ContainerCreating``, ``Init:0/1``, ``Completed``."""
    status = obj.get("status") or {}
    reason = status.get("reason") or status.get("phase", "Unknown")
    for condition in status.get("conditions") or ():
        if condition["type"] == "PodScheduled" and condition.get("reason") == "SchedulingGated":
            reason = "SchedulingGated"
    reason = _initializing(obj, status) or _running(status, reason)
    if obj["metadata"].get("deletionTimestamp"):
        if status.get("reason") == "NodeLost":
            return "Unknown"
        if status.get("phase") not in ("Succeeded", "Failed"):
            return "Terminating"
    return str(reason)


def _initializing(obj: Obj, status: Obj) -> str:
    specs = {c["name"]: c for c in obj["spec"].get("initContainers") or ()}
    for index, item in enumerate(status.get("initContainerStatuses") or ()):
        state = item.get("state") or {}
        ended, waiting = state.get("terminated"), state.get("waiting")
        if ended and ended.get("exitCode") == 0:
            continue
        if _sidecar(specs.get(item["name"], {})) and item.get("started"):
            continue
        if ended:
            return "Init:" + _ended(ended)
        if waiting and waiting.get("reason") not in (None, "", "PodInitializing"):
            return f"Init:{waiting['reason']}"
        return f"Init:{index}/{len(specs)}"
    return ""


def _ended(state: Obj) -> str:
    if state.get("reason"):
        return str(state["reason"])
    if state.get("signal"):
        return f"Signal:{state['signal']}"
    return f"ExitCode:{state.get('exitCode', 0)}"


def _running(status: Obj, reason: str) -> str:
    alive = False
    for item in reversed(status.get("containerStatuses") or ()):
        state = item.get("state") or {}
        if (state.get("waiting") or {}).get("reason"):
            reason = state["waiting"]["reason"]
        elif state.get("terminated"):
            reason = _ended(state["terminated"])
        elif item.get("ready") and state.get("running") is not None:
            alive = True
    if reason == "Completed" and alive:
        ready = any(
            c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions") or ()
        )
        return "Running" if ready else "NotReady"
    return reason


def pod_restarts(obj: Obj, now: datetime) -> str:
    """Return the restart count, with the time of the last one when there was any."""
    count, last = 0, ""
    for item in obj.get("status", {}).get("containerStatuses") or ():
        count += item.get("restartCount", 0)
        ended = (item.get("lastState") or {}).get("terminated") or {}
        last = max(last, ended.get("finishedAt") or "")
    return f"{count} ({age(last, now)} ago)" if count and last else str(count)
