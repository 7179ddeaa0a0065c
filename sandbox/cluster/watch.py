"""WATCH streams: replay from a resourceVersion, then live events until the timeout.

A stream listens to the store itself, so it never depends on the event window once begun. An object
that stops matching the selector is DELETED for that stream, one that starts matching is ADDED.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from sandbox.cluster import errors
from sandbox.cluster.clock import Clock
from sandbox.cluster.faults import Faults
from sandbox.cluster.resources import Resource
from sandbox.cluster.selectors import Match
from sandbox.cluster.store import Entry, Event, Store, encode

Obj = dict[str, Any]
Encode = Callable[[Entry], bytes]
BACKLOG = 50_000
LOOK_SECONDS = 1.0
INITIAL_END = "k8s.io/initial-events-end"


def line(kind: str, data: bytes) -> bytes:
    """Return one watch event as it goes on the wire."""
    return b'{"type":"%s","object":%s}\n' % (kind.encode(), data)


def error_line(error: errors.ApiError) -> bytes:
    """Return the ERROR event that ends a stream."""
    return line("ERROR", encode(error.status()))


class Stream:
    """One watcher's queue of encoded events; the listener side never blocks."""

    def __init__(
        self,
        store: Store,
        resource: Resource,
        namespace: str | None,
        match: Match | None,
        encoder: Encode,
    ) -> None:
        self.revision = store.revision
        self.overflowed = False
        self._store = store
        self._resource = resource
        self._namespace = namespace
        self._match = match
        self._encode = encoder
        self._queue: deque[bytes] = deque()
        self._ready = asyncio.Event()
        self._stop: Callable[[], None] | None = None

    def begin(self, since: int | None) -> None:
        """Queue what is there (``since`` None) or what came after, then follow the store.

        Raises WatchExpired when the window does not reach back to ``since``.
        """
        if since is None:
            for entry in self._store.ordered(self._resource.storage, self._namespace):
                if self._match is None or self._match(entry.obj):
                    self._add("ADDED", entry)
        else:
            for event in self._store.replay(self._resource.storage, since):
                self._on_event(event)
        self._stop = self._store.listen(self._resource.storage, self._on_event)

    def close(self) -> None:
        """Stop following the store."""
        if self._stop:
            self._stop()
            self._stop = None

    def push(self, data: bytes) -> None:
        """Queue one line as it is."""
        self._queue.append(data)
        self._ready.set()

    def _add(self, kind: str, entry: Entry) -> None:
        self.push(line(kind, self._encode(entry)))

    def _on_event(self, event: Event) -> None:
        self.revision = event.rv
        if self._namespace is not None and event.entry.key[0] != self._namespace:
            return
        kind = self._kind(event)
        if kind is None:
            return
        if len(self._queue) >= BACKLOG:
            self.overflowed = True
            self._ready.set()
        elif kind == "DELETED" and event.type != "DELETED" and event.old is not None:
            self._add(kind, _stamped(event.old, event.rv))
        else:
            self._add(kind, event.entry)

    def _kind(self, event: Event) -> str | None:
        if self._match is None:
            return event.type
        before = event.old is not None and self._match(event.old.obj)
        if event.type == "DELETED":
            return "DELETED" if before else None
        after = self._match(event.entry.obj)
        if after:
            return "MODIFIED" if before else "ADDED"
        return "DELETED" if before else None

    async def take(self, timeout: float) -> bytes:
        """Return everything queued, waiting up to ``timeout`` seconds; b"" when nothing came."""
        if not self._queue:
            self._ready.clear()
            try:
                async with asyncio.timeout(max(timeout, 0.001)):
                    await self._ready.wait()
            except TimeoutError:
                return b""
        data = b"".join(self._queue)
        self._queue.clear()
        return data


def _stamped(entry: Entry, rv: int) -> Entry:
    meta = {**entry.obj["metadata"], "resourceVersion": str(rv)}
    return Entry(entry.key, {**entry.obj, "metadata": meta}, rv)


def bookmark(api_version: str, kind: str, revision: int, *, initial: bool) -> Obj:
    """Return a bookmark's object; ``initial`` ends the initial events of a WatchList."""
    meta: Obj = {"resourceVersion": str(revision), "creationTimestamp": None}
    if initial:
        meta["annotations"] = {INITIAL_END: "true"}
    return {"kind": kind, "apiVersion": api_version, "metadata": meta}


def _stalled(faults: Faults) -> bool:
    return faults.watch_stall


async def run(
    stream: Stream,
    write: Callable[[bytes], Any],
    clock: Clock,
    faults: Faults,
    *,
    seconds: float,
    bookmarks: Callable[[int], bytes] | None,
    every: float,
) -> None:
    """Write the stream's lines until ``seconds`` have passed, with bookmarks when wanted."""
    end = clock.monotonic() + seconds
    next_mark = clock.monotonic() + every
    while not stream.overflowed and not faults.down:
        now = clock.monotonic()
        if now >= end:
            break
        if _stalled(faults):
            await asyncio.sleep(0.05)
            continue
        data = await stream.take(min(LOOK_SECONDS, min(end, next_mark) - now))
        if _stalled(faults):
            stream.push(data)
            continue
        if data:
            await write(data)
        elif bookmarks and clock.monotonic() >= next_mark:
            await write(bookmarks(stream.revision))
        if clock.monotonic() >= next_mark:
            next_mark = clock.monotonic() + every
    if bookmarks and not faults.watch_stall and not stream.overflowed and not faults.down:
        await write(bookmarks(stream.revision))
