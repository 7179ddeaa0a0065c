"""The ConfigMaps of one cluster that temporary cloud keys are read from, followed live.

A renewed key is sealed into its account at once; clients take it by the account's version. What
cannot be read is ignored, and the old key used on. When its end is near the ConfigMap is read
again, in case the watch missed something; when it has ended, that is the account's trouble. Its
end is told without a zone, so the cloud's own answers are trusted over it: trouble is raised once
for an end, and any call that goes well ends it.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import DatabaseError

from addons.announce import announce_async
from addons.keys import SourceError, key_of
from addons.models import Cluster
from addons.runtime.ending import end
from addons.runtime.loop import Runtime
from addons.watch.configmap import follow, read
from kube import Kube
from kube.errors import KubeError
from providers import accounts, sealing
from providers.models import CloudAccount

log = logging.getLogger(__name__)
LOOK_SECONDS = 2.0
NEAR = timedelta(minutes=5)
AGAIN_SECONDS = 30.0

Place = tuple[str, str]
Json = dict[str, Any]


class Keys:
    """Runs until cancelled."""

    def __init__(self, runtime: Runtime, cluster_id: int, kube: Kube) -> None:
        self._runtime = runtime
        self._cluster_id = cluster_id
        self._kube = kube
        self._tasks: dict[Place, asyncio.Task[None]] = {}
        self._accounts: list[CloudAccount] = []
        self._asked: dict[Place, float] = {}
        self._alarmed: dict[int, datetime] = {}

    async def run(self) -> None:
        try:
            while True:
                try:
                    await self.look()
                except DatabaseError as error:
                    log.warning("the keys of cluster %s wait: %s", self._cluster_id, error)
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            await end(*self._tasks.values())

    async def look(self) -> None:
        """Follow the accounts in the database; see to keys that end."""
        self._accounts = await self._runtime.db(_followed, self._cluster_id)
        places = {_place(account) for account in self._accounts}
        for place in set(self._tasks) - places:
            await end(self._tasks.pop(place))
        for place in places:
            task = self._tasks.get(place)
            if task and task.done() and not task.cancelled() and (error := task.exception()):
                log.error("ConfigMap %s/%s was not followed: %r", *place, error)
            if task is None or task.done():
                take = functools.partial(self._read, place)
                self._tasks[place] = asyncio.create_task(follow(self._kube, *place, take))
        for account in self._accounts:
            await self._see_to(account)

    async def _read(self, place: Place, found: Json | None) -> None:
        for account in self._accounts if found else ():
            if _place(account) == place:
                await self._take(account, found or {})

    async def _take(self, account: CloudAccount, config_map: Mapping[str, Any]) -> None:
        try:
            key = key_of(account.provider, config_map, sealing.cipher_of(account))
            new = await self._runtime.db(
                accounts.follow, account.pk, key, now=self._runtime.clock.now()
            )
        except (SourceError, DatabaseError) as error:
            log.warning("the key of account %s is kept: %s", account.pk, error)
            return
        if new:
            log.info("account %s has a new key, good until %s", account.pk, key.expires_at)
            await announce_async(self._runtime.redis, "accounts", [account.pk])

    async def _see_to(self, account: CloudAccount) -> None:
        now = self._runtime.clock.now()
        if account.expires_at is None or now < account.expires_at - NEAR:
            return
        await self._ask_again(_place(account))
        if now < account.expires_at or self._alarmed.get(account.pk) == account.expires_at:
            return
        self._alarmed[account.pk] = account.expires_at
        if await self._runtime.db(accounts.stale, account.pk, now=now):
            await announce_async(self._runtime.redis, "accounts", [account.pk])

    async def _ask_again(self, place: Place) -> None:
        now = self._runtime.clock.monotonic()
        if now - self._asked.get(place, -AGAIN_SECONDS) < AGAIN_SECONDS:
            return
        self._asked[place] = now
        try:
            await self._read(place, await read(self._kube, *place))
        except KubeError as error:
            log.warning("ConfigMap %s/%s is not read: %s", *place, error)


def _place(account: CloudAccount) -> Place:
    return account.key_source["namespace"], account.key_source["name"]


def _followed(cluster_id: int) -> list[CloudAccount]:
    uid = Cluster.objects.values_list("uid", flat=True).get(pk=cluster_id)
    return list(CloudAccount.objects.filter(key_source__cluster=uid))
