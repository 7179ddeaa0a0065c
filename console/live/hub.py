"""One hub per web process: one Redis subscription, fanned out in process to every socket.

Channel-layer groups deliver ~5,000 messages/s and drop silently when full; this delivers ~85,000
(docs/performance.md). A change arrives as topic + ids; at most every 100 ms each socket gets one
frame per topic: rows of its own window, read once from the database for all sockets of a language,
and for the rest only counts.

Nothing is lost without healing: each (re)subscription to Redis, and each flush that failed, makes
every socket resync; a window that moves hears again what changed lately; while Redis is away for
longer than `AWAY_SECONDS` sockets are closed, so that pages say how old their data is.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import redis.asyncio
from channels.db import database_sync_to_async
from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import Model
from django.utils import translation
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from addons.announce import CHANNEL
from addons.models import FleetUpgrade, Installation
from console.access import Rights, teams_touched
from console.live.rows import Row
from console.live.topics import TOPICS, Topic
from providers.models import CloudAccount

log = logging.getLogger(__name__)
FLUSH_SECONDS = 0.1
FACETS_SECONDS = 2.0
# How long a change is repeated to windows that open or move.
RECENT_SECONDS = 5.0
AWAY_SECONDS = 5.0
PING_SECONDS = 10.0
Frame = dict[str, Any]
_MODELS: dict[str, type[Model]] = {
    **{name: topic.model for name, topic in TOPICS.items()},
    "accounts": CloudAccount,
    "installations": Installation,
    "fleet_upgrades": FleetUpgrade,
}


@dataclass(eq=False)
class Socket:
    """One browser's connection: `send` never waits; `close` ends it with a code."""

    user: User
    rights: Rights
    language: str
    send: Callable[[Frame], None]
    close: Callable[[int], None]


@dataclass(eq=False)
class Table:
    """One socket's view of one topic: the pinned set and the rows on its screen."""

    socket: Socket
    topic: Topic
    params: str
    pinned: set[int] = field(default_factory=set)
    window: set[int] = field(default_factory=set)
    # Ids to look at in the next flush, whether they change again or not.
    due: set[int] = field(default_factory=set)
    facets_at: float = 0.0
    facets_due: bool = False

    @property
    def name(self) -> str:
        return self.topic.name

    @property
    def view(self) -> tuple[int, str]:
        return self.socket.user.pk, self.params


@dataclass(eq=False)
class Flag:
    """A socket that only wants to know that something changed (`pod:12`, `op:7`, `overview`)."""

    socket: Socket
    name: str
    topic: str = ""
    id: int | None = None
    every: float = FLUSH_SECONDS
    sent_at: float = 0.0
    due: bool = False


class Hub:
    """Started by the first socket on the process's loop; runs until the process ends."""

    def __init__(self) -> None:
        self.seq = 0
        self.listening = asyncio.Event()
        self.sockets: set[Socket] = set()
        self._tables: set[Table] = set()
        self._flags: set[Flag] = set()
        self._changed: dict[str, set[int]] = defaultdict(set)
        self._recent: deque[tuple[float, str, frozenset[int]]] = deque()
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def start(self) -> None:
        """Again for what has ended; safe to repeat."""
        for name, work in (("listen", self._listen), ("flush", self._flush_loop)):
            if name not in self._tasks or self._tasks[name].done():
                self._tasks[name] = asyncio.create_task(work(), name=f"hub-{name}")

    async def stop(self) -> None:
        tasks, self._tasks = self._tasks, {}
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
        self.listening = asyncio.Event()

    def add(self, item: Table | Flag) -> None:
        if isinstance(item, Table):
            self._tables.add(item)
            item.due |= self.recent(item.name)
        else:
            self._flags.add(item)

    def remove(self, item: Table | Flag) -> None:
        if isinstance(item, Table):
            self._tables.discard(item)
        else:
            self._flags.discard(item)

    def move(self, table: Table, window: set[int]) -> None:
        """Rows that come into view may have changed between their reading and now."""
        fresh = window - table.window
        table.window = window
        table.due |= fresh & self.recent(table.name)

    def changed(self, topic: str, ids: Iterable[int]) -> None:
        self._changed[topic].update(ids)

    def recent(self, topic: str) -> set[int]:
        found = set(self._changed.get(topic, ()))
        for _at, name, ids in self._recent:
            if name == topic:
                found |= ids
        return found

    def _remember(self, changed: dict[str, set[int]], now: float) -> None:
        while self._recent and now - self._recent[0][0] > RECENT_SECONDS:
            self._recent.popleft()
        self._recent.extend((now, name, frozenset(ids)) for name, ids in changed.items())

    # --- from Redis -----------------------------------------------------------------------------

    async def _listen(self) -> None:
        """Subscribe for ever; what was missed while Redis was away makes every socket resync."""
        wait, lost_at = 0.2, time.monotonic()
        while True:
            try:
                await self._hear()
            except (redis.RedisError, OSError) as error:
                if self.listening.is_set():
                    wait, lost_at = 0.2, time.monotonic()
                    self.listening.clear()
                log.warning("live hub lost Redis, again in %.1f s: %s", wait, error)
            if time.monotonic() - lost_at > AWAY_SECONDS:
                self._close_all()
            await asyncio.sleep(wait)
            wait = min(wait * 2, 5.0)

    async def _hear(self) -> None:
        """One subscription, until it breaks."""
        client = redis.asyncio.Redis.from_url(
            settings.REDIS_URL,
            socket_timeout=PING_SECONDS,
            socket_connect_timeout=2,
            # No silent second try: between two connections announcements are lost.
            retry=Retry(NoBackoff(), 0),
        )
        try:
            async with client.pubsub() as pubsub:
                await pubsub.subscribe(CHANNEL)
                asked = False
                while True:
                    message = await pubsub.get_message(timeout=PING_SECONDS / 2)
                    if message is not None:
                        asked = False
                        self._take(message)
                    elif asked:
                        raise redis.ConnectionError("no answer to PING")
                    else:
                        asked = True
                        await pubsub.ping()
        finally:
            await client.aclose()

    def _take(self, message: dict[str, Any]) -> None:
        if message["type"] == "subscribe":
            self.listening.set()
            self.resync_all()
        elif message["type"] == "message":
            try:
                change = json.loads(message["data"])
                topic, ids = str(change["topic"]), {int(pk) for pk in change["ids"]}
            except (ValueError, KeyError, TypeError):
                log.warning("live hub heard what is not an announcement")
                return
            self.changed(topic, ids)

    def resync_all(self) -> None:
        items: list[Table | Flag] = [*self._tables, *self._flags]
        for item in items:
            item.socket.send({"t": "resync", "topic": item.name})

    def _close_all(self) -> None:
        for socket in list(self.sockets):
            socket.close(1013)

    # --- to browsers ----------------------------------------------------------------------------

    async def _flush_loop(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            try:
                await self.flush(asyncio.get_running_loop().time())
            except Exception:
                # The loop must outlive one bad flush; what it took is healed by reading anew.
                log.exception("live hub could not flush")
                self.resync_all()

    async def flush(self, now: float) -> None:
        changed, self._changed = self._changed, defaultdict(set)
        if changed:
            self.seq += 1
            self._remember(changed, now)
            await self._mark_flags(changed)
        due = {table.name for table in self._tables if table.due}
        for name in {*changed, *due}:
            await self._flush_topic(name, changed.get(name, set()))
        for flag in [f for f in self._flags if f.due and now - f.sent_at >= f.every]:
            flag.due, flag.sent_at = False, now
            flag.socket.send({"t": flag.name, "seq": self.seq, "changed": True})
        await self._flush_facets(now)

    async def _mark_flags(self, changed: dict[str, set[int]]) -> None:
        wide = [flag for flag in self._flags if flag.name == "overview" and not flag.due]
        teams = await _run(_teams, changed) if wide else None
        for flag in wide:
            flag.due = teams is None or flag.socket.rights.cover(teams)
        for flag in self._flags:
            if flag.id is not None and flag.id in changed.get(flag.topic, ()):
                flag.due = True

    async def _flush_topic(self, name: str, ids: set[int]) -> None:
        tables = [table for table in self._tables if table.name == name]
        jobs = [(table, ids | table.due) for table in tables if ids or table.due]
        for table in tables:
            table.due = set()
        if not jobs:
            return
        for table, frame in await _run(_frames, jobs):
            table.facets_due = True
            table.socket.send({"t": name, "seq": self.seq, **frame})

    async def _flush_facets(self, now: float) -> None:
        tables = [
            table
            for table in self._tables
            if table.facets_due and now - table.facets_at >= FACETS_SECONDS
        ]
        if not tables:
            return
        for table, facets in await _run(_facets, tables):
            table.facets_at, table.facets_due = now, False
            counts = {"up": [], "gone": [], "add": 0, "del": 0, "total": len(table.pinned)}
            table.socket.send({"t": table.name, "seq": self.seq, **counts, "facets": facets})


async def _run(function: Callable[..., Any], argument: Any) -> Any:
    """In a thread of its own with a healthy connection; other sockets' queries do not wait."""
    return await database_sync_to_async(function, thread_sensitive=False)(argument)


def _teams(changed: dict[str, set[int]]) -> set[int] | None:
    """Teams that the changes concern; None, which is everybody, when a row is gone."""
    found: set[int] = set()
    for name, ids in changed.items():
        if name not in _MODELS:
            return None
        teams = teams_touched(_MODELS[name], ids)
        if not teams:
            return None
        found |= teams
    return found


def _frames(jobs: list[tuple[Table, set[int]]]) -> list[tuple[Table, Frame]]:
    """For each table that is touched: fresh rows of its window, and counts for the rest.

    What a reader may see is asked in the same query as the filter, each time anew.
    """
    topic = jobs[0][0].topic
    asked: dict[tuple[int, str], set[int]] = defaultdict(set)
    wanted: dict[str, set[int]] = defaultdict(set)
    readers = {}
    for table, ids in jobs:
        asked[table.view] |= ids
        wanted[table.socket.language] |= table.window & ids
        readers[table.view] = table.socket.user
    matching = {view: topic.matching(readers[view], view[1], ids) for view, ids in asked.items()}
    rows: dict[str, dict[int, Row]] = {}
    for language, some in wanted.items():
        with translation.override(language):
            rows[language] = topic.rows(sorted(some)) if some else {}
    frames = ((table, _frame(table, ids, matching[table.view], rows)) for table, ids in jobs)
    return [(table, frame) for table, frame in frames if frame]


def _frame(
    table: Table, ids: set[int], matching: set[int], rows: dict[str, dict[int, Row]]
) -> Frame | None:
    added = (matching & ids) - table.pinned
    left = (ids & table.pinned) - matching
    table.pinned |= added
    table.pinned -= left
    shown = table.window & ids & matching
    up = [row for pk, row in rows[table.socket.language].items() if pk in shown]
    if not (up or added or left):
        return None
    gone = sorted(left & table.window)
    counts = {"add": len(added), "del": len(left), "total": len(table.pinned)}
    return {"up": up, "gone": gone, **counts}


def _facets(tables: list[Table]) -> list[tuple[Table, dict[str, dict[str, int]]]]:
    counted: dict[tuple[Any, ...], dict[str, dict[str, int]]] = {}
    for table in tables:
        name = (table.name, *table.view)
        if name not in counted:
            counted[name] = table.topic.count_facets(table.socket.user, table.params)
    return [(table, counted[table.name, *table.view]) for table in tables]


hub = Hub()
