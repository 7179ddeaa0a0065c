"""The only upward hop: a change is announced on Redis, web processes pass it to browsers.

Channel `spillway:changes`; message = JSON {"topic": "pods", "ids": [1, 2]}. Lost announcements are
harmless: browsers resync by sequence number and the hub re-reads rows from the database.
Topics: pods, nodes, clusters, operations, orphans, accounts, installations, fleet_upgrades.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable

import redis
import redis.asyncio
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

CHANNEL = "spillway:changes"


def _message(topic: str, ids: Iterable[int]) -> bytes:
    return json.dumps({"topic": topic, "ids": sorted(set(ids))}).encode()


@functools.cache
def blocking_client() -> redis.Redis:
    """For code without an event loop; fails fast, so that no page waits for a dead Redis."""
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=2,
        socket_connect_timeout=1,
        max_connections=64,
        retry=Retry(NoBackoff(), 1),
    )


def announce(topic: str, ids: Iterable[int]) -> None:
    """Call through `transaction.on_commit`. A Redis that is away costs the hop, never the work."""
    try:
        blocking_client().publish(CHANNEL, _message(topic, ids))
    except redis.RedisError:
        return


async def announce_async(client: redis.asyncio.Redis, topic: str, ids: Iterable[int]) -> None:
    try:
        await client.publish(CHANNEL, _message(topic, ids))
    except redis.RedisError:
        return
