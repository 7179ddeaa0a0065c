"""A burst of creates waits for its turns without holding anybody else up."""

from __future__ import annotations

from redis.asyncio import Redis

from providers.buckets import Buckets, LocalBuckets, Rate
from providers.turns import CREATE, VOID_SECONDS, Turns
from tests.conftest import RedisServer


class Hands:
    """A clock moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def turns(hands: Hands, *, per_second: float = 40.0, burst: float = 8.0) -> Turns:
    """Without Redis each process has a quarter of the rates: 10 a second after a burst of 2."""

    def no_redis() -> object:
        raise OSError("no Redis here")

    buckets = Buckets(
        scope="1:cn-hangzhou",
        rates={CREATE: Rate(per_second, burst)},
        whole=Rate(4000, 4000),
        redis=no_redis,  # type: ignore[arg-type]
        local=LocalBuckets(hands),
    )
    return Turns(buckets, clock=hands)


async def test_each_name_gets_one_turn_after_the_other_and_keeps_it() -> None:
    hands = Hands()
    line = turns(hands)
    first = [round(await line.of(name), 3) for name in "abcd"]
    assert first == [0.0, 0.0, 0.1, 0.2]
    hands.now += 0.05
    assert round(await line.of("d"), 3) == 0.15


async def test_a_turn_that_came_is_over() -> None:
    hands = Hands()
    line = turns(hands, per_second=4.0)
    assert [round(await line.of(name), 3) for name in "abc"] == [0.0, 0.0, 1.0]
    hands.now += 1.0
    assert await line.of("c") == 0.0
    assert round(await line.of("c"), 3) == 1.0


async def test_nobody_reserves_further_than_a_dead_process_may_lose() -> None:
    hands = Hands()
    line = turns(hands, per_second=4.0)
    waits = [await line.of(f"pod-{i}") for i in range(60)]
    assert max(waits) <= 20.0
    assert all(wait >= 10.0 for wait in waits[25:])
    hands.now += 10.5
    assert 10.0 < await line.of("pod-59") <= 11.0


async def test_a_turn_that_nobody_took_is_void() -> None:
    hands = Hands()
    line = turns(hands, per_second=4.0)
    assert [round(await line.of(name), 3) for name in "abc"] == [0.0, 0.0, 1.0]
    hands.now += VOID_SECONDS + 1.0
    assert [round(await line.of(name), 3) for name in "xyc"] == [0.0, 0.0, 1.0]


async def test_turns_of_two_processes_come_from_one_bucket(redis_server: RedisServer) -> None:
    def process() -> tuple[Buckets, Turns]:
        buckets = Buckets(
            scope="1:cn-hangzhou",
            rates={CREATE: Rate(2.0, 2.0)},
            whole=Rate(1000, 1000),
            redis=lambda: Redis.from_url(redis_server.url),
        )
        return buckets, Turns(buckets)

    (one, mine), (two, theirs) = process(), process()
    waits = [await mine.of("a"), await theirs.of("b"), await mine.of("c"), await theirs.of("d")]
    assert waits[:2] == [0.0, 0.0]
    assert 0.3 < waits[2] <= 0.5
    assert 0.8 < waits[3] <= 1.0
    await one.aclose()
    await two.aclose()
