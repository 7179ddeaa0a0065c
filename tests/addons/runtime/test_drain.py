"""Keys in, outcomes out: under one lease, many at once, nothing forgotten."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta

import pytest

from addons.announce import CHANNEL
from addons.models import PodRow, ShardLease
from addons.runtime import resync
from addons.runtime.contract import Context, LeaseLost, Outcome, Reconciler
from addons.runtime.drain import Limits, backoff, drain
from addons.runtime.loop import Runtime
from tests.addons import cast
from tests.conftest import RedisServer

LIMITS = Limits(concurrency=16, slice_seconds=5.0, lease_seconds=4.0)
SHARD = "node:7"


class Recorder:
    """A reconciler that counts, and does what it is told per key."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()
        self.running: Counter[str] = Counter()
        self.most_at_once = 0
        self.outcomes: dict[str, Outcome | Exception] = {}
        self.gate: asyncio.Event | None = None

    def find(self, _key: str) -> Reconciler:
        return self.reconcile

    async def reconcile(self, ctx: Context, key: str) -> Outcome:
        self.seen[key] += 1
        self.running[key] += 1
        assert self.running[key] == 1
        self.most_at_once = max(self.most_at_once, self.running.total())
        try:
            await (self.gate.wait() if self.gate else asyncio.sleep(0.001))
        finally:
            self.running[key] -= 1
        outcome = self.outcomes.get(key, Outcome())
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


async def until(condition: object, seconds: float = 5.0) -> None:
    assert callable(condition)
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


def due(runtime: Runtime, *keys: str) -> None:
    runtime.run(runtime.queue.add(SHARD, dict.fromkeys(keys, runtime.clock.epoch() - 1)))


def test_every_key_is_looked_at_once_and_many_at_a_time(runtime: Runtime) -> None:
    recorder = Recorder()
    due(runtime, *(f"k:{n}" for n in range(500)))
    assert runtime.run(drain(runtime, SHARD, limits=LIMITS, find=recorder.find))
    assert len(recorder.seen) == 500
    assert set(recorder.seen.values()) == {1}
    assert recorder.most_at_once == LIMITS.concurrency
    assert runtime.run(runtime.queue.depth(SHARD)) == (0, 0)
    assert ShardLease.objects.get(shard=SHARD).holder == ""


def test_a_key_that_changes_while_it_is_looked_at_is_looked_at_again(runtime: Runtime) -> None:
    recorder = Recorder()

    async def scenario() -> None:
        recorder.gate = asyncio.Event()
        await runtime.queue.add(SHARD, {"k:1": 0.0})
        work = asyncio.create_task(drain(runtime, SHARD, limits=LIMITS, find=recorder.find))
        await until(lambda: recorder.seen["k:1"] == 1)
        await runtime.queue.add(SHARD, {"k:1": 0.0, "k:2": 0.0})
        await until(lambda: recorder.seen["k:2"] == 1)
        assert recorder.seen["k:1"] == 1
        recorder.gate.set()
        await work

    runtime.run(scenario(), timeout=20)
    assert recorder.seen == {"k:1": 2, "k:2": 1}


def test_a_shard_with_a_live_holder_is_left_to_it(runtime: Runtime) -> None:
    recorder = Recorder()

    async def scenario() -> list[bool]:
        recorder.gate = asyncio.Event()
        await runtime.queue.add(SHARD, {"k:1": 0.0})
        first = asyncio.create_task(drain(runtime, SHARD, limits=LIMITS, find=recorder.find))
        await until(lambda: recorder.seen.total() == 1)
        second = await drain(runtime, SHARD, limits=LIMITS, find=recorder.find)
        recorder.gate.set()
        return [await first, second]

    assert runtime.run(scenario(), timeout=20) == [True, False]
    assert recorder.seen == {"k:1": 1}


def test_what_a_dead_worker_had_in_flight_is_done_by_the_next(runtime: Runtime) -> None:
    recorder = Recorder()
    due(runtime, "k:1")
    now = runtime.clock.epoch()
    runtime.run(runtime.queue.take(SHARD, 5, now=now, visible_until=now + 900))
    runtime.run(drain(runtime, SHARD, limits=LIMITS, find=recorder.find))
    assert recorder.seen == {"k:1": 1}


def test_a_failing_pod_backs_off_and_its_row_says_why_and_when(runtime: Runtime) -> None:
    cluster = cast.cluster()
    row = cast.pod(cluster, "web-1", cast.node(cluster))
    recorder = Recorder()
    recorder.outcomes[row.key] = Outcome(reason="NoStock", values={"zone": "k"}, failed=True)
    before = runtime.clock.now()
    for attempt in (1, 2, 3):
        runtime.run(runtime.queue.add(SHARD, {row.key: 0.0}))
        runtime.run(drain(runtime, SHARD, limits=LIMITS, find=recorder.find))
        row.refresh_from_db()
        assert row.attempts == attempt
    assert (row.blocker, row.blocker_values) == ("NoStock", {"zone": "k"})
    assert row.next_try_at is not None
    assert row.next_try_at > before + timedelta(seconds=3)
    recorder.outcomes[row.key] = Outcome()
    runtime.run(runtime.queue.add(SHARD, {row.key: 0.0}))
    runtime.run(drain(runtime, SHARD, limits=LIMITS, find=recorder.find))
    row.refresh_from_db()
    assert (row.blocker, row.next_try_at, row.attempts) == ("", None, 0)


def test_a_bug_in_a_reconciler_costs_one_key_a_delay_and_nothing_else(runtime: Runtime) -> None:
    recorder = Recorder()
    recorder.outcomes["k:1"] = ZeroDivisionError("a bug")
    due(runtime, "k:1", "k:2")
    assert runtime.run(drain(runtime, SHARD, limits=LIMITS, find=recorder.find))
    next_due = runtime.run(runtime.queue.next_due(SHARD))
    assert next_due is not None
    assert next_due > runtime.clock.epoch()
    assert recorder.seen == {"k:1": 1, "k:2": 1}


def test_saved_rows_are_announced(runtime: Runtime) -> None:
    cluster = cast.cluster()
    row = cast.pod(cluster, "web-1", cast.node(cluster))
    recorder = Recorder()
    recorder.outcomes[row.key] = Outcome(reason="Waiting", requeue_after=60.0)

    async def scenario() -> bytes:
        async with runtime.redis.pubsub() as channel:
            await channel.subscribe(CHANNEL)
            await runtime.queue.add(SHARD, {row.key: 0.0})
            await drain(runtime, SHARD, limits=LIMITS, find=recorder.find)
            async with asyncio.timeout(5):
                async for message in channel.listen():
                    if message["type"] == "message":
                        return bytes(message["data"])
        raise AssertionError("nothing announced")

    assert runtime.run(scenario(), timeout=20) == (b'{"topic": "pods", "ids": [%d]}' % row.pk)


def test_work_under_a_lost_lease_is_dropped(runtime: Runtime) -> None:
    cluster = cast.cluster()
    row = cast.pod(cluster, "web-1", cast.node(cluster))
    recorder = Recorder()
    recorder.outcomes[row.key] = Outcome(reason="Late", failed=True)

    def taken_over() -> None:
        ShardLease.objects.filter(shard=SHARD).update(holder="someone else", epoch=99)

    async def scenario() -> None:
        recorder.gate = asyncio.Event()
        await runtime.queue.add(SHARD, {row.key: 0.0})
        work = asyncio.create_task(drain(runtime, SHARD, limits=LIMITS, find=recorder.find))
        await until(lambda: recorder.seen.total() == 1)
        await runtime.db(taken_over)
        await work

    runtime.run(scenario(), timeout=20)
    row.refresh_from_db()
    assert row.blocker == ""
    assert recorder.running.total() == 0
    assert ShardLease.objects.get(shard=SHARD).holder == "someone else"


def test_a_reconciler_that_notices_a_lost_lease_ends_the_drain(runtime: Runtime) -> None:
    recorder = Recorder()
    recorder.outcomes["k:1"] = LeaseLost("k:1")
    due(runtime, "k:1")
    assert runtime.run(drain(runtime, SHARD, limits=LIMITS, find=recorder.find), timeout=20)
    assert runtime.run(runtime.queue.depth(SHARD)) == (0, 1)


def test_a_slice_that_ends_too_soon_nudges_again(runtime: Runtime) -> None:
    recorder = Recorder()
    due(runtime, *(f"k:{n}" for n in range(300)))
    short = Limits(concurrency=4, slice_seconds=0.02, lease_seconds=4.0)
    runtime.run(drain(runtime, SHARD, limits=short, find=recorder.find))
    assert 0 < len(recorder.seen) < 300
    assert runtime.run(runtime.redis.llen("celery")) == 1
    runtime.run(drain(runtime, SHARD, limits=LIMITS, find=recorder.find))
    assert len(recorder.seen) == 300
    assert set(recorder.seen.values()) == {1}


def test_the_queue_is_rebuilt_after_redis_forgot_everything(
    runtime: Runtime, redis_server: RedisServer
) -> None:
    cluster = cast.cluster()
    node = cast.node(cluster)
    rows = [cast.pod(cluster, f"web-{n}", node, phase="Running") for n in range(20)]
    recorder = Recorder()

    async def scenario() -> None:
        recorder.gate = asyncio.Event()
        await resync.resync(runtime)
        work = asyncio.create_task(drain(runtime, node.shard, limits=LIMITS, find=recorder.find))
        await until(lambda: recorder.seen.total() == LIMITS.concurrency)
        await runtime.redis.flushall()
        await runtime.redis.script_flush()
        recorder.gate.set()
        await work
        recorder.seen.clear()
        assert await runtime.queue.depth(node.shard) == (0, 0)
        assert await resync.resync(runtime) == 20
        await drain(runtime, node.shard, limits=LIMITS, find=recorder.find)

    runtime.run(scenario(), timeout=20)
    assert set(recorder.seen) == {node.shard, *(row.key for row in rows)}


def test_pods_at_rest_cost_little_and_are_still_looked_at_in_turn(runtime: Runtime) -> None:
    cluster = cast.cluster()
    node = cast.node(cluster)
    calm = [cast.pod(cluster, f"calm-{n}", node, phase="Running") for n in range(80)]
    cast.pod(cluster, "new", node, phase="Pending")
    cast.pod(cluster, "gone", node, phase="Running", gone_at=cast.NOW)
    parts = [resync.unfinished(full=False, part=part)[node.shard] for part in range(40)]
    assert max(len(part) for part in parts) < 10
    assert all(f"pod:{cluster.pk}:default/new" in part for part in parts)
    assert set().union(*parts) == {row.key for row in PodRow.objects.filter(gone_at=None)}
    assert len(resync.unfinished(full=True, part=0)[node.shard]) == len(calm) + 1


@pytest.mark.parametrize(("failures", "low", "high"), [(1, 0.75, 1), (4, 6, 8), (30, 225, 300)])
def test_back_off_doubles_to_five_minutes(failures: int, low: float, high: float) -> None:
    assert backoff(failures, jitter=0.0) == low
    assert backoff(failures, jitter=1.0) == high
