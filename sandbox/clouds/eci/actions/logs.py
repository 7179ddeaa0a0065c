"""DescribeContainerLog: what the programs printed so far."""

from datetime import UTC, datetime

from ..errors import incorrect_status, invalid
from ..parameters import flag, integer, required, text
from .base import Call, Json

MAX_LINES, MAX_BYTES = 2000, 1024 * 1024


def describe(call: Call) -> Json:
    """Return the tail of a container's log, at most 2000 lines and 1 MB."""
    params = call.params
    call.region()
    group = call.cloud.get(required(params, "ContainerGroupId"))
    name = text(params, "ContainerName") or group.containers[0].name
    container = group.container(name)
    if container is None:
        raise invalid("ContainerName", f"{name} is not a container of {group.id}")
    if group.status in {"Scheduling", "ScheduleFailed"}:
        raise incorrect_status(group.id, group.status)
    previous = flag(params, "LastTime")
    lines = call.cloud.lifecycle.printed(group, container, call.now, previous=previous)
    since = _since(call)
    tail = integer(params, "Tail", 500, 1, 10**6)
    kept = [(at, line) for at, line in lines if at >= since][-min(tail, MAX_LINES) :]
    stamped = flag(params, "Timestamps")
    content = "".join(f"{_stamp(at)} {line}\n" if stamped else f"{line}\n" for at, line in kept)
    limit = min(integer(params, "LimitBytes", MAX_BYTES, 1), MAX_BYTES)
    content = content.encode()[-limit:].decode(errors="replace")
    return {"ContainerName": name, "Content": content}


def _since(call: Call) -> float:
    start = text(call.params, "StartTime")
    if start:
        try:
            return datetime.fromisoformat(start).timestamp()
        except ValueError as exc:
            raise invalid("StartTime", "an RFC 3339 time is expected") from exc
    seconds = integer(call.params, "SinceSeconds", 0)
    return call.now - seconds if seconds else 0.0


def _stamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
