"""State -> one of six tones: ok, prog, warn, bad, done, mute (shape and text always go with it)."""

from __future__ import annotations

from datetime import datetime, timedelta

from addons.models import Cluster, Operation, PodRow, VirtualNode
from providers.models import Orphan

PENDING_WARNS = timedelta(seconds=60)
HEARTBEAT_WARNS = timedelta(seconds=40)
_BAD = {
    "CrashLoopBackOff",
    "ErrImagePull",
    "ImagePullBackOff",
    "OOMKilled",
    "Error",
    "ProviderFailed",
    "CreateContainerConfigError",
    "Evicted",
    "Unknown",
}


def pod(row: PodRow, now: datetime) -> str:
    if row.gone_at:
        return "mute"
    if row.phase == "Failed" or row.status in _BAD or row.status.startswith("Init:Error"):
        return "bad"
    if row.phase == "Succeeded":
        return "done"
    if row.deleting_at:
        return "prog"
    if row.phase == "Running":
        return "ok" if row.ready >= row.containers else "prog"
    return "warn" if row.blocker or now - row.created_at >= PENDING_WARNS else "prog"


def node(row: VirtualNode, now: datetime) -> str:
    if row.state in {VirtualNode.State.INSTALLING, VirtualNode.State.REMOVING}:
        return "prog"
    if row.state == VirtualNode.State.NOT_READY:
        return "bad"
    if row.heartbeat_at and now - row.heartbeat_at > HEARTBEAT_WARNS:
        return "warn"
    return "mute" if row.unschedulable else "ok"


def cluster(row: Cluster) -> str:
    if row.paused:
        return "mute"
    return {"connected": "ok", "degraded": "warn", "unreachable": "bad"}[row.state]


def operation(row: Operation) -> str:
    return {
        "queued": "mute",
        "running": "prog",
        "succeeded": "ok",
        "failed": "bad",
        "cancelled": "mute",
    }[row.state]


def orphan(row: Orphan) -> str:
    if row.closed_at:
        return "mute"
    return "prog" if row.delete_asked_at and not row.last_error else "warn"
