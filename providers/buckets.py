"""How often a cloud may be asked: token buckets shared by all processes through Redis.

One bucket per (account, region, action) at most of the cloud's documented rate, and one per account
and region over all actions, of which less urgent calls leave a part for more urgent ones (delete,
create, status, logs, price). A call takes its token in one round trip and is told how long to wait
for it; tokens may be promised ahead, so that waiting calls go in order. What the cloud throttles
halves the rate of that action, which grows back over two minutes.

Without Redis each process falls back to a quarter of every rate on its own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Protocol

from redis.asyncio import Redis
from redis.exceptions import RedisError

from providers.errors import Throttled

# Places in a queue are given no further ahead: those of a process that dies stay empty.
AHEAD_SECONDS = 20.0


class Priority(IntEnum):
    """The part of the account's bucket, in percent, that a call of this kind leaves to others."""

    DELETE = 0
    CREATE = 10
    STATUS = 20
    LOGS = 40
    PRICE = 50


@dataclass(frozen=True, slots=True)
class Rate:
    """Tokens per second, and how many may be saved up."""

    per_second: float
    burst: float

    def times(self, factor: float) -> Rate:
        return Rate(self.per_second * factor, self.burst * factor)


class Limiter(Protocol):
    async def take(self, action: str, priority: Priority) -> None:
        """Return when the call may go; `Throttled` when that would take too long."""

    async def queue(self, action: str) -> tuple[bool, float]:
        """A place in the queue for `action` and the seconds until its turn; False: it is full."""

    async def throttled(self, action: str, retry_after: float) -> None:
        """The cloud refused `action`: nobody calls it for `retry_after` seconds."""

    async def aclose(self) -> None: ...


class Unlimited:
    """No limit: for one-off calls such as a verification."""

    async def take(self, action: str, priority: Priority) -> None:
        pass

    async def queue(self, action: str) -> tuple[bool, float]:
        del action
        return True, 0.0

    async def throttled(self, action: str, retry_after: float) -> None:
        pass

    async def aclose(self) -> None:
        pass


@dataclass(slots=True)
class _Bucket:
    """`slow` halves at each refusal (1 is the full rate) and doubles each 40 seconds."""

    tokens: float
    at: float
    slow: float = 1.0
    slowed_at: float = 0.0
    blocked_until: float = 0.0


_LUA = """
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
local longest = tonumber(ARGV[1])
local wait = 0
local left = {}
for i, key in ipairs(KEYS) do
  local rate, burst, keep = tonumber(ARGV[3*i-1]), tonumber(ARGV[3*i]), tonumber(ARGV[3*i+1])
  local saved = redis.call('HMGET', key, 'tokens', 'at', 'slow', 'slowed_at', 'blocked')
  local tokens, at = tonumber(saved[1]) or burst, tonumber(saved[2]) or now
  local slow, slowed_at = tonumber(saved[3]) or 1, tonumber(saved[4]) or now
  rate = rate * math.min(1, slow * 2 ^ ((now - slowed_at) / 40))
  tokens = math.min(burst, tokens + math.max(0, now - at) * rate)
  wait = math.max(wait, (1 + burst * keep - tokens) / rate, (tonumber(saved[5]) or 0) - now)
  left[i] = tokens
end
if wait > longest then return {0, tostring(wait)} end
for i, key in ipairs(KEYS) do
  redis.call('HSET', key, 'tokens', tostring(left[i] - 1), 'at', tostring(now))
  redis.call('EXPIRE', key, 600)
end
return {1, tostring(wait)}
"""

_LUA_SLOW = """
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
local saved = redis.call('HMGET', KEYS[1], 'slow', 'slowed_at', 'blocked')
local blocked = tonumber(saved[3]) or 0
local slow = math.min(1, (tonumber(saved[1]) or 1) * 2 ^ ((now - (tonumber(saved[2]) or now)) / 40))
if now > blocked then slow = math.max(0.125, slow / 2) end
redis.call('HSET', KEYS[1], 'tokens', '0', 'at', tostring(now), 'slow', tostring(slow),
  'slowed_at', tostring(now), 'blocked', tostring(math.max(blocked, now + tonumber(ARGV[1]))))
redis.call('EXPIRE', KEYS[1], 600)
return 1
"""


class LocalBuckets:
    """The same arithmetic in one process: what is left when Redis is away."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: dict[str, _Bucket] = {}

    def take(self, wants: list[tuple[str, Rate, float]], longest: float) -> tuple[bool, float]:
        now = self._clock()
        wait = 0.0
        for key, rate, keep in wants:
            bucket = self._buckets.setdefault(key, _Bucket(rate.burst, now, slowed_at=now))
            speed = rate.per_second * min(1.0, bucket.slow * 2 ** ((now - bucket.slowed_at) / 40))
            bucket.tokens = min(rate.burst, bucket.tokens + (now - bucket.at) * speed)
            bucket.at = now
            short = 1 + rate.burst * keep - bucket.tokens
            wait = max(wait, short / speed, bucket.blocked_until - now)
        if wait > longest:
            return False, wait
        for key, _, _ in wants:
            self._buckets[key].tokens -= 1
        return True, wait

    def throttled(self, key: str, retry_after: float) -> None:
        now = self._clock()
        bucket = self._buckets.setdefault(key, _Bucket(0, now, slowed_at=now))
        if now > bucket.blocked_until:
            bucket.slow = max(0.125, bucket.slow / 2)
        bucket.tokens, bucket.at, bucket.slowed_at = 0, now, now
        bucket.blocked_until = max(bucket.blocked_until, now + retry_after)


class Buckets:
    """The limiter of one account in one region.

    `rates` by action; an action without one shares only the account's bucket `whole`. `longest` is
    how many seconds a call may be made to wait before it is refused with `Throttled`.
    """

    def __init__(
        self,
        *,
        scope: str,
        rates: Mapping[str, Rate],
        whole: Rate,
        redis: Callable[[], Redis],
        longest: float = 5.0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        local: LocalBuckets | None = None,
    ) -> None:
        self._scope = f"rate:{{{scope}}}"
        self._rates = rates
        self._whole = whole
        self._connect = redis
        self._redis: Redis | None = None
        self._longest = longest
        self._sleep = sleep
        self._local = local or LocalBuckets()

    async def take(self, action: str, priority: Priority) -> None:
        wants = [(f"{self._scope}:all", self._whole, priority / 100)]
        if action in self._rates:
            wants.append((f"{self._scope}:{action}", self._rates[action], 0.0))
        taken, wait = await self._take(wants, self._longest)
        if not taken:
            raise Throttled(
                f"{action}: the account's rate is used up for {wait:.1f} s",
                code="LocalRate",
                retry_after=wait,
            )
        if wait > 0:
            await self._sleep(wait)

    async def queue(self, action: str) -> tuple[bool, float]:
        """By a bucket of its own at the rate of `action`; the call itself still takes its token."""
        if action not in self._rates:
            return True, 0.0
        wants = [(f"{self._scope}:queue:{action}", self._rates[action], 0.0)]
        return await self._take(wants, AHEAD_SECONDS)

    async def _take(
        self, wants: list[tuple[str, Rate, float]], longest: float
    ) -> tuple[bool, float]:
        numbers = [n for _, rate, keep in wants for n in (rate.per_second, rate.burst, keep)]
        keys = [key for key, _, _ in wants]
        try:
            answer = await self._eval(_LUA, keys, [longest, *numbers])
        except (RedisError, OSError):
            quarter = [(k, Rate(r.per_second / 4, max(1, r.burst / 4)), s) for k, r, s in wants]
            return self._local.take(quarter, longest)
        return bool(answer[0]), float(answer[1])

    async def throttled(self, action: str, retry_after: float) -> None:
        key = f"{self._scope}:{action if action in self._rates else 'all'}"
        self._local.throttled(key, retry_after)
        try:
            await self._eval(_LUA_SLOW, [key], [retry_after])
        except (RedisError, OSError):
            return

    async def _eval(self, script: str, keys: list[str], arguments: list[float]) -> Any:
        if self._redis is None:
            self._redis = self._connect()
        answer = self._redis.eval(script, len(keys), *keys, *(str(a) for a in arguments))
        return await answer

    async def aclose(self) -> None:
        if self._redis is not None:
            await self._redis.aclose()
            self._redis = None
