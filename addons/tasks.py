"""Celery's part: nudges. Each task is a thin adapter to a coroutine of the process's loop."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import redis
from celery import shared_task
from celery.signals import worker_ready, worker_shutting_down

from addons.models import PodRow
from addons.runtime import drain as drains
from addons.runtime import net
from addons.runtime import resync as resyncs
from addons.runtime.loop import runtime

log = logging.getLogger(__name__)

TOMBSTONE_DAYS = 7


@shared_task(name="addons.drain")
def drain(*, shard: str) -> None:
    """Work on a shard until it is dry or the time slice is over."""
    runtime().run(drains.drain(runtime(), shard))


@shared_task(name="addons.nudge_due")
def nudge_due() -> None:
    """Repeat every nudge that was lost, and give the first for keys that have become due."""
    try:
        runtime().run(resyncs.nudge_due(runtime()))
    except redis.RedisError as error:
        log.warning("no nudges now: %s", error)


@shared_task(name="addons.sweep_all")
def sweep_all() -> None:
    """Ask every account and region in use what changed."""
    try:
        runtime().run(resyncs.sweep_all(runtime()))
    except redis.RedisError as error:
        log.warning("no sweeps now: %s", error)


@shared_task(name="addons.resync")
def resync(*, full: bool = False) -> None:
    """Queue what is unfinished, whatever happened to the queue."""
    try:
        runtime().run(resyncs.resync(runtime(), full=full))
    except redis.RedisError as error:
        log.warning("no resync now: %s", error)


@shared_task(name="addons.alive")
def alive(*, worker: str) -> None:
    """Proof that this worker still takes tasks from the broker (not only that it runs)."""
    runtime().run(net.mark_alive(runtime(), worker))


@shared_task(name="addons.purge")
def purge() -> None:
    """Forget the rows of pods that went long ago."""
    before = runtime().clock.now() - timedelta(days=TOMBSTONE_DAYS)
    runtime().run(runtime().db(_purge, before))


def _purge(before: Any) -> int:
    deleted, _ = PodRow.objects.filter(gone_at__lt=before).delete()
    return deleted


@worker_ready.connect
def _start(sender: Any = None, **_: Any) -> None:
    net.start(runtime(), worker=str(sender.hostname))


@worker_shutting_down.connect
def _stop(**_: Any) -> None:
    """Drains stop taking keys, so that a warm shutdown is a matter of moments."""
    runtime().stopping.set()
