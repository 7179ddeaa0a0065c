"""ECI's answers as `providers.base.Instance`.

Sources: ECI developer reference, DescribeContainerGroups and DescribeContainerGroupStatus; ECI user
guide, "Life cycle of an instance" (states and when they are billed); response models of package
`alibabacloud-eci20180808` 2.1.0 (names in mixed case, and `StartedAtstartedAt` for `StartedAt`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from providers.base import (
    CloudEvent,
    ContainerState,
    ContainerStatus,
    Instance,
    InstanceState,
    RunState,
    Size,
    Used,
)
from providers.eci import ecs, sizes
from providers.errors import Unavailable

Map = Mapping[str, Any]
_NANO, _GIB = Decimal(10**9), Decimal(1024**3)

STATES = {
    "Scheduling": InstanceState.SCHEDULING,
    "ScheduleFailed": InstanceState.SCHEDULE_FAILED,
    "Pending": InstanceState.STARTING,
    "Running": InstanceState.RUNNING,
    "Restarting": InstanceState.RESTARTING,
    "Updating": InstanceState.RESTARTING,
    "Terminating": InstanceState.STOPPING,
    "Succeeded": InstanceState.SUCCEEDED,
    "Failed": InstanceState.FAILED,
    "Expired": InstanceState.EXPIRED,
}


def state(text: str) -> InstanceState:
    try:
        return STATES[text]
    except KeyError as error:
        raise Unavailable(f"ECI told the unknown status {text!r}", code="UnknownStatus") from error


def time(text: str | None) -> datetime | None:
    """RFC 3339 as aware UTC; the zero time of a Go program is no time."""
    if not text or text.startswith("0001"):
        return None
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(UTC)
    except ValueError as error:
        raise Unavailable(f"ECI told the unreadable time {text!r}", code="BadTime") from error


def group(body: Map) -> Instance:
    """One of DescribeContainerGroups."""
    found = tuple(event(e) for e in body.get("Events") or ())
    raw = str(body.get("Status", ""))
    reason, message = _why(raw, found)
    return Instance(
        id=str(body["ContainerGroupId"]),
        name=str(body.get("ContainerGroupName", "")),
        state=state(raw),
        raw_state=raw,
        region=str(body.get("RegionId") or ""),
        zone=str(body.get("ZoneId") or ""),
        subnet=str(body.get("VSwitchId") or ""),
        ip=str(body.get("IntranetIp") or ""),
        size=_size(body),
        created_at=time(body.get("CreationTime")),
        billed_from=_billed_from(found),
        ended_at=time(
            body.get("SucceededTime") or body.get("FailedTime") or body.get("ExpiredTime")
        ),
        reason=reason,
        message=message,
        containers=tuple(_container(c) for c in body.get("Containers") or ()),
        init_containers=tuple(_container(c) for c in body.get("InitContainers") or ()),
        events=found,
        tags={str(tag["Key"]): str(tag.get("Value") or "") for tag in body.get("Tags") or ()},
        written=_written(body, found),
    )


_WRITTEN = {
    "k8s.aliyun.com/eci-vpc": "VpcId",
    "k8s.aliyun.com/eni-instance-id": "EniInstanceId",
    "k8s.aliyun.com/allocated-eipAddress": "InternetIp",
    "k8s.aliyun.com/allocated-ipv6Address": "Ipv6Address",
    "k8s.aliyun.com/eci-instance-compute-category": "ComputeCategory",
}
_HIT = "SuccessfulHitImageCache"
_CACHE = re.compile(r"\bimc-\w+")


def _written(body: Map, events: Iterable[CloudEvent]) -> dict[str, str]:
    """What the pod's annotations are to say (ECI user guide, "ECI Pod annotations")."""
    found = {key: str(body[name]) for key, name in _WRITTEN.items() if body.get(name)}
    hits = (_CACHE.search(event.message) for event in events if event.reason == _HIT)
    cache = next((hit[0] for hit in hits if hit), "")
    return found | ({"k8s.aliyun.com/eci-matched-image-cache": cache} if cache else {})


def _size(body: Map) -> Size | None:
    name = str(body.get("InstanceType") or "")
    if body.get("Cpu") is None or body.get("Memory") is None:
        return ecs.size_of(name) if name else None
    cpu, memory = Decimal(str(body["Cpu"])), Decimal(str(body["Memory"]))
    asked = sum(int(container.get("Gpu") or 0) for container in body.get("Containers") or ())
    gpu = ecs.size_of(name).gpu or asked
    return Size(
        cpu,
        memory,
        name or sizes.label(cpu, memory),
        gpu=gpu,
        type=name,
        tier=_tier(body),
        storage=int(body.get("EphemeralStorage") or 0),
    )


def _tier(body: Map) -> str:
    if str(body.get("SpotStrategy") or "NoSpot") != "NoSpot":
        return "spot"
    return str(body.get("ComputeCategory") or "").partition(",")[0]


_UNHAPPY = {"ScheduleFailed", "Failed", "Expired"}


def _why(raw: str, events: Iterable[CloudEvent]) -> tuple[str, str]:
    """Reason and message: the newest warning; the status itself when an unhappy end has none."""
    warnings = [e for e in events if e.type == "Warning"]
    if warnings:
        newest = max(warnings, key=lambda e: e.at)
        return newest.reason, newest.message
    return (raw, "") if raw in _UNHAPPY else ("", "")


_FIRST_BILLED = {"Pulling", "Pulled", "SuccessfulHitImageCache", "Created", "Started"}


def _billed_from(events: Iterable[CloudEvent]) -> datetime | None:
    """Billing begins when the image pull does (ECI billing): the first event of that kind."""
    times = [e.at for e in events if e.reason in _FIRST_BILLED and e.count == 1]
    return min(times) if times else None


def _met(conditions: Iterable[Map], name: str) -> datetime | None:
    for condition in conditions:
        if condition.get("type") == name and condition.get("status") == "True":
            return time(condition.get("lastTransitionTime"))
    return None


def event(body: Map) -> CloudEvent:
    at = time(body.get("LastTimestamp")) or time(body.get("FirstTimestamp"))
    return CloudEvent(
        at=at or datetime.fromtimestamp(0, UTC),
        type=str(body.get("Type") or "Normal"),
        reason=str(body.get("Reason") or ""),
        message=str(body.get("Message") or ""),
        count=int(body.get("Count") or 1),
    )


def used(record: Map) -> Used | None:
    """A point of a metric: `UsageNanoCores` and the working set in bytes, without page cache that
    could be given back (ECI API reference, DescribeMultiContainerGroupMetric)."""
    at = time(record.get("Timestamp"))
    cores = (record.get("CPU") or {}).get("UsageNanoCores")
    memory = record.get("Memory") or {}
    held = memory.get("WorkingSet") or memory.get("UsageBytes")
    if at is None or cores is None or held is None:
        return None
    return Used(at, Decimal(int(cores)) / _NANO, Decimal(int(held)) / _GIB)


def _container(body: Map) -> ContainerStatus:
    previous = body.get("PreviousState") or {}
    return ContainerStatus(
        name=str(body["Name"]),
        image=str(body.get("Image") or ""),
        ready=bool(body.get("Ready")),
        restarts=int(body.get("RestartCount") or 0),
        state=_state(body.get("CurrentState") or {}),
        last=_state(previous) if previous.get("State") else None,
    )


def _state(body: Map) -> ContainerState:
    """CurrentState and PreviousState of DescribeContainerGroups."""
    run = RunState(str(body.get("State") or "Waiting").lower())
    over = run is RunState.TERMINATED
    return ContainerState(
        state=run,
        reason=str(body.get("Reason") or body.get("DetailStatus") or ""),
        message=str(body.get("Message") or ""),
        exit_code=int(body.get("ExitCode") or 0) if over else None,
        signal=int(body["Signal"]) if over and body.get("Signal") else None,
        started_at=time(body.get("StartTime")),
        finished_at=time(body.get("FinishTime")) if over else None,
    )


def status(body: Map, *, region: str) -> Instance:
    """One of DescribeContainerGroupStatus. It tells no zone, size, tags, creation or end.

    The end of the last container is not the end of the bill: only DescribeContainerGroups has that.
    """
    raw = str(body.get("Status") or "")
    pod: Map = body.get("PodStatus") or {}
    conditions: list[Map] = pod.get("Conditions") or []
    reason, message = _blocked(conditions)
    containers = tuple(_pod_container(c) for c in pod.get("ContainerStatuses") or ())
    return Instance(
        id=str(body["ContainerGroupId"]),
        name=str(body.get("Name") or ""),
        state=state(raw),
        raw_state=raw,
        region=region,
        ip=str(pod.get("PodIp") or ""),
        billed_from=_met(conditions, "ContainerInstanceCreated"),
        reason=reason or (raw if raw in _UNHAPPY else ""),
        message=message,
        containers=containers,
    )


def _blocked(conditions: Iterable[Map]) -> tuple[str, str]:
    """Reason and message of the condition that is not met."""
    for name in ("Unschedulable", "ContainerInstanceCreated", "PodScheduled", "SandboxReady"):
        for condition in conditions:
            met = (condition.get("status") == "True") is (name != "Unschedulable")
            if condition.get("type") == name and not met and condition.get("Reason"):
                return str(condition["Reason"]), str(condition.get("Message") or "")
    return "", ""


def _pod_container(body: Map) -> ContainerStatus:
    last = body.get("LastState") or {}
    return ContainerStatus(
        name=str(body["Name"]),
        image=str(body.get("Image") or ""),
        ready=bool(body.get("Ready")),
        restarts=int(body.get("RestartCount") or 0),
        state=_pod_state(body.get("State") or {}),
        last=_pod_state(last) if any(last.values()) else None,
    )


def _pod_state(body: Map) -> ContainerState:
    """State and LastState of DescribeContainerGroupStatus: one of three parts is filled."""
    ended: Map = body.get("Terminated") or {}
    if ended:
        return ContainerState(
            state=RunState.TERMINATED,
            reason=str(ended.get("Reason") or ""),
            message=str(ended.get("Message") or ""),
            exit_code=int(ended.get("ExitCode") or 0),
            signal=int(ended["Signal"]) if ended.get("Signal") else None,
            started_at=time(ended.get("StartedAt")),
            finished_at=time(ended.get("FinishedAt")),
        )
    running: Map | None = body.get("Running")
    if running is not None and not body.get("Waiting"):
        started = running.get("StartedAt") or running.get("StartedAtstartedAt")
        return ContainerState(state=RunState.RUNNING, started_at=time(started))
    waiting: Map = body.get("Waiting") or {}
    return ContainerState(
        state=RunState.WAITING,
        reason=str(waiting.get("Reason") or ""),
        message=str(waiting.get("Message") or ""),
    )
