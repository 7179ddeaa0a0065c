"""Where a cloud said "no stock" lately: not asked again for three minutes.

Kept in Redis, so that all processes know. Without Redis nothing is remembered, which costs calls
and no correctness.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from redis.asyncio import Redis
from redis.exceptions import RedisError

SECONDS = 180


class Stock:
    """The memory of one account in one region; `spec` is the label of a size."""

    def __init__(self, *, scope: str, redis: Callable[[], Redis]) -> None:
        self._scope = f"nostock:{scope}"
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
