"""The three-minute memory of what the cloud had no stock of."""

from __future__ import annotations

from redis.asyncio import Redis

from providers.stock import SECONDS, Short, Stock, remembered, scope_of
from tests.conftest import RedisServer


async def test_what_was_short_is_left_out_and_told_with_the_time_left(
    redis_server: RedisServer,
) -> None:
    def connect() -> Redis:
        return Redis.from_url(redis_server.url)

    stock = Stock(scope=scope_of(7, "cn-hangzhou"), redis=connect)
    await stock.remember(["cn-hangzhou-j", "cn-hangzhou-k"], "2-4Gi")
    zones = ["cn-hangzhou-i", "cn-hangzhou-j"]
    assert await stock.short(zones, "2-4Gi") == {"cn-hangzhou-j"}
    client = connect()
    told = await remembered(client, 7, "cn-hangzhou")
    assert {(one.zone, one.spec) for one in told} == {
        ("cn-hangzhou-j", "2-4Gi"),
        ("cn-hangzhou-k", "2-4Gi"),
    }
    assert all(SECONDS - 5 < one.seconds_left <= SECONDS for one in told)
    assert await remembered(client, 7, "cn-beijing") == []
    await client.delete("nostock:7:cn-hangzhou:cn-hangzhou-j:2-4Gi")
    (left,) = await remembered(client, 7, "cn-hangzhou")
    assert left == Short("cn-hangzhou-k", "2-4Gi", left.seconds_left)
    await client.aclose()
    await stock.aclose()


async def test_without_redis_nothing_is_remembered_and_nothing_fails() -> None:
    def connect() -> Redis:
        return Redis.from_url("unix:///nowhere.sock")

    stock = Stock(scope=scope_of(7, "cn-hangzhou"), redis=connect)
    await stock.remember(["cn-hangzhou-j"], "2-4Gi")
    assert await stock.short(["cn-hangzhou-j"], "2-4Gi") == frozenset()
    client = connect()
    assert await remembered(client, 7, "cn-hangzhou") == []
    await client.aclose()
    await stock.aclose()
