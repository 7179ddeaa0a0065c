"""The process's one asyncio loop, and what all its coroutines share.

Celery task threads hand coroutines to it (`run`) and wait; database code goes to a bounded
executor (`db`), one connection per thread; clients of clusters and clouds are made once per
credential and kept, so that TLS and HTTP connections are reused. Leases and heartbeats use an
executor of their own (`db_urgent`): they never wait behind work.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import socket
import threading
import uuid
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import redis.asyncio
import uvloop
from django.conf import settings
from django.db import connections
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff

from addons.runtime import clients
from addons.runtime.clock import SYSTEM, Clock
from addons.runtime.ending import end
from addons.runtime.queue import Queue
from kube import Kube
from providers.base import Provider

T = TypeVar("T")
log = logging.getLogger(__name__)

# How long a client is trusted before its credential is compared with the database again, and how
# long a replaced client lives on for the calls still in flight.
FRESH_SECONDS = 2.0
LINGER_SECONDS = 60.0


def _healthy_connections() -> None:
    """Drop connections that an error broke; keep the others open from call to call."""
    for connection in connections.all(initialized_only=True):
        if connection.connection is None or connection.in_atomic_block:
            continue
        if connection.errors_occurred:
            if connection.is_usable():
                connection.errors_occurred = False
            else:
                connection.close()


def _call(function: Callable[..., T], args: Any, kwargs: Any) -> T:
    _healthy_connections()
    return function(*args, **kwargs)


def redis_client(url: str) -> redis.asyncio.Redis:
    """Waits for a pooled connection instead of failing when all are busy; fails fast when away."""
    pool = redis.asyncio.BlockingConnectionPool.from_url(
        url,
        max_connections=64,
        timeout=10,
        socket_timeout=5,
        socket_connect_timeout=2,
        retry=Retry(ExponentialBackoff(cap=0.2, base=0.02), 2),
    )
    return redis.asyncio.Redis.from_pool(pool)


@dataclass(slots=True)
class _Pooled:
    client: Any
    version: str
    checked_at: float


class Pool:
    """One client per name, rebuilt when the version of its credential changed."""

    def __init__(
        self,
        version: Callable[..., Awaitable[str]],
        build: Callable[..., Awaitable[Any]],
        end: Callable[[Any], Awaitable[None]],
        clock: Clock,
    ) -> None:
        self._version = version
        self._build = build
        self._end = end
        self._clock = clock
        self._entries: dict[tuple[Any, ...], _Pooled] = {}
        self._locks: dict[tuple[Any, ...], asyncio.Lock] = {}
        self._retired: set[asyncio.Task[None]] = set()

    async def get(self, *name: Any) -> Any:
        entry = self._entries.get(name)
        if entry and self._clock.monotonic() - entry.checked_at < FRESH_SECONDS:
            return entry.client
        async with self._locks.setdefault(name, asyncio.Lock()):
            return await self._fresh(name)

    async def _fresh(self, name: tuple[Any, ...]) -> Any:
        entry = self._entries.get(name)
        if entry and self._clock.monotonic() - entry.checked_at < FRESH_SECONDS:
            return entry.client
        version = await self._version(*name)
        if entry is None or entry.version != version:
            if entry:
                self._retire(entry)
            entry = _Pooled(await self._build(*name), version, 0.0)
            self._entries[name] = entry
        entry.checked_at = self._clock.monotonic()
        return entry.client

    def _retire(self, entry: _Pooled) -> None:
        task = asyncio.create_task(self._close_later(entry.client))
        self._retired.add(task)
        task.add_done_callback(self._retired.discard)

    async def _close_later(self, client: Any) -> None:
        try:
            await asyncio.sleep(LINGER_SECONDS)
        finally:
            await self._end(client)

    async def aclose(self) -> None:
        await end(*self._retired)
        entries, self._entries = self._entries, {}
        for entry in entries.values():
            await self._end(entry.client)


class Runtime:
    """Start it once per process (`runtime()`); tests make their own and `stop` it."""

    def __init__(
        self,
        *,
        redis_url: str,
        clock: Clock = SYSTEM,
        db_threads: int = 6,
    ) -> None:
        self.clock = clock
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        self.stopping = threading.Event()
        self._redis_url = redis_url
        self._work = ThreadPoolExecutor(db_threads, thread_name_prefix="db")
        self._urgent = ThreadPoolExecutor(2, thread_name_prefix="db-urgent")
        self._side = ThreadPoolExecutor(2, thread_name_prefix="side")
        self._threads = {self._work: db_threads, self._urgent: 2}
        self._kubes = Pool(self._kube_version, self._build_kube, Kube.close, clock)
        self._providers = Pool(
            self._provider_version, self._build_provider, lambda client: client.aclose(), clock
        )
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="spillway-loop", daemon=True)
        self.loop = uvloop.new_event_loop()
        self.redis: redis.asyncio.Redis
        self.queue: Queue

    def _serve(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.redis = redis_client(self._redis_url)
        self.queue = Queue(self.redis)
        self.loop.call_soon(self._ready.set)
        try:
            self.loop.run_forever()
        finally:
            self.loop.run_until_complete(self._end_tasks())
            self.loop.close()

    async def _end_tasks(self) -> None:
        tasks = asyncio.all_tasks(self.loop) - {asyncio.current_task()}
        await end(*(task for task in tasks if task))
        await self.loop.shutdown_asyncgens()

    def start(self) -> Runtime:
        self._thread.start()
        self._ready.wait()
        return self

    def run(self, coroutine: Coroutine[Any, Any, T], *, timeout: float | None = None) -> T:
        """From any thread but the loop's own: run the coroutine on the loop and wait for it."""
        future = asyncio.run_coroutine_threadsafe(coroutine, self.loop)
        try:
            return future.result(timeout)
        except TimeoutError:
            future.cancel()
            raise

    def holder(self) -> str:
        """A lease holder's name: this process, and never the same twice."""
        return f"{self.name}:{uuid.uuid4().hex[:12]}"

    async def db(self, function: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
        """Run blocking code (the ORM, in autocommit) in the bounded executor."""
        return await self.loop.run_in_executor(self._work, _call, function, args, kwargs)

    async def db_urgent(self, function: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
        """For leases and heartbeats only."""
        return await self.loop.run_in_executor(self._urgent, _call, function, args, kwargs)

    async def blocking(self, function: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
        """Run other blocking code (a broker's client) where it delays no database work."""
        call = functools.partial(function, *args, **kwargs)
        return await self.loop.run_in_executor(self._side, call)

    async def _kube_version(self, cluster_id: int) -> str:
        return await self.db(clients.cluster_version, cluster_id)

    async def _build_kube(self, cluster_id: int) -> Kube:
        return clients.build_kube(await self.db(clients.cluster_target, cluster_id))

    async def _provider_version(self, account_id: int, _region: str) -> str:
        return await self.db(clients.account_version, account_id)

    async def _build_provider(self, account_id: int, region: str) -> Provider:
        return clients.build_provider(await self.db(clients.account, account_id), region)

    async def kube(self, cluster_id: int) -> Kube:
        client: Kube = await self._kubes.get(cluster_id)
        return client

    async def provider(self, account_id: int, region: str) -> Provider:
        client: Provider = await self._providers.get(account_id, region)
        return client

    async def _close(self) -> None:
        await self._kubes.aclose()
        await self._providers.aclose()
        await self.redis.aclose()

    def stop(self) -> None:
        """Close clients and connections; the loop ends."""
        self.stopping.set()
        self.run(self._close(), timeout=20)
        for executor, threads in self._threads.items():
            barrier = threading.Barrier(threads)
            for _ in range(threads):
                executor.submit(_close_connections, barrier)
            executor.shutdown(wait=True)
        self._side.shutdown(wait=True)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)


def _close_connections(barrier: threading.Barrier) -> None:
    barrier.wait(5)
    connections.close_all()


@functools.cache
def runtime() -> Runtime:
    """The process's own, started on first use."""
    return Runtime(redis_url=settings.REDIS_URL).start()
