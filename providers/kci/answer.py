"""KCI's answers as `providers.base.Instance`.

Sources: KCI API reference 2020-07-02, DescribeContainerGroup and DescribeContainerGroupEvents;
response models of the repositories kingsoftcloud/sdk-go and sdk-java (`Status` is explicitly no
pod phase; container details only in standalone mode); KCI billing, which counts from the creation.
Times come without a zone: Kingsoft's own is taken (`ZONE`) unless another one is set.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from providers.base import (
    CloudEvent,
    ContainerState,
    ContainerStatus,
    Instance,
    InstanceState,
    RunState,
    Size,
)
from providers.kci import identity, sizes

Map = Mapping[str, Any]
ZONE = ZoneInfo("Asia/Shanghai")
CLUSTER_MODE = "Cluster"

STATES = {
    "Pending": InstanceState.SCHEDULING,
    "ImagePulling": InstanceState.STARTING,
    "Running": InstanceState.RUNNING,
    "Succeeded": InstanceState.SUCCEEDED,
    "Failed": InstanceState.FAILED,
    "CreateError": InstanceState.SCHEDULE_FAILED,
}


def state(text: str) -> InstanceState:
    """`Unknown`, and any status yet to be invented, is an instance that exists and is not over."""
    return STATES.get(text, InstanceState.RESTARTING)


def time(text: str | None, zone: tzinfo = ZONE) -> datetime | None:
    """`yyyy-MM-dd HH:mm:ss` or RFC 3339, as aware UTC.

    The zero time of a program is no time; nor is what cannot be read, since no document gives the
    format of every time, and an instance without a time is better than no list.
    """
    if not text or text.startswith(("0001", "0000")):
        return None
    try:
        found = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)


def group(body: Map, *, region: str, zone: tzinfo = ZONE) -> Instance:
    """One of DescribeContainerGroup."""
    raw = str(body.get("Status") or "")
    now = state(raw)
    created = time(body.get("CreateTime"), zone)
    card = _card(body)
    containers = _containers(body, zone)
    labels = {str(one["Key"]): str(one.get("Value") or "") for one in body.get("Labels") or ()}
    name = str(body.get("ContainerGroupName") or "")
    reason, message = _why(raw)
    return Instance(
        id=str(body["ContainerGroupId"]),
        name=name,
        state=now,
        raw_state=raw,
        region=region,
        zone=str(body.get("AvailabilityZone") or ""),
        subnet=str(card.get("SubnetId") or ""),
        ip=str(card.get("PrivateIpAddress") or ""),
        size=_size(body),
        created_at=created,
        billed_from=created if now.billed or _has_run(now) else None,
        ended_at=_ended(body, containers, zone) if now.over else None,
        reason=reason,
        message=message,
        containers=containers,
        tags=identity.tags(name, labels),
        written=_written(card),
    )


def _has_run(now: InstanceState) -> bool:
    return now in {InstanceState.SUCCEEDED, InstanceState.FAILED}


def _card(body: Map) -> Map:
    """The primary network interface, or the first."""
    cards = [card for card in body.get("NetworkInterfaceAttributes") or () if card]
    primary = (c for c in cards if str(c.get("NetworkInterfaceType")).lower() == "primary")
    return next(primary, cards[0] if cards else {})


def _written(card: Map) -> dict[str, str]:
    public = str(card.get("PublicIp") or "")
    return {"spillway.io/public-ip": public} if public else {}


def _size(body: Map) -> Size | None:
    if body.get("Cpu") is None or body.get("Memory") is None:
        return None
    cpu, memory = Decimal(str(body["Cpu"])), Decimal(str(body["Memory"]))
    gpu = int(Decimal(str(body.get("Gpu") or 0)))
    machine = str(body.get("InstanceType") or "")
    return Size(cpu, memory, sizes.label(cpu, memory), gpu=gpu, type=machine)


def _why(raw: str) -> tuple[str, str]:
    if raw in {"CreateError", "Failed"}:
        return raw, ""
    if raw not in STATES:
        return "Unknown", f"KCI tells the status {raw!r} of the instance"
    return "", ""


def _containers(body: Map, zone: tzinfo) -> tuple[ContainerStatus, ...] | None:
    """None in cluster mode: only the instance's own agent knows them, and tells the cluster."""
    if body.get("KciMode") == CLUSTER_MODE or body.get("Containers") is None:
        return None
    return tuple(_container(one, zone) for one in body["Containers"])


def _container(body: Map, zone: tzinfo) -> ContainerStatus:
    current = _state(body.get("CurrentState") or {}, zone)
    previous = body.get("PreviousState") or {}
    return ContainerStatus(
        name=str(body["Name"]),
        image=str(body.get("Image") or ""),
        ready=current.state is RunState.RUNNING,
        restarts=int(body.get("RestartCount") or 0),
        state=current,
        last=_state(previous, zone) if previous.get("State") else None,
    )


def _state(body: Map, zone: tzinfo) -> ContainerState:
    """The API documents no set of states: those of Kubernetes are known, others are waited for."""
    told = str(body.get("State") or "")
    known = {run.value: run for run in RunState}
    run = known.get(told.lower(), RunState.WAITING)
    over = run is RunState.TERMINATED
    return ContainerState(
        state=run,
        reason=str(body.get("Reason") or "") or ("" if told.lower() in known else told),
        exit_code=int(body.get("ExitCode") or 0) if over else None,
        started_at=time(body.get("StartTime"), zone),
        finished_at=time(body.get("FinishTime"), zone) if over else None,
    )


def _ended(
    body: Map, containers: tuple[ContainerStatus, ...] | None, zone: tzinfo
) -> datetime | None:
    told = time(body.get("SucceededTime"), zone)
    times = [c.state.finished_at for c in containers or () if c.state.finished_at]
    return told or (max(times) if times else None)


def event(body: Map, zone: tzinfo = ZONE) -> CloudEvent:
    at = time(body.get("LastTimestamp"), zone) or time(body.get("FirstTimestamp"), zone)
    return CloudEvent(
        at=at or datetime.fromtimestamp(0, UTC),
        type=str(body.get("Type") or "Normal"),
        reason=str(body.get("Reason") or ""),
        message=str(body.get("Message") or ""),
        count=int(body.get("Count") or 1),
    )
