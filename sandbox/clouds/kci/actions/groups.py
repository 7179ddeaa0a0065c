"""Describe, delete, count, logs, events and exec of container groups."""

from collections import Counter
from collections.abc import Callable, Iterable

import msgspec

from ...groups.model import Container, Group
from .. import view
from ..agent import MACHINE
from ..errors import invalid, not_found, wrong_status
from ..wire import Filter, Json, Request
from .base import Call, Page

MAX_LINES, USUAL_LINES = 2000, 500
_FILTERS: dict[str, Callable[[Group], str]] = {
    "subnet-id": lambda group: group.vswitch_id,
    "vpc-id": lambda group: group.vpc_id,
    "availability-zone.name": lambda group: group.zone,
    "status": view.status,
}


class DescribeContainerGroup(Page):
    """Ids, projects, a part of the name or of the address, filters."""

    container_group_id: list[str] = []
    project_id: list[int] = []
    search: str = ""
    filter: list[Filter] = []


class OneGroup(Request):
    """A group by id."""

    container_group_id: str


class DescribeContainerLog(OneGroup):
    """A container's newest lines."""

    container_name: str
    tail: int = USUAL_LINES


class ExecContainerCommand(OneGroup):
    """A command in a running container."""

    container_name: str
    command: list[str]
    tty: bool = msgspec.field(default=False, name="TTY")


class ClusterLabel(Request):
    """``cluster-id`` and the clusters meant."""

    key: str = "cluster-id"
    value: list[str] = []


class DescribeContainerGroupCount(Request):
    """Of which clusters to count groups."""

    label: ClusterLabel | None = None


def describe(call: Call, asked: DescribeContainerGroup) -> Json:
    """List groups a page at a time, oldest first."""
    for condition in asked.filter:
        if condition.name not in _FILTERS:
            raise invalid("Filter.Name", f"Expected one of {', '.join(_FILTERS)}.")
    return asked.cut(list(_matching(call, asked)), "ContainerGroups", view.container_group)


def visible(call: Call) -> Iterable[Group]:
    """Yield the groups that lists show: of the caller's projects, and not just created."""
    lag = call.cloud.knobs.consistency_ms / 1000
    return (
        group
        for group in call.cloud.ordered()
        if call.now - group.created_at >= lag and call.key.sees(group.request.get("ProjectId", 0))
    )


def _matching(call: Call, asked: DescribeContainerGroup) -> Iterable[Group]:
    ids, projects = set(asked.container_group_id), set(asked.project_id)
    for group in visible(call):
        if ids and group.id not in ids:
            continue
        if projects and group.request.get("ProjectId", 0) not in projects:
            continue
        if asked.search not in group.name and asked.search not in group.ip:
            continue
        if all(_FILTERS[f.name](group) in f.value for f in asked.filter):
            yield group


def _group(call: Call, group_id: str) -> Group:
    call.group_id = group_id
    return call.cloud.get(group_id)


def _container(group: Group, name: str) -> Container:
    container = group.container(name)
    if container is None or name == MACHINE:
        raise not_found("Container", name)
    return container


def delete(call: Call, asked: OneGroup) -> Json:
    """Delete a group; billing ends now."""
    group = _group(call, asked.container_group_id)
    if group.status != "Terminating":
        call.cloud.lifecycle.delete(group, call.now)
        call.cloud.settle(group)
    return {}


def log(call: Call, asked: DescribeContainerLog) -> Json:
    """Return the newest lines of a container; in cluster mode of one that the agent runs."""
    group = _group(call, asked.container_group_id)
    if not 0 < asked.tail <= MAX_LINES:
        raise invalid("Tail", f"Expected 1 to {MAX_LINES}.")
    container = _container(group, asked.container_name)
    lines = call.cloud.lifecycle.printed(group, container, call.now)[-asked.tail :]
    return {"Content": "".join(f"{line}\n" for _, line in lines)}


def events(call: Call, asked: OneGroup) -> Json:
    """Return a group's events."""
    return {"Events": view.events(_group(call, asked.container_group_id))}


def count(call: Call, asked: DescribeContainerGroupCount) -> Json:
    """Count the groups of each cluster."""
    wanted = asked.label.value if asked.label else []
    if asked.label and asked.label.key != "cluster-id":
        raise invalid("Label.Key", "cluster-id is expected.")
    counts = Counter(group.tags.get("cluster-id", "") for group in visible(call))
    ids = wanted or [cluster_id for cluster_id in counts if cluster_id]
    return {"ClusterPodCounts": [{"ClusterId": i, "Count": counts[i]} for i in ids]}


def execute(call: Call, asked: ExecContainerCommand) -> Json:
    """Hand out an address that opens a session in a running container."""
    group = _group(call, asked.container_group_id)
    container = _container(group, asked.container_name)
    if not asked.command:
        raise invalid("Command")
    if container.state.kind != "Running":
        raise wrong_status(group.id, view.status(group))
    token = call.cloud.sessions.open(
        group.id,
        container.name,
        asked.command,
        tty=asked.tty,
        stdin=asked.tty,
        now=call.now,
    )
    return {"WebSocketUri": f"{call.base_url.replace('http', 'ws', 1)}/exec/?token={token}"}
