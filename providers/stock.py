"""Where a cloud said "no stock" lately: not asked again for three minutes.

Kept in Redis, so that all processes know. Without Redis nothing is remembered, which costs calls
and no correctness.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from redis.asyncio import Redis
from redis.exceptions import RedisError

SECONDS = 180


@dataclass(frozen=True, slots=True)
class Short:
    """No stock of `spec` in `zone`, which is asked again in `seconds_left`."""

    zone: str
    spec: str
    seconds_left: int


def scope_of(account_id: int, region: str) -> str:
    return f"{account_id}:{region}"


class Stock:
    """The memory of one account in one region; `spec` is the label of a size."""

    def __init__(self, *, scope: str, redis: Callable[[], Redis]) -> None:
        self._scope = _prefix(scope)
        self._connect = redis
        self._redis: Redis | None = None

    def _client(self) -> Redis:
        if self._redis is None:
            self._redis = self._connect()
        return self._redis

    async def remember(self, zones: Iterable[str], spec: str) -> None:
        try:
            async with self._client().pipeline(transaction=False) as pipe:
                for zone in zones:
                    pipe.set(f"{self._scope}:{zone}:{spec}", "1", ex=SECONDS)
                    pipe.sadd(self._scope, f"{zone}:{spec}")
                pipe.expire(self._scope, SECONDS)
                await pipe.execute()
        except (RedisError, OSError):
            return

    async def short(self, zones: Sequence[str], spec: str) -> frozenset[str]:
        """Which of `zones` had no stock of `spec` within the last three minutes."""
        if not zones:
            return frozenset()
        try:
            found = await self._client().mget([f"{self._scope}:{zone}:{spec}" for zone in zones])
        except (RedisError, OSError):
            return frozenset()
        return frozenset(zone for zone, value in zip(zones, found, strict=True) if value)

    async def aclose(self) -> None:
        if self._redis is not None:
            await self._redis.aclose()
            self._redis = None


def _prefix(scope: str) -> str:
    return f"nostock:{scope}"


async def remembered(redis: Redis, account_id: int, region: str) -> list[Short]:
    """What is not asked for now, by zone and size. Empty without Redis: nothing is remembered."""
    prefix = _prefix(scope_of(account_id, region))
    try:
        found = await redis.smembers(prefix)
        names = sorted(name.decode() if isinstance(name, bytes) else name for name in found)
        async with redis.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.ttl(f"{prefix}:{name}")
            left = await pipe.execute()
    except (RedisError, OSError):
        return []
    short = [(*name.partition(":"), seconds) for name, seconds in zip(names, left, strict=True)]
    return [Short(zone, spec, seconds) for zone, _, spec, seconds in short if seconds >= 0]
