"""One hub per web process: one Redis subscription, fanned out in process to every socket.

Channel-layer groups deliver ~5,000 messages/s and drop silently when full; this delivers ~85,000
(docs/performance.md). A change arrives as topic + ids; at most every 100 ms each socket gets one
frame per topic: rows of its own window read once from the database for all sockets of a language,
and for the rest only counts.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import redis.asyncio
from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth.models import User
from django.utils import translation

from addons.announce import CHANNEL
from console.live.topics import Row, Topic

log = logging.getLogger(__name__)
FLUSH_SECONDS = 0.1
FACETS_SECONDS = 2.0
Send = Callable[[dict[str, Any]], Awaitable[None]]


@dataclass(eq=False)
class Table:
    """One socket's view of one topic: the pinned set and the rows on its screen."""

    topic: Topic
    user: User
    language: str
    params: str
    send: Send
    pinned: set[int] = field(default_factory=set)
    window: set[int] = field(default_factory=set)
    facets_at: float = 0.0
    facets_due: bool = False


@dataclass(eq=False)
class Flag:
    """A socket that only wants to know that something changed (`pod:12`, `op:7`, `overview`)."""

    name: str
    topic: str
    id: int | None
    send: Send
    every: float = FLUSH_SECONDS
    sent_at: float = 0.0
    due: bool = False


class Hub:
    """Started by the first socket on the process's loop; runs until the process ends."""

    def __init__(self) -> None:
        self.seq = 0
        self._tables: set[Table] = set()
        self._flags: set[Flag] = set()
        self._changed: dict[str, set[int]] = defaultdict(set)
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        if any(not task.done() for task in self._tasks):
            return
        self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._flush_loop())]

    def add(self, item: Table | Flag) -> None:
        if isinstance(item, Table):
            self._tables.add(item)
        else:
            self._flags.add(item)

    def remove(self, item: Table | Flag) -> None:
        if isinstance(item, Table):
            self._tables.discard(item)
        else:
            self._flags.discard(item)

    def changed(self, topic: str, ids: list[int]) -> None:
        self._changed[topic].update(ids)

    async def _listen(self) -> None:
        """Subscribe for ever; what was missed while Redis was away makes every socket resync."""
        wait = 0.5
        first = True
        while True:
            client = redis.asyncio.Redis.from_url(settings.REDIS_URL, socket_timeout=None)
            try:
                async with client.pubsub(ignore_subscribe_messages=True) as pubsub:
                    await pubsub.subscribe(CHANNEL)
                    if not first:
                        await self._resync_all()
                    first, wait = False, 0.5
                    async for message in pubsub.listen():
                        change = json.loads(message["data"])
                        self.changed(change["topic"], change["ids"])
            except (redis.RedisError, OSError) as error:
                log.warning("live hub lost Redis, again in %.1f s: %s", wait, error)
                await asyncio.sleep(wait)
                wait = min(wait * 2, 30.0)
            finally:
                await client.aclose()

    async def _resync_all(self) -> None:
        for table in list(self._tables):
            await table.send({"t": "resync", "topic": table.topic.name})

    async def _flush_loop(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            try:
                await self.flush(asyncio.get_running_loop().time())
            except Exception:
                # The loop must outlive one bad frame; sockets resync by the gap in `seq`.
                self.seq += 1
                log.exception("live hub could not flush")

    async def flush(self, now: float) -> None:
        changed, self._changed = self._changed, defaultdict(set)
        if changed:
            self.seq += 1
        for name, ids in changed.items():
            self._mark_flags(name, ids)
            await self._flush_topic(name, ids)
        for flag in [f for f in self._flags if f.due and now - f.sent_at >= f.every]:
            flag.due, flag.sent_at = False, now
            await flag.send({"t": flag.name, "seq": self.seq, "changed": True})
        for table in [t for t in self._tables if t.facets_due]:
            if now - table.facets_at >= FACETS_SECONDS:
                await self._send_facets(table, now)

    def _mark_flags(self, topic: str, ids: set[int]) -> None:
        for flag in self._flags:
            if flag.name == "overview" or (flag.topic == topic and flag.id in ids):
                flag.due = True

    async def _flush_topic(self, name: str, ids: set[int]) -> None:
        tables = [t for t in self._tables if t.topic.name == name]
        if not tables:
            return
        frames = await sync_to_async(_frames, thread_sensitive=False)(tables, ids)
        for table, frame in frames:
            table.facets_due = True
            await table.send({"t": name, "seq": self.seq, **frame})

    async def _send_facets(self, table: Table, now: float) -> None:
        table.facets_at, table.facets_due = now, False
        count = sync_to_async(table.topic.count_facets, thread_sensitive=False)
        facets = await count(table.user, table.params)
        await table.send(
            {
                "t": table.topic.name,
                "seq": self.seq,
                "up": [],
                "gone": [],
                "add": 0,
                "del": 0,
                "total": len(table.pinned),
                "facets": facets,
            }
        )


def _frames(tables: list[Table], ids: set[int]) -> list[tuple[Table, dict[str, Any]]]:
    """For each table that is touched: fresh rows of its window, and counts for the rest."""
    wanted: dict[str, set[int]] = defaultdict(set)
    for table in tables:
        wanted[table.language] |= table.window & ids
    rows: dict[str, dict[int, Row]] = {}
    for language, some in wanted.items():
        with translation.override(language):
            rows[language] = tables[0].topic.rows(sorted(some)) if some else {}
    result = []
    for table in tables:
        matching = table.topic.matching(table.user, table.params, ids)
        added = matching - table.pinned
        left = (ids & table.pinned) - matching
        table.pinned |= added
        table.pinned -= left
        up = [row for pk, row in rows[table.language].items() if pk in table.window]
        if up or added or left:
            gone = sorted(left & table.window)
            table_up = [row for row in up if row["id"] in matching]
            frame = {"up": table_up, "gone": gone, "add": len(added), "del": len(left)}
            result.append((table, {**frame, "total": len(table.pinned)}))
    return result


hub = Hub()
