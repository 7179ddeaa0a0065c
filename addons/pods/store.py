"""The database's part of a reconcile, in bulk: what is known, and the handlers of the writer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from addons.holds import Standing, standing
from addons.models import PodRow, VirtualNode
from addons.pods.identity import installation
from kube.secret import Secret
from providers import base, ledger, seen
from providers.errors import ProviderError
from providers.ledger import Failure, Want
from providers.models import CloudAccount, Instance, LogTail
from providers.rows import update_each

State = Instance.State
tags = ledger.tags
encode = seen.encode
TAIL_BYTES = 65_536


def _fenced() -> None:
    """The writer has fenced the transaction already."""


# --- reading ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Scene:
    """The virtual node of the shard, with its cluster and account, our own name, the holds."""

    node: VirtualNode
    installation: str
    holds: tuple[Standing, ...] = ()


def scene(node_id: int) -> Scene | None:
    """None when the node was removed."""
    node = (
        VirtualNode.objects.select_related("cluster__account", "account", "second_account")
        .filter(pk=node_id)
        .first()
    )
    return Scene(node, installation(), standing(node.cluster_id, node.pk)) if node else None


@dataclass(frozen=True, slots=True)
class Place:
    """A pod by name, and the UID it has now (empty: there is none)."""

    cluster_id: int
    cluster_uid: str
    node_name: str
    namespace: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class Known:
    """`open`: by pod UID, also of former pods of that name. `last`: the newest closed one."""

    open: dict[str, Instance]
    last: Instance | None
    row: PodRow | None

    @property
    def workload(self) -> str:
        """`Deployment/web`; empty where the mirror has no row yet."""
        return self.row.workload if self.row else ""


_MIRRORED = ("uid", "instance_id", "references", "blocker", "workload_kind", "workload_name")


def known(places: Sequence[Place]) -> list[Known]:
    """In order. All places are of one virtual node."""
    first = places[0]
    uids = {place.uid for place in places if place.uid}
    names = {place.name for place in places}
    ours = Q(
        cluster_uid=first.cluster_uid,
        node_name=first.node_name,
        pod_name__in=names,
        state__in=Instance.OPEN,
    )
    by_name: dict[tuple[str, str], dict[str, Instance]] = defaultdict(dict)
    for row in Instance.objects.filter(ours).select_related("account"):
        by_name[row.namespace, row.pod_name][row.pod_uid] = row
    last: dict[str, Instance] = {}
    closed = Instance.objects.filter(pod_uid__in=uids, state=State.CLOSED)
    for row in closed.order_by("generation"):
        last[row.pod_uid] = row
    mirrored = PodRow.objects.filter(cluster_id=first.cluster_id, uid__in=uids)
    pods = {pod.uid: pod for pod in mirrored.only(*_MIRRORED)}
    return [Known(by_name[p.namespace, p.name], last.get(p.uid), pods.get(p.uid)) for p in places]


# --- writing (handlers: payloads, now -> results) -----------------------------------------------


@dataclass(frozen=True, slots=True)
class Start:
    """`request` is what will be asked, as `providers.requests` encodes it."""

    want: Want
    request: Secret


def start(items: Sequence[Start], now: datetime) -> list[Instance | None]:
    """Intent, then creating, for the rows that are ours to call the cloud for; else None.

    A row of which a call is under way already keeps the request of that call: `again` is for it.
    """
    wants = [item.want for item in items]
    rows = ledger.intend(wants, installation=installation(), now=now, fence=_fenced)
    fresh = {row.pk for row in rows if row.state == State.INTENT}
    shard, epoch = wants[0].shard, wants[0].epoch
    ours = ledger.creating(list(fresh), shard=shard, epoch=epoch, now=now, fence=_fenced)
    asked = [(row, i.request) for row, i in zip(rows, items, strict=True) if row.pk in ours]
    ledger.keep_requests(asked, fence=_fenced)
    return [row if row.pk in ours else None for row in rows]


@dataclass(frozen=True, slots=True)
class Again:
    pk: int
    shard: str
    epoch: int


def again(items: Sequence[Again], now: datetime) -> list[bool]:
    """Whether the create of each row, whose outcome is unknown, is ours to repeat."""
    shard, epoch = items[0].shard, items[0].epoch
    ours = ledger.creating([i.pk for i in items], shard=shard, epoch=epoch, now=now, fence=_fenced)
    return [item.pk in ours for item in items]


@dataclass(frozen=True, slots=True)
class Accepted:
    pk: int
    created: base.Created
    cluster_id: int
    pod_uid: str


def accept(items: Sequence[Accepted], now: datetime) -> list[bool]:
    """The cloud took the create; the mirror row points at the instance."""
    done = ledger.created({i.pk: i.created for i in items}, now=now, fence=_fenced)
    mine = {item.pod_uid: item for item in items if item.pk in done}
    rows = PodRow.objects.filter(cluster_id__in={i.cluster_id for i in items}, uid__in=list(mine))
    pods = list(rows.only("uid", "instance_id"))
    for pod in pods:
        pod.instance_id = mine[pod.uid].pk
    update_each(pods, ["instance"])
    return [item.pk in done for item in items]


@dataclass(frozen=True, slots=True)
class Refused:
    pk: int
    error: ProviderError
    again: bool


def refuse(items: Sequence[Refused], now: datetime) -> list[None]:
    for again in (True, False):
        failures = [Failure(i.pk, i.error) for i in items if i.again is again]
        if failures:
            ledger.failed_without_effect(failures, again=again, now=now, fence=_fenced)
    return [None] * len(items)


def unknown(items: Sequence[Failure], _now: datetime) -> list[None]:
    ledger.unknown(items, fence=_fenced)
    return [None] * len(items)


def not_made(pks: Sequence[int], now: datetime) -> list[None]:
    ledger.not_made(pks, now=now, fence=_fenced)
    return [None] * len(pks)


@dataclass(frozen=True, slots=True)
class Telling:
    account: CloudAccount
    instance: base.Instance
    asked_at: datetime


def observe(items: Sequence[Telling], _now: datetime) -> list[None]:
    groups: dict[tuple[int, datetime], list[Telling]] = defaultdict(list)
    for item in items:
        groups[item.account.pk, item.asked_at].append(item)
    for (_, asked_at), members in groups.items():
        told = [member.instance for member in members]
        ledger.observed(members[0].account, told, asked_at=asked_at, fence=_fenced)
    return [None] * len(items)


@dataclass(frozen=True, slots=True)
class Absence:
    pk: int
    asked_at: datetime


def missing(items: Sequence[Absence], _now: datetime) -> list[bool]:
    """Whether two answers, far enough apart, did not hold the instance."""
    groups: dict[datetime, list[int]] = defaultdict(list)
    for item in items:
        groups[item.asked_at].append(item.pk)
    proven: set[int] = set()
    for asked_at, pks in groups.items():
        proven |= set(ledger.missing(pks, asked_at=asked_at, fence=_fenced))
    return [item.pk in proven for item in items]


def deleting(pks: Sequence[int], now: datetime) -> list[bool]:
    ours = ledger.deleting(pks, now=now, fence=_fenced)
    return [pk in ours for pk in pks]


@dataclass(frozen=True, slots=True)
class Closing:
    pk: int
    reason: str


def close(items: Sequence[Closing], now: datetime) -> list[None]:
    groups: dict[str, list[int]] = defaultdict(list)
    for item in items:
        groups[item.reason].append(item.pk)
    for reason, pks in groups.items():
        ledger.closed(pks, reason=reason, at=now, fence=_fenced)
    return [None] * len(items)


@dataclass(frozen=True, slots=True)
class Tail:
    instance_id: int
    container: str
    text: str


def keep_tails(items: Sequence[Tail], now: datetime) -> list[None]:
    rows = [
        LogTail(
            instance_id=item.instance_id,
            container=item.container,
            text=item.text[-TAIL_BYTES:].replace("\x00", ""),
            taken_at=now,
        )
        for item in items
    ]
    LogTail.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["instance", "container"],
        update_fields=["text", "taken_at"],
    )
    return [None] * len(items)


@dataclass(frozen=True, slots=True)
class References:
    row_id: int
    references: tuple[str, ...]


def keep_references(items: Sequence[References], _now: datetime) -> list[None]:
    for item in items:
        PodRow.objects.filter(pk=item.row_id).update(references=list(item.references))
    return [None] * len(items)


def nothing(items: Sequence[None], _now: datetime) -> list[None]:
    """For notes alone."""
    return [None] * len(items)


@dataclass(frozen=True, slots=True)
class Trouble:
    """`source`: create, read or delete, whichever was refused or went well (an empty code)."""

    account_id: int
    code: str
    message: str
    source: str


def set_trouble(items: Sequence[Trouble], _now: datetime) -> list[bool]:
    """Mark the account, or unmark it with an empty code; whether that changed anything.

    What went well ends only trouble of its own kind: a list works while creates are refused for
    want of money.
    """
    changed = []
    for item in items:
        rows = CloudAccount.objects.filter(pk=item.account_id).exclude(trouble=item.code[:64])
        if not item.code:
            rows = rows.filter(trouble_source__in=["", item.source])
        updated = rows.update(
            trouble=item.code[:64],
            trouble_message=item.message,
            trouble_source=item.source if item.code else "",
        )
        changed.append(bool(updated))
    return changed
