"""Rates shared by processes, and what is left of them without Redis."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from redis.asyncio import Redis

from providers.buckets import Buckets, LocalBuckets, Priority, Rate
from providers.errors import Throttled
from tests.conftest import RedisServer

WHOLE = Rate(1000, 1000)


class Sleeper:
    """Counts the seconds that callers were told to wait."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.waits.append(seconds)


def buckets(url: str, sleeper: Sleeper, **changes: Any) -> Buckets:
    fields: dict[str, Any] = {
        "scope": "1:r",
        "rates": {"Create": Rate(10, 20)},
        "whole": WHOLE,
        "redis": lambda: Redis.from_url(url),
        "sleep": sleeper,
    }
    return Buckets(**fields | changes)


async def test_the_burst_goes_at_once_and_the_rest_in_turn(redis_server: RedisServer) -> None:
    sleeper = Sleeper()
    one, two = buckets(redis_server.url, sleeper), buckets(redis_server.url, sleeper)
    for n in range(40):
        await (one if n % 2 else two).take("Create", Priority.CREATE)
    assert len(sleeper.waits) == 20
    assert sleeper.waits == sorted(sleeper.waits)
    assert 1.5 < sleeper.waits[-1] <= 2.0
    await one.aclose()
    await two.aclose()


async def test_a_call_that_would_wait_too_long_is_told_when_to_come_back(
    redis_server: RedisServer,
) -> None:
    limiter = buckets(redis_server.url, Sleeper(), longest=0.5)
    for _ in range(25):
        await limiter.take("Create", Priority.CREATE)
    with pytest.raises(Throttled) as caught:
        await limiter.take("Create", Priority.CREATE)
    assert caught.value.code == "LocalRate"
    assert 0.5 < caught.value.retry_after <= 0.6
    await limiter.aclose()


async def test_the_less_urgent_leave_room_for_the_more_urgent(redis_server: RedisServer) -> None:
    sleeper = Sleeper()
    limiter = buckets(redis_server.url, sleeper, whole=Rate(0.001, 10), rates={}, longest=0)
    for _ in range(5):
        await limiter.take("Price", Priority.PRICE)
    with pytest.raises(Throttled):
        await limiter.take("Price", Priority.PRICE)
    for _ in range(4):
        await limiter.take("Create", Priority.CREATE)
    with pytest.raises(Throttled):
        await limiter.take("Create", Priority.CREATE)
    await limiter.take("Delete", Priority.DELETE)
    with pytest.raises(Throttled):
        await limiter.take("Delete", Priority.DELETE)
    await limiter.aclose()


async def test_a_refusal_of_the_cloud_stops_all_processes(redis_server: RedisServer) -> None:
    sleeper = Sleeper()
    one, two = buckets(redis_server.url, sleeper), buckets(redis_server.url, sleeper)
    await one.throttled("Create", 3.0)
    await two.take("Create", Priority.CREATE)
    assert 2.5 < sleeper.waits[0] <= 3.0
    await one.take("Delete", Priority.DELETE)
    assert len(sleeper.waits) == 1
    await one.aclose()
    await two.aclose()


async def test_without_redis_each_process_keeps_to_a_quarter() -> None:
    sleeper = Sleeper()
    limiter = buckets("redis://127.0.0.1:1/0", sleeper)
    for _ in range(10):
        await limiter.take("Create", Priority.CREATE)
    assert len(sleeper.waits) == 5
    assert sleeper.waits[0] == pytest.approx(0.4, abs=0.1)
    await limiter.throttled("Create", 4.0)
    await limiter.take("Create", Priority.CREATE)
    assert sleeper.waits[-1] == pytest.approx(4.0, abs=0.5)
    await limiter.aclose()


def test_a_slowed_rate_grows_back_within_two_minutes() -> None:
    now = 1000.0
    local = LocalBuckets(clock=lambda: now)
    wants = [("k", Rate(10, 1), 0.0)]

    def seconds_per_token() -> float:
        local.take(wants, 1000)
        first = local.take(wants, 1000)[1]
        return local.take(wants, 1000)[1] - first

    assert seconds_per_token() == pytest.approx(0.1)
    for _ in range(3):
        local.throttled("k", 1)
        now += 2
    now += 10
    assert seconds_per_token() > 0.5
    now += 200
    assert seconds_per_token() == pytest.approx(0.1)


async def test_many_that_wait_at_once_each_get_their_own_turn(redis_server: RedisServer) -> None:
    sleeper = Sleeper()
    limiter = buckets(redis_server.url, sleeper, rates={"Create": Rate(100, 1)})
    await asyncio.gather(*(limiter.take("Create", Priority.CREATE) for _ in range(30)))
    assert len({round(wait, 3) for wait in sleeper.waits}) > 25
    await limiter.aclose()
