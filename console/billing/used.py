"""What each place used and cost this month, for whoever asks often: no life is metered.

Posted sums, and of each life that goes on its size times the seconds since its lines end, at the
rate of its share of the live spend. What was posted is exact; of what runs, the figures are those
of the present size, until its lines are posted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import date, datetime
from decimal import Decimal

from console.billing import running, statements
from console.billing.drafts import Books
from console.billing.live import money
from console.billing.models import LiveMeter, LiveShare
from console.billing.readers import Teams
from providers.calendar import day_start, month_of, next_month

_GROUP = ("provider", "cluster", "namespace")
_HOUR = 3600
# Currency (empty: unpriced), provider, UID of the cluster, namespace.
Place = tuple[str, str, str, str]


@dataclass(slots=True)
class Used:
    """Billed unit-seconds and money; `lines`: posted ones and lives that go on."""

    amount: float = 0.0
    cpu_seconds: float = 0.0
    memory_seconds: float = 0.0
    gpu_seconds: float = 0.0
    starts: float = 0.0
    lines: float = 0.0

    def add(self, more: Used) -> None:
        for one in fields(Used):
            setattr(self, one.name, getattr(self, one.name) + getattr(more, one.name))


def this_month(teams: Teams, now: datetime) -> dict[Place, Used]:
    found: dict[Place, Used] = defaultdict(Used)
    with running.snapshot():
        for place, used in (*_posted(teams, now), *_going_on(teams, now), *_strays(teams, now)):
            found[place].add(used)
    return dict(found)


def _posted(teams: Teams, now: datetime) -> Iterator[tuple[Place, Used]]:
    month = month_of(now)
    query = statements.Query(month, next_month(month), _GROUP)
    for (keys, currency), found in statements.posted(teams, query, {}).items():
        figures = {one.name: float(getattr(found, one.name)) for one in fields(Used)}
        yield (currency, keys[0], keys[1], keys[2]), Used(**figures)


_SHARE = ("meter", "per_hour", "anchor")
_LIFE = ("provider", "cluster_uid", "namespace", "cpu", "memory", "gpu")
_TIMES = ("billed_from", "posted_until")


def _going_on(teams: Teams, now: datetime) -> Iterator[tuple[Place, Used]]:
    meters = LiveMeter.objects.filter(running__gt=0).values_list("key", "day", "currency")
    of_meter = {key: (day, currency) for key, day, currency in meters}
    rows = LiveShare.objects.filter(instance__billed_from__lt=now)
    if teams is not None:
        rows = rows.filter(instance__account__team__in=teams)
    month = day_start(month_of(now))
    wanted = (*_SHARE, *(f"instance__{name}" for name in (*_LIFE, *_TIMES)))
    for key, per_hour, anchor, *life, begin, until in rows.values_list(*wanted).iterator():
        if key not in of_meter:
            continue
        provider, cluster, namespace, cpu, memory, gpu = life
        day, currency = of_meter[key]
        seconds = max((now - max(begin, until or begin, month)).total_seconds(), 0)
        used = Used(
            amount=_since(per_hour, anchor, day, month, now),
            cpu_seconds=float(cpu or 0) * seconds,
            memory_seconds=float(memory or 0) * seconds,
            gpu_seconds=gpu * seconds,
            starts=float(until is None and begin >= month),
            lines=1,
        )
        yield (currency, provider, cluster, namespace), used


def _since(per_hour: int, anchor: int, day: date, month: datetime, now: datetime) -> float:
    """What a share came to since its meter's day began, without what was before the month."""
    start = day_start(day)

    def until(at: datetime) -> Decimal:
        second = int((at - start).total_seconds())
        return max(money(per_hour * second - anchor) / _HOUR, Decimal(0))

    return float(until(now) - (until(month) if start < month else 0))


def _strays(teams: Teams, now: datetime) -> Iterator[tuple[Place, Used]]:
    """Orphans that no row of the ledger knows are few."""
    for part in running.stray_parts(teams, Books(), now):
        if part.scope.day < month_of(now):
            continue
        scope, found = part.scope, part.figures
        figures = {one.name: float(getattr(found, one.name)) for one in fields(Used)}
        yield (scope.currency, scope.provider, scope.cluster_uid, scope.namespace), Used(**figures)
