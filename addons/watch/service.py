"""The watch process: which clusters are ours to watch.

Several processes share the clusters by leases `watch:<cluster id>`; a process that dies loses them
after the lease's end and another takes over.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

import redis
from django.conf import settings
from django.db import DatabaseError

from addons.models import Cluster
from addons.runtime.clients import cluster_version
from addons.runtime.contract import LeaseLost
from addons.runtime.ending import end
from addons.runtime.lease import Lease, acquire
from addons.runtime.loop import Runtime
from addons.watch.cluster import ClusterWatch

log = logging.getLogger(__name__)
LOOK_SECONDS = 2.0
ALIVE_NAME = "spillway:alive:watch"


@dataclass(slots=True)
class Owned:
    """A cluster that this process watches; `version` of its credential."""

    lease: Lease
    version: str
    task: asyncio.Task[None]


class Service:
    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._owned: dict[int, Owned] = {}

    async def run(self) -> None:
        """Until cancelled; gives the leases back at the end."""
        try:
            while True:
                await self._safely()
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            for pk in list(self._owned):
                await self._give_up(pk, release=True)

    async def _safely(self) -> None:
        try:
            await self._look()
        except (DatabaseError, redis.RedisError) as error:
            log.warning("the database or Redis does not answer: %s", error)

    async def _look(self) -> None:
        wanted = await self._runtime.db_urgent(_clusters)
        for pk in set(self._owned) - set(wanted):
            await self._give_up(pk, release=True)
        for pk, version in wanted.items():
            await self._keep(pk, version)
        await self._runtime.redis.set(ALIVE_NAME, self._runtime.clock.epoch(), ex=60)

    async def _keep(self, pk: int, version: str) -> None:
        owned = self._owned.get(pk)
        if owned is None:
            await self._take(pk, version)
            return
        try:
            await self._runtime.db_urgent(owned.lease.renew)
        except LeaseLost:
            log.warning("another process watches cluster %s now", pk)
            await self._give_up(pk, release=False)
            return
        if owned.task.done() or owned.version != version:
            if not owned.task.cancelled() and owned.task.done() and owned.task.exception():
                log.error("watch of cluster %s ended", pk, exc_info=owned.task.exception())
            await end(owned.task)
            owned.version, owned.task = version, self._start(pk)

    async def _take(self, pk: int, version: str) -> None:
        lease = await self._runtime.db_urgent(
            acquire,
            f"watch:{pk}",
            holder=self._runtime.holder(),
            seconds=settings.LEASE_SECONDS,
            clock=self._runtime.clock,
        )
        if lease is not None:
            self._owned[pk] = Owned(lease, version, self._start(pk))

    def _start(self, pk: int) -> asyncio.Task[None]:
        async def watch() -> None:
            kube = await self._runtime.kube(pk)
            await ClusterWatch(self._runtime, pk, kube).run()

        return asyncio.create_task(watch(), name=f"watch:{pk}")

    async def _give_up(self, pk: int, *, release: bool) -> None:
        owned = self._owned.pop(pk)
        await end(owned.task)
        if release:
            await self._runtime.db_urgent(owned.lease.release)


def _clusters() -> dict[int, str]:
    return {pk: cluster_version(pk) for pk in Cluster.objects.values_list("pk", flat=True)}
