"""The net under Celery: a worker makes progress even when no nudge reaches it.

Celery on Redis has been seen to stop consuming without a word after a reconnect, and beat may be
down. Each worker process therefore looks every few seconds for shards that have waited too long
and drains them itself, repeats a resync that nobody made, and proves with a real task to its own
queue that it still consumes (`spillway:alive:<worker>`: the time of the last proof).
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import redis
from celery import current_app
from celery.utils.nodenames import worker_direct
from django.db import DatabaseError
from kombu.exceptions import KombuError

from addons.runtime import drain as drains
from addons.runtime import resync as resyncs
from addons.runtime.loop import Runtime

log = logging.getLogger(__name__)

LOOK_SECONDS = 5.0
OVERDUE_SECONDS = 8.0
ALIVE_SECONDS = 120
AT_ONCE = 4


def alive_name(worker: str) -> str:
    return f"spillway:alive:{worker}"


async def mark_alive(runtime: Runtime, worker: str) -> None:
    try:
        await runtime.redis.set(alive_name(worker), runtime.clock.epoch(), ex=ALIVE_SECONDS)
    except redis.RedisError as error:
        log.warning("%s cannot show that it lives: %s", worker, error)


def _ask_for_proof(worker: str) -> None:
    own: Any = worker_direct(worker)
    try:
        current_app.send_task(
            "addons.alive",
            kwargs={"worker": worker},
            queue=own,
            expires=30,
            retry=False,
            ignore_result=True,
        )
    except (KombuError, redis.RedisError, OSError) as error:
        log.warning("no proof of life from %s: %s", worker, error)


async def catch(runtime: Runtime) -> list[str]:
    """Drain what nobody came for; the shards. Raises RedisError."""
    now = runtime.clock.epoch()
    late = await runtime.queue.shards(now=now - OVERDUE_SECONDS)
    if late:
        log.info("no worker came for %s: draining them here", ", ".join(late[:5]))
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(shard: str) -> None:
        async with gate:
            await drains.drain(runtime, shard)

    await asyncio.gather(*(one(shard) for shard in late))
    if not await runtime.redis.exists(resyncs.DONE):
        await resyncs.resync(runtime)
    return late


async def _watch_over(runtime: Runtime, worker: str) -> None:
    full = True
    while not runtime.stopping.is_set():
        try:
            if full:
                await resyncs.resync(runtime, full=True)
                full = False
            await catch(runtime)
            await runtime.blocking(_ask_for_proof, worker)
        except (redis.RedisError, DatabaseError) as error:
            log.warning("worker %s waits for Redis or the database: %s", worker, error)
        except Exception:  # safe: the net must outlive every surprise; it is logged and repeated
            log.exception("the net of %s tore", worker)
        await asyncio.sleep(LOOK_SECONDS)


def start(runtime: Runtime, *, worker: str) -> None:
    """Hang it under this process; returns at once."""
    asyncio.run_coroutine_threadsafe(_watch_over(runtime, worker), runtime.loop)
