"""containerStatuses of a pod from the containers of the group that runs it."""

import hashlib
from datetime import UTC, datetime
from typing import Any

from .model import Container, Group, State

Obj = dict[str, Any]


def container_status(group: Group, container: Container) -> Obj:
    """Return the status of one container as a kubelet would tell it."""
    identity = hashlib.sha256(f"{group.id}/{container.name}".encode()).hexdigest()
    return {
        "name": container.name,
        "image": container.image,
        "imageID": hashlib.sha256(container.image.encode()).hexdigest(),
        "containerID": f"containerd://{identity}" if container.state.started_at else "",
        "ready": container.ready,
        "started": container.state.kind == "Running",
        "restartCount": container.restarts,
        "state": _state(container.state),
        "lastState": _state(container.previous) if container.previous else {},
    }


def _state(state: State) -> Obj:
    if state.kind == "Running":
        return {"running": {"startedAt": _stamp(state.started_at)}}
    if state.kind == "Terminated":
        ended: Obj = {
            "exitCode": state.exit_code or 0,
            "reason": state.reason,
            "finishedAt": _stamp(state.finished_at),
        }
        if state.started_at is not None:
            ended["startedAt"] = _stamp(state.started_at)
        return {"terminated": ended}
    return {"waiting": {"reason": state.reason or "ContainerCreating", "message": state.message}}


def _stamp(at: float | None) -> str:
    return datetime.fromtimestamp(int(at or 0), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
