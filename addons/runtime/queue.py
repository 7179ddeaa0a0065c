"""The queue of keys: per shard, what is due and when; all of it may vanish without harm.

A key is a hint that something should be looked at; the database and the APIs hold the truth. Per
shard there are `due` (sorted set: key -> earliest time), `flight` (sorted set: key -> the time when
its taker counts as dead) and `tries` (hash: key -> failures in a row, for back-off). One index over
all shards says which of them need a worker, and when. Each move is one Lua script, so no reader
ever sees half of it; a key that is added while in flight stays in `due` and runs again afterwards.

Times are seconds since 1970 as float. Nothing here blocks in Redis, so that redis-py's socket
timeout (5 s by default since version 8) never cuts a healthy call short.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import redis
import redis.asyncio

PREFIX = "spillway:q"

_INDEX = """
local due, flight, tries, shards = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local function head()
  local entries = redis.call('ZRANGE', due, 0, redis.call('ZCARD', flight), 'WITHSCORES')
  for i = 1, #entries, 2 do
    if not redis.call('ZSCORE', flight, entries[i]) then return entries[i + 1] end
  end
  return false
end
local function index(shard)
  local best = head()
  local first = redis.call('ZRANGE', flight, 0, 0, 'WITHSCORES')[2]
  if first and (not best or tonumber(first) < tonumber(best)) then best = first end
  if best then redis.call('ZADD', shards, best, shard) else redis.call('ZREM', shards, shard) end
end
"""

# ARGV: shard, then pairs of time and key.
_ADD = (
    _INDEX
    + """
for i = 2, #ARGV, 2 do redis.call('ZADD', due, 'LT', ARGV[i], ARGV[i + 1]) end
index(ARGV[1])
return 1
"""
)

# ARGV: shard, now, how many, visible until. A key whose taker died is due at once.
_TAKE = (
    _INDEX
    + """
for _, key in ipairs(redis.call('ZRANGEBYSCORE', flight, '-inf', ARGV[2])) do
  redis.call('ZREM', flight, key)
  redis.call('ZADD', due, 'LT', ARGV[2], key)
end
local wanted, taken = tonumber(ARGV[3]), {}
local window = wanted + redis.call('ZCARD', flight)
local ready = redis.call('ZRANGEBYSCORE', due, '-inf', ARGV[2], 'LIMIT', 0, window)
for _, key in ipairs(ready) do
  if #taken >= 2 * wanted then break end
  if not redis.call('ZSCORE', flight, key) then
    redis.call('ZREM', due, key)
    redis.call('ZADD', flight, ARGV[4], key)
    taken[#taken + 1] = key
    taken[#taken + 1] = redis.call('HGET', tries, key) or '0'
  end
end
index(ARGV[1])
return taken
"""
)

# ARGV: shard, then triples of key, failures in a row, time of the next look (empty: none).
_DONE = (
    _INDEX
    + """
for i = 2, #ARGV, 3 do
  local key, failures, at = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  redis.call('ZREM', flight, key)
  if failures == '0' then redis.call('HDEL', tries, key)
  else redis.call('HSET', tries, key, failures) end
  if at ~= '' then redis.call('ZADD', due, 'LT', at, key) end
end
index(ARGV[1])
return 1
"""
)

# ARGV: shard, visible until, keys. Only keys still in flight.
_TOUCH = (
    _INDEX
    + """
for i = 3, #ARGV do redis.call('ZADD', flight, 'XX', ARGV[2], ARGV[i]) end
index(ARGV[1])
return 1
"""
)

# ARGV: shard, now. All that was in flight is due.
_RECLAIM = (
    _INDEX
    + """
local keys = redis.call('ZRANGE', flight, 0, -1)
for _, key in ipairs(keys) do redis.call('ZADD', due, 'LT', ARGV[2], key) end
redis.call('DEL', flight)
index(ARGV[1])
return #keys
"""
)

_HEAD = _INDEX + "return head()"


@dataclass(frozen=True, slots=True)
class Taken:
    """A key that is ours until its visibility ends; `failures` in a row before this try."""

    key: str
    failures: int


@dataclass(frozen=True, slots=True)
class Done:
    """A key that was looked at: when to look again (None: when it is added), failures in a row."""

    key: str
    requeue_at: float | None = None
    failures: int = 0


def _names(prefix: str, shard: str) -> list[str]:
    return [
        f"{prefix}:due:{shard}",
        f"{prefix}:flight:{shard}",
        f"{prefix}:tries:{shard}",
        f"{prefix}:shards",
    ]


def add_blocking(
    client: redis.Redis, shard: str, keys: Mapping[str, float], *, prefix: str = PREFIX
) -> None:
    """`Queue.add` for code that has no event loop (use cases called by pages)."""
    pairs = [part for key, at in keys.items() for part in (at, key)]
    client.eval(_ADD, 4, *_names(prefix, shard), shard, *pairs)


class Queue:
    def __init__(self, client: redis.asyncio.Redis, *, prefix: str = PREFIX) -> None:
        self._client = client
        self._prefix = prefix
        self._scripts = {
            text: client.register_script(text)
            for text in (_ADD, _TAKE, _DONE, _TOUCH, _RECLAIM, _HEAD)
        }

    async def _call(self, script: str, shard: str, *args: Any) -> Any:
        keys = _names(self._prefix, shard)
        return await self._scripts[script](keys=keys, args=[shard, *args])

    async def add(self, shard: str, keys: Mapping[str, float]) -> None:
        """Key -> earliest time; a key that is there already keeps the earlier of the two."""
        items = list(keys.items())
        for start in range(0, len(items), 500):
            chunk = items[start : start + 500]
            await self._call(_ADD, shard, *(part for key, at in chunk for part in (at, key)))

    async def take(self, shard: str, n: int, *, now: float, visible_until: float) -> list[Taken]:
        """Up to `n` due keys, earliest first, none that is in flight already."""
        flat = await self._call(_TAKE, shard, now, n, visible_until)
        words = [word.decode() if isinstance(word, bytes) else str(word) for word in flat]
        return [
            Taken(key, int(failures)) for key, failures in zip(words[::2], words[1::2], strict=True)
        ]

    async def done(
        self, shard: str, key: str, *, requeue_at: float | None = None, failures: int = 0
    ) -> None:
        """The key was looked at; look again at `requeue_at` (None: only when it is added)."""
        await self.all_done(shard, [Done(key, requeue_at, failures)])

    async def all_done(self, shard: str, looked: Sequence[Done]) -> None:
        parts = (
            (one.key, one.failures, "" if one.requeue_at is None else one.requeue_at)
            for one in looked
        )
        await self._call(_DONE, shard, *(word for part in parts for word in part))

    async def touch(self, shard: str, keys: Iterable[str], *, visible_until: float) -> None:
        """The taker lives: these keys stay in flight."""
        await self._call(_TOUCH, shard, visible_until, *keys)

    async def reclaim(self, shard: str, *, now: float) -> int:
        """Give back what a former holder of the shard's lease left in flight."""
        return int(await self._call(_RECLAIM, shard, now))

    async def next_due(self, shard: str) -> float | None:
        """When the earliest key that is not in flight is due."""
        score = await self._call(_HEAD, shard)
        return None if score is None else float(score)

    async def shards(self, *, now: float) -> list[str]:
        """Shards with a due key, or with a key whose taker counts as dead."""
        names: Any = await self._client.zrangebyscore(f"{self._prefix}:shards", "-inf", now)
        return [name.decode() for name in names]

    async def depth(self, shard: str) -> tuple[int, int]:
        """How many keys wait (due now or later) and how many are in flight."""
        due, flight, _tries, _shards = _names(self._prefix, shard)
        return int(await self._client.zcard(due)), int(await self._client.zcard(flight))
