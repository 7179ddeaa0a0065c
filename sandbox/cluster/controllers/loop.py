"""The shape shared by every control loop.

A loop queues *keys*, never events; it re-reads before acting, so a key that is handled twice
does no harm. A key is never in two hands at once: added while in flight, it runs again afterwards.
Errors send the key back with an exponential delay. Nothing polls: an idle queue waits on a future
and on one timer.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
from collections import deque
from collections.abc import Hashable
from typing import TYPE_CHECKING, Generic, TypeVar

from sandbox.cluster.clock import Clock
from sandbox.cluster.errors import ApiError

from .timing import Timer, call_later

if TYPE_CHECKING:
    from .context import Context

log = logging.getLogger(__name__)

K = TypeVar("K", bound=Hashable)

FIRST_RETRY = 0.05
LONGEST_RETRY = 60.0


class WorkQueue(Generic[K]):
    """A set of keys in order of arrival, with delays; one queue per loop."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ready: deque[K] = deque()
        self._waiting: set[K] = set()
        self._in_flight: set[K] = set()
        self._due: dict[K, float] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._serial = 0
        self._timer: Timer | None = None
        self._timer_at = 0.0
        self._arrived = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def idle(self) -> bool:
        """Nothing ready and nothing in flight; delayed keys do not count."""
        return not self._waiting and not self._in_flight

    def add(self, key: K) -> None:
        """Queue `key` now; a pending delay of it is dropped."""
        self._due.pop(key, None)
        if key in self._waiting:
            return
        self._waiting.add(key)
        if key not in self._in_flight:
            self._ready.append(key)
            self._arrived.set()

    def add_after(self, key: K, seconds: float) -> None:
        """Queue `key` after `seconds`, or sooner if it is already due sooner."""
        if seconds <= 0:
            self.add(key)
            return
        when = self._clock.now().timestamp() + seconds
        if self._due.get(key, when + 1) <= when:
            return
        self._due[key] = when
        self._serial += 1
        heapq.heappush(self._heap, (when, self._serial, key))
        self._arm()

    async def take(self) -> K:
        """The next key; `done` must follow."""
        while not self._ready:
            self._arrived.clear()
            await self._arrived.wait()
        return self._pop()

    def take_nowait(self) -> K | None:
        """The next key, or None when nothing is ready."""
        return self._pop() if self._ready else None

    def done(self, key: K) -> None:
        """Give `key` back; it is queued again if it was added meanwhile."""
        self._in_flight.discard(key)
        if key in self._waiting:
            self._ready.append(key)
            self._arrived.set()

    def close(self) -> None:
        """Drop the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _pop(self) -> K:
        key = self._ready.popleft()
        self._waiting.discard(key)
        self._in_flight.add(key)
        return key

    def _arm(self) -> None:
        while self._heap and self._due.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        if not self._heap:
            return
        first = self._heap[0][0]
        if self._timer is not None:
            if self._timer_at <= first:
                return
            self._timer.cancel()
        self._timer_at = first
        self._timer = call_later(self._clock, first - self._clock.now().timestamp(), self._fire)

    def _fire(self) -> None:
        self._timer = None
        now = self._clock.now().timestamp() + 1e-3
        while self._heap and self._heap[0][0] <= now:
            when, _, key = heapq.heappop(self._heap)
            if self._due.get(key) == when:
                del self._due[key]
                self.add(key)
        self._arm()


class Controller(Generic[K]):
    """Base of the control loops: `watch` fills the queue, `reconcile` empties it."""

    name = "controller"
    manager = "kube-controller-manager"
    workers = 1

    def __init__(self, context: Context) -> None:
        self.context = context.speaking_as(self.user(), self.manager)
        self.client = self.context.client
        self.clock = context.clock
        self.events = self.context.events
        self.queue: WorkQueue[K] = WorkQueue(context.clock)
        self._failures: dict[K, int] = {}
        self.setup()

    def user(self) -> str:
        """Who the loop writes as."""
        return f"system:serviceaccount:kube-system:{self.name}"

    def setup(self) -> None:
        """Connect informers to the queue."""
        raise NotImplementedError

    async def reconcile(self, key: K) -> float | None:
        """Bring one object closer to what its spec asks; returns seconds until the next look."""
        raise NotImplementedError

    async def run(self) -> None:
        """Work until cancelled."""
        try:
            if self.workers == 1:
                await self._work()
            else:
                await self._crew()
        finally:
            self.queue.close()

    async def process_one(self) -> bool:
        """Handle one ready key; False when there is none."""
        key = self.queue.take_nowait()
        if key is None:
            return False
        await self._handle(key)
        return True

    async def _crew(self) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(self.workers):
                group.create_task(self._work())

    async def _work(self) -> None:
        while True:
            await self._handle(await self.queue.take())
            await asyncio.sleep(0)

    async def _handle(self, key: K) -> None:
        again: float | None
        try:
            again = await self.reconcile(key)
            self._failures.pop(key, None)
        except ApiError as error:
            log.debug("%s %s: %s", self.name, key, error)
            again = self._penalty(key, error)
        except Exception:
            # A bug met by one object must not stop the loop for all the others.
            log.exception("%s %s", self.name, key)
            again = self._penalty(key, None)
        finally:
            self.queue.done(key)
        if again is not None:
            self.queue.add_after(key, again)

    def _penalty(self, key: K, error: ApiError | None) -> float:
        failures = self._failures.get(key, 0) + 1
        self._failures[key] = failures
        if error is not None and error.code == 409 and failures < 5:
            return FIRST_RETRY / 5
        return min(LONGEST_RETRY, FIRST_RETRY * float(2 ** min(failures - 1, 20)))
