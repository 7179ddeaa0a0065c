"""Timers on a cluster clock, and times as seconds since the epoch."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Protocol

from sandbox.cluster.clock import Clock, SystemClock


class Timer(Protocol):
    """A pending callback."""

    def cancel(self) -> object:
        """Call it off."""


def call_later(clock: Clock, seconds: float, callback: Callable[[], None]) -> Timer:
    """Call `callback` once after `seconds` of the clock."""
    loop = asyncio.get_running_loop()
    if isinstance(clock, SystemClock):
        return loop.call_later(max(0.0, seconds), callback)

    async def wait() -> None:
        await clock.sleep(max(0.0, seconds))
        callback()

    return loop.create_task(wait(), name="timer")


@lru_cache(maxsize=64)
def stamp(seconds: float) -> str:
    """A metav1.Time: whole seconds, UTC."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def stamp_micro(seconds: float) -> str:
    """A metav1.MicroTime."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@lru_cache(maxsize=8192)
def seconds_of(text: str | None) -> float:
    """Seconds since the epoch of a metav1 time; 0.0 when there is none."""
    return datetime.fromisoformat(text).timestamp() if text else 0.0
