"""Drain a shard: under its lease, look at due keys, many at once, until dry or out of time.

    lease or return at once -> give back what a dead holder left in flight -> take, reconcile,
    done; results to the rows in batches -> release -> look once more, nudge when something is due

The look after the release closes the race with a nudge that saw the lease held. A slice that ends
before the queue does nudges again, so that one busy shard never starves the others.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import redis
from django.conf import settings
from django.db import DatabaseError

from addons.announce import announce_async
from addons.runtime import nudge
from addons.runtime.contract import Held, LeaseLost, Outcome, Reconciler
from addons.runtime.ending import end
from addons.runtime.gather import Gather
from addons.runtime.lease import Lease, acquire
from addons.runtime.loop import Runtime
from addons.runtime.queue import Done, Taken
from addons.runtime.registry import reconciler_of
from addons.runtime.results import Result, save_results
from kube import Kube
from providers.base import Provider

T = TypeVar("T")
log = logging.getLogger(__name__)

BACKOFF_CAP = 300.0
# A key that takes longer is cancelled and counts as failed.
KEY_SECONDS = 60.0
# A dry queue whose next key is due so soon is waited for, to save the lease's two writes.
LINGER_SECONDS = 0.2
SAVE_SECONDS = 0.1
GATHER_SECONDS = 0.002


def backoff(failures: int, *, jitter: float) -> float:
    """Seconds before try `failures + 1`: 1, 2, 4 ... 300, times `0.75 .. 1.0` by `jitter` 0..1."""
    return float(min(BACKOFF_CAP, 2.0 ** min(failures - 1, 10)) * (0.75 + 0.25 * jitter))


@dataclass(frozen=True, slots=True)
class Limits:
    """How many keys at once, how long one drain and its lease last (seconds)."""

    concurrency: int
    slice_seconds: float
    lease_seconds: float

    @classmethod
    def from_settings(cls) -> Limits:
        return cls(settings.DRAIN_CONCURRENCY, settings.DRAIN_SLICE_SECONDS, settings.LEASE_SECONDS)


class DrainContext:
    """`contract.Context` of one drain."""

    def __init__(self, runtime: Runtime, lease: Lease) -> None:
        self._runtime = runtime
        self.lease: Held = lease
        self.now = runtime.clock.now
        self._news: Gather[tuple[str, tuple[int, ...]], None] = Gather(
            self._announce, seconds=GATHER_SECONDS
        )

    async def kube(self, cluster_id: int) -> Kube:
        return await self._runtime.kube(cluster_id)

    async def provider(self, account_id: int, region: str) -> Provider:
        return await self._runtime.provider(account_id, region)

    async def db(self, function: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
        return await self._runtime.db(function, *args, **kwargs)

    async def enqueue(self, shard: str, key: str, *, delay: float = 0.0) -> None:
        """A key that Redis could not take is queued again by the next resync."""
        try:
            await nudge.enqueue(self._runtime, shard, key, delay=delay)
        except redis.RedisError as error:
            log.warning("key %s waits for the next resync: %s", key, error)

    async def announce(self, topic: str, *ids: int) -> None:
        await self._news.ask((topic, ids))

    async def _announce(self, news: Sequence[tuple[str, tuple[int, ...]]]) -> Sequence[None]:
        changed: dict[str, set[int]] = defaultdict(set)
        for topic, ids in news:
            changed[topic].update(ids)
        for topic, all_ids in changed.items():
            await announce_async(self._runtime.redis, topic, all_ids)
        return [None] * len(news)


class Drain:
    """The work on one shard under one lease."""

    def __init__(
        self, runtime: Runtime, lease: Lease, limits: Limits, find: Callable[[str], Reconciler]
    ) -> None:
        self._runtime = runtime
        self._lease = lease
        self._limits = limits
        self._find = find
        self._context = DrainContext(runtime, lease)
        self._running: dict[str, asyncio.Task[None]] = {}
        self._results: list[Result] = []
        self._looked: Gather[Done, None] = Gather(self._all_done, seconds=GATHER_SECONDS)
        self._closing = asyncio.Event()
        self._over_at = runtime.clock.monotonic() + limits.slice_seconds

    async def run(self) -> None:
        """Raises LeaseLost, RedisError or DatabaseError: the work is dropped, the keys stay."""
        lease, rows = self._keep_lease(), self._keep_rows()
        tasks = [asyncio.create_task(task) for task in (self._work(), lease, rows)]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            self._closing.set()
            await tasks[-1]
        finally:
            self._closing.set()
            await end(*tasks, *self._running.values())

    async def _work(self) -> None:
        while await self._round():
            pass

    async def _round(self) -> bool:
        """Fill the free places, wait a moment for one to end. False when there is no more to do."""
        await self._take()
        if not self._running:
            return not self._over() and await self._linger()
        await asyncio.wait(
            self._running.values(), timeout=0.05, return_when=asyncio.FIRST_COMPLETED
        )
        if len(self._running) > self._limits.concurrency * 3 // 4:
            await asyncio.sleep(0.005)
        self._reap()
        return True

    async def _take(self) -> None:
        room = self._limits.concurrency - len(self._running)
        if room <= 0 or self._over():
            return
        self._lease.check()
        now = self._runtime.clock.epoch()
        taken = await self._runtime.queue.take(
            self._lease.shard, room, now=now, visible_until=now + self._limits.lease_seconds
        )
        for item in taken:
            before = self._running.get(item.key)
            self._running[item.key] = asyncio.create_task(self._look(item, before), name=item.key)

    def _over(self) -> bool:
        return self._runtime.clock.monotonic() >= self._over_at or self._runtime.stopping.is_set()

    async def _linger(self) -> bool:
        due = await self._runtime.queue.next_due(self._lease.shard)
        wait = None if due is None else due - self._runtime.clock.epoch()
        if wait is None or wait > LINGER_SECONDS:
            return False
        await asyncio.sleep(max(wait, 0.001))
        return True

    def _reap(self) -> None:
        for key, task in list(self._running.items()):
            if task.done():
                del self._running[key]
                task.result()

    async def _look(self, taken: Taken, before: asyncio.Task[None] | None) -> None:
        """Look at the key, after the look `before` that has just given it back to the queue."""
        if before is not None:
            await before
        outcome = await self._outcome(taken.key)
        failures = taken.failures + 1 if outcome.failed else 0
        delay = outcome.requeue_after
        if outcome.failed:
            delay = max(backoff(failures, jitter=random.random()), delay or 0.0)  # noqa: S311
        at = None if delay is None else self._runtime.clock.epoch() + delay
        again = None if at is None else datetime.fromtimestamp(at, UTC)
        self._results.append(Result(taken.key, outcome, failures, again))
        self._lease.check()
        await self._looked.ask(Done(taken.key, at, failures))

    async def _all_done(self, looked: Sequence[Done]) -> Sequence[None]:
        self._lease.check()
        await self._runtime.queue.all_done(self._lease.shard, looked)
        return [None] * len(looked)

    async def _outcome(self, key: str) -> Outcome:
        try:
            reconcile = self._find(key)
        except KeyError:
            log.error("nobody looks after keys like %s", key)
            return Outcome()
        try:
            async with asyncio.timeout(KEY_SECONDS):
                return await reconcile(self._context, key)
        except LeaseLost:
            raise
        except Exception as error:  # safe: the key is tried again, and its row says so
            log.exception("%s failed", key)
            return Outcome(
                reason="InternalError", values={"error": type(error).__name__}, failed=True
            )

    async def _keep_lease(self) -> None:
        """Renew lease, visibility and mark until cancelled or lost."""
        while True:
            await nudge.hold(self._runtime, self._lease.shard)
            await asyncio.sleep(min(self._limits.lease_seconds / 4, 1.0))
            await self._runtime.db_urgent(self._lease.renew)
            until = self._runtime.clock.epoch() + self._limits.lease_seconds
            if self._running:
                await self._runtime.queue.touch(
                    self._lease.shard, list(self._running), visible_until=until
                )

    async def _keep_rows(self) -> None:
        while not self._closing.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(SAVE_SECONDS):
                    await self._closing.wait()
            await self._save()

    async def _save(self) -> None:
        if not self._results:
            return
        self._lease.check()
        batch, self._results = self._results, []
        changed = await self._runtime.db(save_results, batch, self._lease)
        if changed:
            await announce_async(self._runtime.redis, "pods", changed)


async def drain(
    runtime: Runtime,
    shard: str,
    *,
    limits: Limits | None = None,
    find: Callable[[str], Reconciler] = reconciler_of,
) -> bool:
    """Work on the shard now. False when another live holder is at it."""
    limits = limits or Limits.from_settings()
    lease = await runtime.db_urgent(
        acquire,
        shard,
        holder=runtime.holder(),
        seconds=limits.lease_seconds,
        clock=runtime.clock,
    )
    if lease is None:
        return False
    try:
        await runtime.queue.reclaim(shard, now=runtime.clock.epoch())
        await Drain(runtime, lease, limits, find).run()
    except LeaseLost:
        log.warning("lost the lease of %s at epoch %s", shard, lease.epoch)
    except (redis.RedisError, DatabaseError) as error:
        log.warning("stopped the work on %s: %s", shard, error)
    finally:
        with suppress(DatabaseError):  # it ends by itself
            await runtime.db_urgent(lease.release)
    await _look_again(runtime, shard)
    return True


async def _look_again(runtime: Runtime, shard: str) -> None:
    try:
        await nudge.let_go(runtime, shard)
        due = await runtime.queue.next_due(shard)
    except redis.RedisError as error:
        log.warning("beat will look after %s: %s", shard, error)
        return
    if due is not None and due <= runtime.clock.epoch() and not runtime.stopping.is_set():
        await nudge.nudge(runtime, shard)
