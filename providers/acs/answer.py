"""Pods of an ACS cluster as `providers.base.Instance`.

Sources: Kubernetes API reference, "PodStatus" and "ContainerStatus" (`startTime`: when the kubelet
took the pod, before it pulls images, which is when it begins to cost); ACS user guide, "ACS Pod
annotations" and "ACS Pod custom conditions" (`ContainerInstanceCreated` and its reasons).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal

from kube import CoreEvent, Pod
from kube.objects import Condition
from kube.objects import ContainerState as PodContainerState
from kube.objects import ContainerStatus as PodContainerStatus
from providers.acs import keys, sizes
from providers.base import (
    CloudEvent,
    ContainerState,
    ContainerStatus,
    Instance,
    InstanceState,
    RunState,
    Size,
)
from providers.errors import Unavailable

NO_STOCK = frozenset({"NoStock", "StockExhaust", "StockClose"})
_NODE_PREFIX = "virtual-kubelet-"
_CREATED = "ContainerInstanceCreated"
_SCHEDULED = "PodScheduled"
_NOTICE = "DisruptionTarget"
_GOING_ON = frozenset({"", "Creating"})


def time(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(UTC)
    except ValueError as error:
        raise Unavailable(f"ACS told the unreadable time {text!r}", code="BadTime") from error


def tags(pod: Pod) -> dict[str, str]:
    """As they were asked for; empty when the pod carries none of ours."""
    text = (pod.metadata.annotations or {}).get(keys.TAGS, "")
    try:
        found = json.loads(text) if text else {}
    except ValueError:
        return {}
    return {str(k): str(v) for k, v in found.items()} if isinstance(found, dict) else {}


def instance(pod: Pod, *, region: str) -> Instance:
    meta, status = pod.metadata, pod.status
    annotations = meta.annotations or {}
    now = state(pod)
    containers = tuple(_container(c) for c in status.container_statuses or ())
    inits = tuple(_container(c) for c in status.init_container_statuses or ())
    reason, message = why(pod)
    paid = now.billed or (now.over and now is not InstanceState.SCHEDULE_FAILED)
    return Instance(
        id=meta.name,
        name=meta.name,
        state=now,
        raw_state="Terminating" if pod.terminating and not now.over else status.phase or "Pending",
        region=region,
        zone=zone(pod),
        subnet=annotations.get(keys.VSWITCH, ""),
        ip=status.pod_ip,
        size=_size(pod),
        created_at=time(meta.creation_timestamp),
        billed_from=time(status.start_time) if paid else None,
        ended_at=_ended((*containers, *inits)) if now.over else None,
        reason=reason,
        message=message,
        containers=containers,
        init_containers=inits,
        tags=tags(pod),
        shown_id=annotations.get(keys.INSTANCE_ID, ""),
        written=keys.written(annotations),
    )


def state(pod: Pod) -> InstanceState:
    """Pending is SCHEDULING, unpaid, until a node has the pod and ACS has an instance for it."""
    phase = pod.status.phase
    if phase == "Succeeded":
        return InstanceState.SUCCEEDED
    if phase == "Failed":
        unmade = pod.status.reason in NO_STOCK or _blocked(pod, _CREATED).reason in NO_STOCK
        return InstanceState.SCHEDULE_FAILED if unmade and not _ran(pod) else InstanceState.FAILED
    if pod.terminating:
        return InstanceState.STOPPING
    if phase == "Running":
        return InstanceState.RUNNING
    has = pod.status.start_time or (pod.metadata.annotations or {}).get(keys.INSTANCE_ID)
    waits = not (pod.spec.node_name and has) or _blocked(pod, _CREATED).reason not in _GOING_ON
    return InstanceState.SCHEDULING if waits else InstanceState.STARTING


def _ran(pod: Pod) -> bool:
    return any(c.container_id for c in pod.status.container_statuses or ())


def _condition(pod: Pod, name: str) -> Condition:
    found = (c for c in pod.status.conditions or () if c.type == name)
    return next(found, Condition())


def _blocked(pod: Pod, name: str) -> Condition:
    """The condition where it is told and not met; an empty one otherwise."""
    found = _condition(pod, name)
    return found if found.status == "False" else Condition()


def short(pod: Pod) -> bool:
    """Whether ACS says that it has no stock for the pod."""
    over = pod.status.phase in {"Running", "Succeeded"}
    told = {pod.status.reason, _blocked(pod, _CREATED).reason, _blocked(pod, _SCHEDULED).reason}
    return not over and bool(told & NO_STOCK)


def zones(pod: Pod) -> tuple[str, ...]:
    """The zone the pod has, else those it was asked for."""
    asked = (pod.metadata.annotations or {}).get(keys.ZONES, "")
    known = zone(pod)
    return (known,) if known else tuple(filter(None, asked.split(",")))


def zone(pod: Pod) -> str:
    told = (pod.metadata.annotations or {}).get(keys.ZONE, "")
    node = pod.spec.node_name
    if told or not node.startswith(_NODE_PREFIX):
        return told
    return node.removeprefix(_NODE_PREFIX)


def why(pod: Pod) -> tuple[str, str]:
    """Reason and message: of an end, of an eviction to come, of what the pod waits for."""
    if pod.status.phase == "Failed" or pod.status.reason:
        return pod.status.reason or "Failed", pod.status.message
    notice = _condition(pod, _NOTICE)
    if notice.status == "True":
        return notice.reason, notice.message
    if pod.status.phase == "Pending":
        for name in (_CREATED, _SCHEDULED):
            found = _blocked(pod, name)
            if found.reason not in _GOING_ON:
                return found.reason, found.message
    return "", ""


def _size(pod: Pod) -> Size | None:
    annotations, labels = pod.metadata.annotations or {}, pod.metadata.labels or {}
    pair = sizes.pair(annotations.get(keys.USE_SPEC, ""))
    if pair is None:
        return None
    cards = annotations.get(keys.GPU_USE_SPEC, "0")
    return Size(
        *pair,
        sizes.label(*pair),
        gpu=int(Decimal(cards)) if cards.replace(".", "", 1).isdigit() else 0,
        type=labels.get(keys.MODEL, ""),
        tier=keys.tier(labels),
        storage=sizes.charged(annotations.get(keys.STORAGE, "")),
    )


def _ended(containers: Iterable[ContainerStatus]) -> datetime | None:
    times = [c.state.finished_at for c in containers if c.state.finished_at]
    return max(times) if times else None


def _container(body: PodContainerStatus) -> ContainerStatus:
    last = body.last_state
    ended = last is not None and last.terminated is not None
    return ContainerStatus(
        name=body.name,
        image=body.image,
        ready=body.ready,
        restarts=body.restart_count,
        state=_state(body.state or PodContainerState()),
        last=_state(last) if last is not None and ended else None,
    )


def _state(body: PodContainerState) -> ContainerState:
    ended = body.terminated
    if ended is not None:
        return ContainerState(
            state=RunState.TERMINATED,
            reason=ended.reason,
            message=ended.message,
            exit_code=ended.exit_code,
            signal=ended.signal or None,
            started_at=time(ended.started_at),
            finished_at=time(ended.finished_at),
        )
    if body.running is not None:
        return ContainerState(state=RunState.RUNNING, started_at=time(body.running.started_at))
    waiting = body.waiting
    return ContainerState(
        state=RunState.WAITING,
        reason=waiting.reason if waiting else "",
        message=waiting.message if waiting else "",
    )


def event(body: CoreEvent) -> CloudEvent:
    told = body.last_timestamp or body.event_time or body.first_timestamp
    at = time(told or body.metadata.creation_timestamp)
    return CloudEvent(
        at=at or datetime.fromtimestamp(0, UTC),
        type=body.type or "Normal",
        reason=body.reason,
        message=body.message,
        count=body.count or 1,
    )


def holds(found: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    """Whether the tags `found` contain `wanted`."""
    return all(found.get(key) == value for key, value in wanted.items())
