"""Telling the workers that a shard has something due; lost, doubled and late nudges do no harm.

A mark per shard says "a nudge is under way, or a worker is at it"; while it stands nobody
publishes. A drain keeps it standing while it works and takes it away before its last look at the
queue, so that whatever was added under the mark is seen by that look. The mark ends by itself
when its drain dies, and beat repeats every nudge that is still needed.
"""

from __future__ import annotations

import logging
from functools import partial

import redis
from celery import current_app
from django.db import transaction
from kombu.exceptions import KombuError

from addons.announce import blocking_client
from addons.runtime.clock import SYSTEM
from addons.runtime.loop import Runtime
from addons.runtime.queue import add_blocking

log = logging.getLogger(__name__)

MARK_MILLISECONDS = 1000
# A nudge that nobody took for so long is worth nothing: beat has repeated it.
EXPIRES_SECONDS = 30


def _mark(shard: str) -> str:
    return f"spillway:nudged:{shard}"


def publish(shard: str) -> None:
    """Send the Celery task; a broker that is away is beat's business."""
    try:
        current_app.send_task(
            "addons.drain",
            kwargs={"shard": shard},
            expires=EXPIRES_SECONDS,
            retry=False,
            ignore_result=True,
        )
    except (KombuError, redis.RedisError, OSError) as error:
        log.warning("no nudge for %s: %s", shard, error)


async def nudge(runtime: Runtime, shard: str) -> bool:
    """Publish unless it was just done. False when it was not necessary or Redis is away."""
    try:
        first = await runtime.redis.set(_mark(shard), 1, nx=True, px=MARK_MILLISECONDS)
    except redis.RedisError as error:
        log.warning("no nudge for %s: %s", shard, error)
        return False
    if first:
        await runtime.blocking(publish, shard)
    return bool(first)


async def hold(runtime: Runtime, shard: str) -> None:
    await runtime.redis.set(_mark(shard), 1, px=2 * MARK_MILLISECONDS)


async def let_go(runtime: Runtime, shard: str) -> None:
    await runtime.redis.delete(_mark(shard))


async def enqueue(runtime: Runtime, shard: str, key: str, *, delay: float = 0.0) -> None:
    """Queue one key and nudge when it is due now. Raises RedisError: the key may be lost."""
    await runtime.queue.add(shard, {key: runtime.clock.epoch() + delay})
    if delay <= 0:
        await nudge(runtime, shard)


def _poke(shard: str, key: str, delay: float) -> None:
    client = blocking_client()
    try:
        add_blocking(client, shard, {key: SYSTEM.epoch() + delay})
        wanted = delay <= 0 and client.set(_mark(shard), 1, nx=True, px=MARK_MILLISECONDS)
    except redis.RedisError as error:
        log.warning("key %s waits for the next resync: %s", key, error)
        return
    if wanted:
        publish(shard)


def poke(shard: str, key: str, *, delay: float = 0.0) -> None:
    """For use cases called by pages: queue the key and nudge, after the transaction commits.

    Never raises when Redis is away: the resync, at most 30 s later, queues what is unfinished.
    """
    transaction.on_commit(partial(_poke, shard, key, delay))
