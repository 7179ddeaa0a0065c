"""Timers of the simulated cloud: one heap, one event-loop timer, no polling."""

import asyncio
import heapq
from collections.abc import Callable
from itertools import count


class Agenda:
    """Keys with the time they are due; ``run_due`` handles them in order.

    A key may be pushed many times: the handler is called with the key and decides from its own
    state whether anything is to do, so stale entries are harmless.
    """

    def __init__(self, now: Callable[[], float], handle: Callable[[str, float], None]) -> None:
        self._now = now
        self._handle = handle
        self._heap: list[tuple[float, int, str]] = []
        self._order = count()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None

    def push(self, due: float, key: str) -> None:
        """Have ``key`` handled at ``due``."""
        heapq.heappush(self._heap, (due, next(self._order), key))
        if self._loop and self._heap[0][2] == key and self._heap[0][0] == due:
            self._arm()

    def run_due(self, now: float) -> None:
        """Handle everything due up to ``now``, earliest first."""
        heap = self._heap
        while heap and heap[0][0] <= now:
            _, _, key = heapq.heappop(heap)
            self._handle(key, now)

    def start(self) -> None:
        """Follow the clock from now on, on the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._arm()

    def stop(self) -> None:
        """Stop following the clock."""
        if self._timer:
            self._timer.cancel()
        self._loop = self._timer = None

    def clear(self) -> None:
        """Forget everything."""
        self._heap.clear()

    def _arm(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if self._loop and self._heap:
            delay = max(0.0, self._heap[0][0] - self._now())
            self._timer = self._loop.call_later(min(delay, 3600.0) + 0.001, self._fire)

    def _fire(self) -> None:
        self._timer = None
        self.run_due(self._now())
        self._arm()
