"""List, then watch, for ever: the eyes on one resource of one cluster.

Level-triggered: what is delivered says how things are, never what to do. After any doubt the
whole list is delivered again: at the start, when the server forgot our resourceVersion (410),
when an event could not be read, and within a minute after every lost connection. In between the
watch resumes where it stopped. A watch that is silent for `inactivity` seconds is reconnected
(API servers send a bookmark about every minute).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from random import Random
from typing import Any, Generic, cast

from typing_extensions import TypeVar

from kube.client import Kube
from kube.clock import SYSTEM_CLOCK, Clock
from kube.errors import ApiError, CircuitOpen, Gone, KubeError, UnexpectedAnswer, WatchStalled
from kube.resources import Resource
from kube.watching import Event

T = TypeVar("T", default=dict[str, Any])
_DICT = cast("Any", dict)

BACKOFF_FIRST = 0.5
BACKOFF_LAST = 30.0
RELIST_WITHIN = 60.0
SHORTEST_WATCH = 1.0
_LONGEST_WATCH = 300.0


@dataclass(frozen=True, slots=True)
class SourceState:
    """Whether what was delivered is current.

    `stale_since` is the Unix time of the last sign of life, None before the first; `error` and
    `next_try` (Unix time) say why not and when it is tried again.
    """

    synced: bool
    stale_since: float | None = None
    error: KubeError | None = None
    next_try: float | None = None


class Reflector(Generic[T]):
    """Delivers lists and changes of `r` until cancelled.

    `on_list(items, resource_version)` replaces everything known. `on_events(events)` gets what
    arrived together, in order, without bookmarks. `on_state` hears every change of freshness.
    The position moves on only after a callback returned; a callback that raises ends `run` with
    that exception, since only its owner knows what it means.
    """

    def __init__(
        self,
        kube: Kube,
        r: Resource,
        namespace: str | None = None,
        *,
        labels: str = "",
        fields: str = "",
        type: type[T] = _DICT,  # noqa: A002 - reads as the field's own term
        on_list: Callable[[list[T], str], Awaitable[object]],
        on_events: Callable[[list[Event[T]]], Awaitable[object]],
        on_state: Callable[[SourceState], object] = lambda _: None,
        clock: Clock = SYSTEM_CLOCK,
        random: Random | None = None,
        inactivity: float = 70.0,
    ) -> None:
        self._kube = kube
        self._r = r
        self._namespace = namespace
        self._labels = labels
        self._fields = fields
        self._type = type
        self._on_list = on_list
        self._on_events = on_events
        self._on_state = on_state
        self._clock = clock
        self._random = random or Random()  # noqa: S311 - spreads load, guards nothing
        self._inactivity = inactivity
        self._version = ""
        self._failures = 0
        self._heard: float | None = None
        self._relist_at: float | None = None
        self.state = SourceState(synced=False)

    @property
    def heard_at(self) -> float | None:
        """Unix time of the last list, event or bookmark."""
        return self._heard

    async def run(self) -> None:
        while True:
            await self.turn()

    async def turn(self) -> None:
        """A list if one is due, then one watch until it ends; failures end in a pause."""
        try:
            if not self._version or self._relist_due():
                await self._list()
            await self._watch()
        except KubeError as error:
            await self._pause(error)

    async def _list(self) -> None:
        listing = await self._kube.list(
            self._r, self._namespace, labels=self._labels, fields=self._fields, type=self._type
        )
        await self._on_list(listing.items, listing.resource_version)
        self._version = listing.resource_version
        self._relist_at = None
        self._alive()

    async def _watch(self) -> None:
        opened = self._clock.monotonic()
        if self.state.error is not None:
            self._relist_at = opened + RELIST_WITHIN * self._random.uniform(0.3, 0.9)
        seconds = self._watch_seconds(opened)
        source = self._kube.watch_batches(
            self._r,
            self._namespace,
            labels=self._labels,
            fields=self._fields,
            resource_version=self._version,
            type=self._type,
            inactivity=min(self._inactivity, seconds + 2.0),
            seconds=int(seconds),
        )
        delivered = False
        try:
            async with aclosing(source) as stream:
                async for batch in stream:
                    await self._take(batch)
                    delivered = delivered or bool(batch)
        except WatchStalled:
            if not self._relist_due():
                raise
        if delivered or self._clock.monotonic() - opened >= SHORTEST_WATCH:
            self._failures = 0
        elif not self._relist_due():
            raise UnexpectedAnswer(f"watch of {self._r.plural} was closed at once, without events")

    def _watch_seconds(self, now: float) -> float:
        """Random, so that many watches do not end together; shorter when a list is due sooner."""
        longest = _LONGEST_WATCH * self._random.uniform(0.8, 1.2)
        return longest if self._relist_at is None else max(1.0, self._relist_at - now)

    async def _take(self, batch: list[Event[T]]) -> None:
        changes = [event for event in batch if event.kind != "BOOKMARK"]
        if changes:
            await self._on_events(changes)
        if batch:
            self._version = batch[-1].resource_version or self._version
            self._failures = 0
        self._alive()

    async def _pause(self, error: KubeError) -> None:
        first = self._failures == 0
        self._failures += 1
        if isinstance(error, Gone | UnexpectedAnswer):
            self._version = ""
        delay = 0.0 if first and isinstance(error, Gone) else self._delay(error)
        next_try = self._clock.time() + delay
        self._tell(SourceState(False, self._heard, error, next_try))
        await self._clock.sleep(delay)

    def _delay(self, error: KubeError) -> float:
        full = min(BACKOFF_LAST, BACKOFF_FIRST * 2.0 ** min(self._failures - 1, 10))
        asked = error.retry_after if isinstance(error, ApiError | CircuitOpen) else None
        return max(full * self._random.uniform(0.5, 1.0), min(asked or 0.0, BACKOFF_LAST))

    def _relist_due(self) -> bool:
        return self._relist_at is not None and self._clock.monotonic() >= self._relist_at

    def _alive(self) -> None:
        self._heard = self._clock.time()
        if not self.state.synced:
            self._tell(SourceState(synced=True))

    def _tell(self, state: SourceState) -> None:
        self.state = state
        self._on_state(state)
