"""The queue against a model, on a real Redis that may lose everything at any moment."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import redis.asyncio
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from addons.runtime.queue import Queue, add_blocking
from tests.conftest import RedisServer

KEYS = st.sampled_from(["a", "b", "c", "d"])
SHARD = "node:1"


class QueueMachine(RuleBasedStateMachine):
    url = ""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.client = redis.asyncio.Redis.from_url(self.url)
        self.queue = Queue(self.client)
        self.now = 1000.0
        self.due: dict[str, float] = {}
        self.flight: dict[str, float] = {}
        self.failures: dict[str, int] = {}
        self.wait(self.client.flushall())

    def wait(self, awaitable: Any) -> Any:
        return self.loop.run_until_complete(awaitable)

    def teardown(self) -> None:
        self.wait(self.client.aclose())
        self.loop.close()

    def _merge(self, key: str, at: float) -> None:
        self.due[key] = min(at, self.due.get(key, at))

    @rule(key=KEYS, delay=st.integers(0, 20))
    def add(self, key: str, delay: int) -> None:
        self.wait(self.queue.add(SHARD, {key: self.now + delay}))
        self._merge(key, self.now + delay)

    @rule(seconds=st.integers(1, 15))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds

    @rule(n=st.integers(1, 4))
    def take(self, n: int) -> None:
        taken = self.wait(self.queue.take(SHARD, n, now=self.now, visible_until=self.now + 10))
        for key in [key for key, until in self.flight.items() if until <= self.now]:
            del self.flight[key]
            self._merge(key, self.now)
        ready = {k for k, at in self.due.items() if at <= self.now and k not in self.flight}
        assert {item.key for item in taken} <= ready
        assert len(taken) == min(n, len(ready))
        for item in taken:
            assert item.failures == self.failures.get(item.key, 0)
            del self.due[item.key]
            self.flight[item.key] = self.now + 10

    @rule(key=KEYS, delay=st.none() | st.integers(0, 30), failures=st.integers(0, 3))
    def done(self, key: str, delay: int | None, failures: int) -> None:
        at = None if delay is None else self.now + delay
        self.wait(self.queue.done(SHARD, key, requeue_at=at, failures=failures))
        self.flight.pop(key, None)
        self.failures[key] = failures
        if at is not None:
            self._merge(key, at)

    @rule(key=KEYS)
    def touch(self, key: str) -> None:
        self.wait(self.queue.touch(SHARD, [key], visible_until=self.now + 20))
        if key in self.flight:
            self.flight[key] = self.now + 20

    @rule()
    def reclaim(self) -> None:
        assert self.wait(self.queue.reclaim(SHARD, now=self.now)) == len(self.flight)
        for key in self.flight:
            self._merge(key, self.now)
        self.flight = {}

    @rule()
    def redis_forgets_everything(self) -> None:
        self.wait(self.client.flushall())
        self.wait(self.client.script_flush())
        self.due, self.flight, self.failures = {}, {}, {}

    @invariant()
    def the_index_knows_when_a_worker_is_needed(self) -> None:
        waiting = [at for key, at in self.due.items() if key not in self.flight]
        assert self.wait(self.queue.next_due(SHARD)) == (min(waiting) if waiting else None)
        times = [*waiting, *self.flight.values()]
        needed = bool(times) and min(times) <= self.now
        assert self.wait(self.queue.shards(now=self.now)) == ([SHARD] if needed else [])
        assert self.wait(self.queue.depth(SHARD)) == (len(self.due), len(self.flight))


def test_the_queue_behaves_like_its_model(redis_server: RedisServer) -> None:
    machine = type("Machine", (QueueMachine,), {"url": redis_server.url})
    case = machine.TestCase
    case.settings = hypothesis_settings(
        max_examples=60, stateful_step_count=30, deadline=None, database=None
    )
    case("runTest").runTest()


async def test_a_key_added_while_in_flight_runs_again_afterwards(
    redis_client: redis.asyncio.Redis,
) -> None:
    queue = Queue(redis_client)
    await queue.add(SHARD, {"a": 1.0})
    assert [t.key for t in await queue.take(SHARD, 5, now=2.0, visible_until=60.0)] == ["a"]
    await queue.add(SHARD, {"a": 2.0})
    assert await queue.take(SHARD, 5, now=3.0, visible_until=60.0) == []
    await queue.done(SHARD, "a", requeue_at=500.0)
    assert [t.key for t in await queue.take(SHARD, 5, now=3.0, visible_until=60.0)] == ["a"]


async def test_pages_and_workers_fill_the_same_queue(
    redis_server: RedisServer, redis_client: redis.asyncio.Redis
) -> None:
    with redis.Redis.from_url(redis_server.url) as client:
        add_blocking(client, SHARD, {"pod:1:ns/a": 5.0})
    assert await Queue(redis_client).shards(now=5.0) == [SHARD]


@pytest.mark.parametrize("count", [3000])
async def test_thousands_of_keys_are_added_and_taken_once_each(
    redis_client: redis.asyncio.Redis, count: int
) -> None:
    queue = Queue(redis_client)
    await queue.add(SHARD, {f"k{n}": 1.0 for n in range(count)})
    seen: list[str] = []
    while batch := await queue.take(SHARD, 64, now=2.0, visible_until=60.0):
        seen += [item.key for item in batch]
        for item in batch:
            await queue.done(SHARD, item.key)
    assert len(seen) == count == len(set(seen))
    assert await queue.depth(SHARD) == (0, 0)
