"""The virtual node's row: what the cluster shows of it, mirrored; when it was last kept alive."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from addons.models import VirtualNode
from kube import Node

State = VirtualNode.State


def seen(pk: int, node: Node) -> bool:
    """Mirror what the cluster shows; whether anything changed. Times of heartbeats do not count."""
    row = VirtualNode.objects.filter(pk=pk).first()
    if row is None:
        return False
    values: dict[str, Any] = {
        "uid": node.metadata.uid,
        "version": node.status.node_info.kubelet_version,
        "unschedulable": node.spec.unschedulable,
        "labels": node.metadata.labels or {},
        "taints": [msgspec.to_builtins(taint) for taint in node.spec.taints or ()],
        "conditions": [
            {
                "type": c.type,
                "status": c.status,
                "reason": c.reason,
                "message": c.message,
                "since": c.last_transition_time,
            }
            for c in node.status.conditions or ()
        ],
        "state": _state(row, ready=node.ready),
    }
    changed = [name for name, value in values.items() if getattr(row, name) != value]
    if changed:
        VirtualNode.objects.filter(pk=pk).update(**{name: values[name] for name in changed})
    return bool(changed)


def _state(row: VirtualNode, *, ready: bool) -> str:
    if row.removing_at is not None:
        return State.REMOVING
    return State.READY if ready else State.NOT_READY


def gone(pk: int) -> bool:
    """The Node is not in the cluster."""
    return bool(
        VirtualNode.objects.filter(pk=pk, state=State.READY).update(state=State.NOT_READY, uid="")
    )


def beat(pk: int, at: datetime) -> None:
    VirtualNode.objects.filter(pk=pk).update(heartbeat_at=at)


def silent(pk: int) -> bool:
    """No heartbeat reached the cluster for longer than its Lease lasts."""
    ready = VirtualNode.objects.filter(pk=pk, state=State.READY)
    return bool(ready.update(state=State.NOT_READY))


def set_capacity(pk: int, capacity: dict[str, str]) -> bool:
    rows = VirtualNode.objects.filter(pk=pk).exclude(capacity=capacity)
    return bool(rows.update(capacity=capacity))


def wanted(pk: int) -> bool:
    """Whether the node shall be in the cluster."""
    return VirtualNode.objects.filter(pk=pk, removing_at=None).exists()
