"""How much of its size each instance uses, as the cloud tells it (ECI does; ACS and KCI do not).

A sample every few minutes grows a count, sums and peaks per instance; no curve is kept. What was
never used, with head-room, is what a smaller size would have saved. One process at a time, by a
lease; a round that is lost is a sample less.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from django.db.models import F, Q, Sum

from addons.runtime.lease import acquire
from addons.runtime.loop import Runtime
from console.billing.models import InstanceUse
from console.billing.readers import Teams
from console.billing.statements import Keys
from providers.base import Metrics, Used
from providers.calendar import day_start
from providers.errors import ProviderError
from providers.models import Instance

log = logging.getLogger(__name__)

SHARD = "use"
LEASE_SECONDS = 240.0
# Instances in one round, the longest unseen first: at most a hundred calls of ECI's.
MOST = 2000
# An hour of samples says something of a size; a fifth above the peak is kept free.
ENOUGH = 12
ROOM = Decimal("1.2")

Place = tuple[int, str]


@dataclass(frozen=True, slots=True)
class Unused:
    """The shares of vCPU and of memory that were never used, 0 to 1."""

    cpu: Decimal
    memory: Decimal


async def look(runtime: Runtime) -> int:
    """Sample what runs; of how many instances (0 also while someone else is at it)."""
    lease = await runtime.db(
        acquire, SHARD, holder=runtime.holder(), seconds=LEASE_SECONDS, clock=runtime.clock
    )
    if lease is None:
        return 0
    try:
        told = 0
        for place, ids in (await runtime.db(running)).items():
            await runtime.db(lease.renew)
            told += await _sample(runtime, place, ids)
        return told
    finally:
        await runtime.db(lease.release)


async def _sample(runtime: Runtime, place: Place, ids: Mapping[str, int]) -> int:
    account, region = place
    try:
        client = await runtime.provider(account, region)
        found = await client.metrics(list(ids)) if isinstance(client, Metrics) else {}
    except ProviderError as error:
        log.info("account %s does not tell what instances use: %s", account, error)
        return 0
    return await runtime.db(keep, {ids[one]: used for one, used in found.items() if one in ids})


def running() -> dict[Place, dict[str, int]]:
    """What is billed now, by account and region: its id in the cloud and its own."""
    rows = Instance.objects.filter(billed_to=None, account__halted_at=None).exclude(
        billed_from=None
    )
    rows = rows.exclude(cloud_id="").order_by(F("use__seen_at").asc(nulls_first=True), "pk")
    found: dict[Place, dict[str, int]] = defaultdict(dict)
    for account, region, cloud_id, pk in rows.values_list("account_id", "region", "cloud_id", "pk")[
        :MOST
    ]:
        found[account, region][cloud_id] = pk
    return dict(found)


def keep(found: Mapping[int, Used]) -> int:
    """Add samples to what is known; one that was seen before counts once. How many were new."""
    rows = InstanceUse.objects.in_bulk(list(found))
    fresh = []
    for pk, used in found.items():
        row = rows.get(pk)
        if row is None:
            row = InstanceUse(instance_id=pk)
        elif used.at <= row.seen_at:
            continue
        row.samples += 1
        row.cpu_sum, row.cpu_peak = row.cpu_sum + used.cpu, max(row.cpu_peak, used.cpu)
        row.memory_sum += used.memory
        row.memory_peak = max(row.memory_peak, used.memory)
        row.seen_at = used.at
        fresh.append(row)
    names = ["samples", "cpu_sum", "cpu_peak", "memory_sum", "memory_peak", "seen_at"]
    InstanceUse.objects.bulk_create(
        fresh, update_conflicts=True, unique_fields=["instance"], update_fields=names
    )
    return len(fresh)


def unused(teams: Teams, start: date, end: date) -> dict[Keys, Unused]:
    """By (cluster, namespace, workload), of instances that cost something in these days."""
    lived = Q(instance__billed_to=None) | Q(instance__billed_to__gt=day_start(start))
    rows = InstanceUse.objects.filter(
        lived,
        samples__gte=ENOUGH,
        instance__billed_from__lt=day_start(end),
        instance__cpu__gt=0,
        instance__memory__gt=0,
    )
    if teams is not None:
        rows = rows.filter(instance__account__team__in=teams)
    keys: Sequence[str] = ("instance__cluster_uid", "instance__namespace", "instance__workload")
    sums = (
        rows.order_by()
        .values_list(*keys)
        .annotate(
            Sum("cpu_peak"), Sum("instance__cpu"), Sum("memory_peak"), Sum("instance__memory")
        )
    )
    return {
        (cluster, namespace, workload): Unused(_share(cpu, cpus), _share(memory, memories))
        for cluster, namespace, workload, cpu, cpus, memory, memories in sums
    }


def _share(peak: Decimal, size: Decimal) -> Decimal:
    return max(1 - peak * ROOM / size, Decimal(0))
