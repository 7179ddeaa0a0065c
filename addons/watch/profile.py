"""The ConfigMap `eci-profile` of one cluster, kept on its row: what it says and what is wrong."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

from django.db import transaction

from addons.announce import announce_async
from addons.clusters import checklist
from addons.models import Cluster
from addons.pods import profile, reasons
from addons.pods.events import events_of
from addons.pods.profile import Fault
from addons.runtime.loop import Runtime
from addons.watch.configmap import follow
from kube import Kube

log = logging.getLogger(__name__)


class ProfileWatch:
    """Runs until cancelled."""

    def __init__(self, runtime: Runtime, cluster_id: int, kube: Kube) -> None:
        self._runtime = runtime
        self._cluster_id = cluster_id
        self._kube = kube

    async def run(self) -> None:
        await follow(self._kube, profile.NAMESPACE, profile.NAME, self._take)

    async def _take(self, found: dict[str, Any] | None) -> None:
        data = dict((found or {}).get("data") or {})
        _parsed, faults = profile.parse(data)
        now = self._runtime.clock.now()
        if await self._runtime.db(save, self._cluster_id, data, faults, now):
            await announce_async(self._runtime.redis, "clusters", [self._cluster_id])
        if found is None:
            return
        subject = {**found, "apiVersion": "v1", "kind": "ConfigMap"}
        for fault in faults:
            values = {"path": fault.path, "fault": fault.text}
            events = events_of(self._kube)
            await events.say(self._kube, subject, reasons.PROFILE_FAULT, values, now=now)


def save(cluster_id: int, data: dict[str, str], faults: tuple[Fault, ...], now: datetime) -> bool:
    """Whether it says something new."""
    with transaction.atomic():
        row = Cluster.objects.select_for_update().filter(pk=cluster_id).first()
        if row is None:
            return False
        problems = [fault.as_dict() for fault in faults]
        new = (row.profile, row.profile_problems) != (data, problems) or not row.profile_seen_at
        row.profile, row.profile_problems, row.profile_seen_at = data, problems, now
        check = checklist.of_profile(data).as_dict()
        others = [one for one in row.checks if one["code"] != check["code"]]
        if row.checks:
            row.checks = [*others, check]
        row.save(update_fields=["profile", "profile_problems", "profile_seen_at", "checks"])
    return new
