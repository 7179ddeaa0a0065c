"""Checkers of what must never happen, by the cloud's own ledger and ours; each gives violations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from providers import tags
from providers.models import Instance, Orphan

Json = dict[str, Any]
NEEDED = (
    tags.CONSOLE, tags.CLUSTER, tags.NODE, tags.NAMESPACE, tags.POD, tags.UID, tags.GENERATION,
)  # fmt: skip


def twice_billed(instances: Iterable[Json]) -> list[str]:
    """I1: pod UIDs with more than one instance that ever entered a billed state."""
    billed = Counter(i["tags"].get(tags.UID) for i in instances if i["billed_from"])
    return [str(uid) for uid, count in billed.items() if count > 1]


def leaked(instances: Iterable[Json], live_uids: set[str]) -> list[str]:
    """I2: instances that are there while no live pod owns them."""
    there = (i for i in instances if not i["deleted_at"])
    return [i["id"] for i in there if i["tags"].get(tags.UID) not in live_uids]


def without_intent(instances: Iterable[Json]) -> list[str]:
    """I5: instances whose token no row of the ledger holds."""
    tokens = set(Instance.objects.values_list("token", flat=True))
    return [i["id"] for i in instances if i["client_token"] not in tokens]


def untagged(instances: Iterable[Json]) -> list[str]:
    """I6: instances that lack one of the tags that name their owner."""
    return [i["id"] for i in instances if not all(i["tags"].get(key) for key in NEEDED)]


def wrongly_deleted(
    calls: Iterable[Json], instances: Iterable[Json], writes: list[Json]
) -> list[str]:
    """I3: deleted while its pod was neither ended nor deleted, or without our tags."""
    ended: dict[str, float] = {}
    for write in _of_pods(writes):
        if write["verb"] == "delete" or write["phase"] in ENDED:
            ended.setdefault(write["uid"], write["time"])
    owners = {i["id"]: i["tags"].get(tags.UID, "") for i in instances}
    return [
        call["container_group_id"]
        for call in calls
        if call["action"] == "DeleteContainerGroup" and call["container_group_id"] in owners
        if ended.get(owners[call["container_group_id"]], float("inf")) > _seconds(call["time"])
    ]


def collected_in_haste(
    calls: Iterable[Json], instances: Iterable[Json], forced: set[str], *, known: int
) -> list[str]:
    """I4: first deletions of instances whose pod vanished (`forced`: pod UIDs) beyond
    max(3, 10 % of `known`) in a cycle of five seconds.
    """
    vanished = {i["id"] for i in instances if i["tags"].get(tags.UID) in forced}
    first: dict[str, float] = {}
    for call in calls:
        if call["action"] == "DeleteContainerGroup" and call["container_group_id"] in vanished:
            first.setdefault(call["container_group_id"], _seconds(call["time"]))
    times = sorted((at, name) for name, at in first.items())
    most = max(3, known // 10)
    # A cycle begins with its first deletion, so any window may touch two of them.
    return [
        name
        for index, (at, name) in enumerate(times)
        if index >= 2 * most and at - times[index - 2 * most][0] < 5.0
    ]


def closed_too_early(instances: Iterable[Json]) -> list[str]:
    """I7: ledger rows closed before the cloud had ended the instance, and on no orphan list."""
    ends = {i["id"]: i["deleted_at"] or i["ended_at"] for i in instances}
    listed = set(Orphan.objects.values_list("cloud_id", flat=True))
    rows = Instance.objects.filter(state=Instance.State.CLOSED, cloud_id__in=list(ends))
    return [
        row.cloud_id
        for row in rows
        if row.cloud_id not in listed
        and (not ends[row.cloud_id] or row.closed_at.timestamp() < _seconds(ends[row.cloud_id]))
    ]


def phases_gone_back(writes: Iterable[Json]) -> list[str]:
    """I8: per pod UID Pending, Running, then one of the ends, which is final."""
    last: dict[str, str] = {}
    found = []
    for write in _of_pods(writes):
        phase, before = write["phase"], last.get(write["uid"], "Pending")
        if phase and (_ORDER[phase] < _ORDER[before] or (before in ENDED and phase != before)):
            found.append(f"{write['name']}: {before} -> {phase}")
        last[write["uid"]] = phase or before
    return found


def of_another_pod(pods: Iterable[Json], instances: Iterable[Json]) -> list[str]:
    """I9: pods that were told of an instance which another UID owns."""
    owners = {i["id"]: i["tags"].get(tags.UID) for i in instances}
    told = (
        (pod["metadata"], pod["metadata"].get("annotations", {}).get(INSTANCE_ID)) for pod in pods
    )
    return [meta["name"] for meta, name in told if name and owners.get(name) != meta["uid"]]


def mismatched(calls: Iterable[Json]) -> list[str]:
    """I5: creates that asked for something else under a token that was used."""
    return [c["request_id"] for c in calls if c["code"] == "IdempotentParameterMismatch"]


ENDED = {"Succeeded", "Failed"}
INSTANCE_ID = "k8s.aliyun.com/eci-instance-id"
_ORDER = {"Pending": 0, "Running": 1, "Succeeded": 2, "Failed": 2}


def _of_pods(writes: Iterable[Json]) -> list[Json]:
    return [write for write in writes if write["resource"] == "pods"]


def _seconds(time: str | float) -> float:
    return time if isinstance(time, float) else datetime.fromisoformat(time).timestamp()
