"""The mirror of pods: batches of changes become rows, then keys on the queue, then news.

A batch is written as soon as the one before it is done, so that a lone change is a row within
milliseconds and a storm is written fifty at a time (single upserts are twenty times slower). A
row never goes back: a change with an older resourceVersion is dropped.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import redis
from django.db import DatabaseError, transaction

from addons.announce import announce_async
from addons.models import PodRow, VirtualNode
from addons.runtime import nudge
from addons.runtime.loop import Runtime
from addons.watch.rows import Row
from providers.rows import update_each

log = logging.getLogger(__name__)
BATCH = 500
PAUSE_SECONDS = 0.02
_IDENTITY = ("cluster", "uid", "namespace", "name")


@dataclass(frozen=True, slots=True)
class Gone:
    """The API server no longer has the pod of this UID."""

    uid: str
    version: int


@dataclass(frozen=True, slots=True)
class Touched:
    """A row that changed: its id, its queue key and the node whose shard it belongs to."""

    pk: int
    key: str
    node_id: int | None


Change = Row | Gone


class Mirror:
    """One per watched cluster. `offer` never waits; `run` writes until cancelled."""

    def __init__(self, runtime: Runtime, cluster_id: int) -> None:
        self._runtime = runtime
        self._cluster_id = cluster_id
        self._waiting: dict[str, Change] = {}
        self._something = asyncio.Event()

    def offer(self, changes: Iterable[Change]) -> None:
        for change in changes:
            known = self._waiting.get(change.uid)
            if known is None or change.version >= known.version:
                self._waiting[change.uid] = change
        if self._waiting:
            self._something.set()

    async def run(self) -> None:
        while True:
            await self._something.wait()
            await self.flush()
            await asyncio.sleep(PAUSE_SECONDS)

    async def flush(self) -> list[Touched]:
        """Write what waits, at most one batch; what could not be written waits again."""
        uids = list(self._waiting)[:BATCH]
        batch = [self._waiting.pop(uid) for uid in uids]
        if not self._waiting:
            self._something.clear()
        if not batch:
            return []
        try:
            touched = await self._runtime.db(
                write, self._cluster_id, batch, self._runtime.clock.now()
            )
        except DatabaseError as error:
            log.warning("mirror of cluster %s waits: %s", self._cluster_id, error)
            self.offer(change for change in batch if change.uid not in self._waiting)
            await asyncio.sleep(0.5)
            return []
        await self._tell(touched)
        return touched

    async def _tell(self, touched: list[Touched]) -> None:
        pks = [item.pk for item in touched]
        await asyncio.gather(self._queue(touched), announce_async(self._runtime.redis, "pods", pks))

    async def _queue(self, touched: list[Touched]) -> None:
        keys: dict[int, dict[str, float]] = defaultdict(dict)
        now = self._runtime.clock.epoch()
        for item in touched:
            if item.node_id is not None:
                keys[item.node_id][item.key] = now
        for node_id, due in keys.items():
            try:
                await self._runtime.queue.add(f"node:{node_id}", due)
                await nudge.nudge(self._runtime, f"node:{node_id}")
            except redis.RedisError as error:
                log.warning("%s keys wait for the next resync: %s", len(due), error)


def write(cluster_id: int, changes: list[Change], now: datetime) -> list[Touched]:
    """Upsert the batch in one transaction; the rows that changed."""
    nodes = dict(VirtualNode.objects.filter(cluster=cluster_id).values_list("name", "pk"))
    with transaction.atomic():
        uids = [change.uid for change in changes]
        rows = PodRow.objects.select_for_update().filter(cluster=cluster_id, uid__in=uids)
        known = {row.uid: row for row in rows}
        fresh = [
            _new(cluster_id, change, nodes)
            for change in changes
            if isinstance(change, Row) and change.uid not in known
        ]
        moved = [
            row
            for change in changes
            if (row := known.get(change.uid)) and _apply(row, change, nodes, now)
        ]
        created = PodRow.objects.bulk_create(fresh)
        update_each(moved, _columns())
    return [Touched(row.pk, row.key, row.node_id) for row in (*created, *moved)]


def _new(cluster_id: int, row: Row, nodes: Mapping[str, int]) -> PodRow:
    return PodRow(
        cluster_id=cluster_id,
        uid=row.uid,
        namespace=row.namespace,
        name=row.name,
        node_name=row.node_name,
        node_id=nodes.get(row.node_name),
        resource_version=row.version,
        **row.fields,
    )


def _apply(row: PodRow, change: Change, nodes: Mapping[str, int], now: datetime) -> bool:
    """Put the change on the row object; False when it is older or says nothing new."""
    if change.version < row.resource_version:
        return False
    if isinstance(change, Gone):
        if row.gone_at is not None:
            return False
        row.gone_at, row.blocker, row.next_try_at = now, "", None
        row.resource_version = change.version
        return True
    bound = not row.node_name and bool(change.node_name)
    if bound:
        row.blocker, row.blocker_values = "", {}
    values: dict[str, Any] = {
        **change.fields,
        "node_name": change.node_name,
        "node_id": nodes.get(change.node_name),
        "resource_version": change.version,
    }
    changed = {name for name, value in values.items() if getattr(row, name) != value}
    for name in changed:
        setattr(row, name, values[name])
    return bool(changed - {"resource_version"}) or bound or change.unseen


def _columns() -> list[str]:
    return [
        field.name
        for field in PodRow._meta.concrete_fields
        if not field.primary_key
        and field.name not in {*_IDENTITY, "instance", "attempts", "references"}
    ]


def missing(cluster_id: int, node_name: str, seen: set[str], version: int) -> list[Gone]:
    """Rows of a node that a complete list at `version` no longer has."""
    rows = PodRow.objects.filter(
        cluster=cluster_id, node_name=node_name, gone_at=None, resource_version__lte=version
    ).exclude(node_name="")
    return [Gone(uid, version) for uid in rows.values_list("uid", flat=True) if uid not in seen]
