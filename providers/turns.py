"""Who may create next: a thousand pods at once wait for their turn, and hold no place meanwhile.

Clouds allow so many CreateContainerGroup calls a minute (ECI user guide, "Limits": a thousand after
a burst of a hundred). A caller that waited for that with one of the worker's places in hand would
keep the pods that run already from being looked after; so it is told when to come back.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from providers.buckets import Limiter

CREATE = "CreateContainerGroup"
# A turn that nobody took for so long after it came is void: its pod is gone.
VOID_SECONDS = 60.0


class Turns:
    """The turns of one process, by name; the queue is shared by all processes."""

    def __init__(self, limiter: Limiter, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._limiter = limiter
        self._clock = clock
        self._times: dict[str, float] = {}

    async def of(self, name: str) -> float:
        """Seconds until to come back; 0: now, and the turn is over."""
        now = self._clock()
        at = self._times.get(name)
        if at is not None and at > now - VOID_SECONDS:
            return self._come(name, at - now)
        placed, wait = await self._limiter.queue(CREATE)
        if not placed:
            return max(1.0, wait / 2)
        self._times[name] = now + wait
        return self._come(name, wait)

    def _come(self, name: str, wait: float) -> float:
        if wait > 0:
            return wait
        del self._times[name]
        self._forget_void()
        return 0.0

    def _forget_void(self) -> None:
        """The oldest come first in the dict."""
        end = self._clock() - VOID_SECONDS
        for name in [name for name, at in self._times.items() if at <= end]:
            del self._times[name]
