"""What is spent at this moment: meters that change by the share of each instance that changed.

A meter is a straight line: so much at `at`, and so much per hour from then on. Browsers let it
tick; the server changes it when an instance begins, ends or costs something else. Nothing ever
sums up all instances: a change takes the instance's old share off its meter and puts the new one
on, in the transaction that posts its lines. Units are those of `LiveMeter`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import F, QuerySet, Sum

from console.billing import groups, running
from console.billing.drafts import Books, Metered, Scope
from console.billing.groups import Where
from console.billing.models import LiveMeter, LiveShare
from console.billing.readers import Teams
from console.billing.sums import grow
from providers.calendar import day_of, day_start, month_of, month_start
from providers.lives import place_of
from providers.models import Instance
from providers.prices import Book

_HOUR = 3600
_UNIT = 8
GROUPS = ("cluster", "namespace", "node", "provider", "account", "team")
_INCREMENTS = ("running", "per_hour", "anchor", "amount")
# How many days back a meter is looked for whose lives nobody carried over midnight.
_BACK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Meter:
    """`amount` of the period at `at`, growing by `per_hour`, by `running` instances."""

    amount: Decimal
    per_hour: Decimal
    at: datetime
    running: int = 0

    def value(self, at: datetime) -> Decimal:
        hours = Decimal((at - self.at).total_seconds()) / _HOUR
        return self.amount + self.per_hour * hours


@dataclass(frozen=True, slots=True)
class Live:
    """By currency: `today` and `month` to date, both with the same rate. `unpriced` instances run
    at a cost that nobody knows."""

    today: Mapping[str, Meter]
    month: Mapping[str, Meter]
    unpriced: int


@dataclass(frozen=True, slots=True)
class _Place:
    """The place of a meter row."""

    team: int
    account: int
    provider: str
    cluster_uid: str
    node_name: str
    namespace: str
    day: date
    currency: str

    @property
    def key(self) -> str:
        text = "\x1f".join(str(getattr(self, name)) for name in self.__slots__)
        return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True, slots=True)
class Share:
    """What one instance adds to its meter, from its running part as it was metered at a time."""

    place: _Place
    per_hour: int
    anchor: int


def units(amount: Decimal) -> int:
    """Whole 1e-8 of a currency."""
    return int(amount.scaleb(_UNIT))


def money(found: int | Decimal | None) -> Decimal:
    return Decimal(int(found or 0)).scaleb(-_UNIT)


def share_of(row: Instance, metered: Metered, book: Book, now: datetime) -> Share | None:
    """None: it does not cost now. `metered` reaches until `now`."""
    life = metered.life
    if life is None or life.over or life.begin > now:
        return None
    today = day_of(now)
    rate = book.rate(life.sizes[-1].size, place_of(row), now)
    currency, per_hour = (rate.currency, units(rate.total)) if rate else ("", 0)
    running = [draft for draft in metered.drafts if draft.scope.day == today]
    so_far = sum(units(d.line.amount) for d in running if d.scope.currency == currency)
    anchor = per_hour * _second(now, today) - so_far * _HOUR
    account = row.account
    place = _Place(
        account.team_id,
        account.pk,
        row.provider,
        row.cluster_uid,
        row.node_name,
        row.namespace,
        today,
        currency,
    )
    return Share(place, per_hour, anchor)


def _second(at: datetime, day: date) -> int:
    return int((at - day_start(day)).total_seconds())


class Deltas:
    """Changes of meters, gathered and written at once."""

    def __init__(self) -> None:
        self._places: dict[str, _Place] = {}
        self._sums: dict[str, list[int]] = {}

    def _add(self, key: str, *more: int) -> None:
        before = self._sums.get(key, [0] * len(_INCREMENTS))
        self._sums[key] = [a + b for a, b in zip(before, more, strict=True)]

    def on(self, share: Share) -> None:
        self._places[share.place.key] = share.place
        self._add(share.place.key, 1, share.per_hour, share.anchor, 0)

    def off(self, key: str, per_hour: int, anchor: int) -> None:
        self._add(key, -1, -per_hour, -anchor, 0)

    def posted(self, scope: Scope, amount: Decimal) -> None:
        place = _Place(
            scope.team,
            scope.account,
            scope.provider,
            scope.cluster_uid,
            scope.node_name,
            scope.namespace,
            scope.day,
            scope.currency,
        )
        self._places[place.key] = place
        self._add(place.key, 0, 0, 0, units(amount))

    def write(self) -> None:
        grown = [
            LiveMeter(key=key, **_columns(self._places[key]), **_named(sums))
            for key, sums in self._sums.items()
            if key in self._places and any(sums)
        ]
        grow(grown, _INCREMENTS)
        for key in sorted(set(self._sums) - set(self._places)):
            changes = {name: F(name) + more for name, more in _named(self._sums[key]).items()}
            LiveMeter.objects.filter(key=key).update(**changes)


def _named(sums: Sequence[int]) -> dict[str, int]:
    return dict(zip(_INCREMENTS, sums, strict=True))


def _columns(place: _Place) -> dict[str, object]:
    renamed = {"team": "team_id", "account": "account_id"}
    return {renamed.get(name, name): getattr(place, name) for name in place.__slots__}


def update(rows: Mapping[int, Share | None], posted: Iterable[tuple[Scope, Decimal]]) -> None:
    """Put new shares of these instances in the place of the old ones; add what was posted.

    Inside the transaction that holds the rows of the instances.
    """
    deltas = Deltas()
    old = LiveShare.objects.filter(pk__in=list(rows))
    for key, per_hour, anchor in old.values_list("meter", "per_hour", "anchor"):
        deltas.off(key, per_hour, anchor)
    fresh = []
    for pk, share in rows.items():
        if share is not None:
            deltas.on(share)
            fresh.append(
                LiveShare(
                    instance_id=pk,
                    meter=share.place.key,
                    per_hour=share.per_hour,
                    anchor=share.anchor,
                )
            )
    old.filter(pk__in=[pk for pk, share in rows.items() if share is None]).delete()
    LiveShare.objects.bulk_create(
        fresh,
        update_conflicts=True,
        unique_fields=["instance"],
        update_fields=["meter", "per_hour", "anchor"],
    )
    for scope, amount in posted:
        deltas.posted(scope, amount)
    deltas.write()


def spend(teams: Teams, now: datetime, where: Where | None = None) -> Live:
    """Today and this month to date, of all or of what fits `where` (of `GROUPS` only)."""
    today, month, unpriced = _Lines(), _Lines(), 0
    for _key, currency, in_today, in_month in _found(teams, now, where or {}, ""):
        if currency:
            today.add(currency, in_today)
            month.add(currency, in_month)
        else:
            unpriced += in_today[2]
    return Live(today.meters(now), month.meters(now), unpriced)


def by(
    teams: Teams, group: str, now: datetime, where: Where | None = None
) -> dict[tuple[str, str], Meter]:
    """What is spent today, by (key of the group, currency); see `groups`. Most per hour first."""
    found: dict[str, _Lines] = {}
    for key, currency, in_today, _ in _found(teams, now, where or {}, group):
        if currency:
            found.setdefault(key, _Lines()).add(currency, in_today)
    meters = {
        (key, currency): meter
        for key, lines in found.items()
        for currency, meter in lines.meters(now).items()
        if meter.running or meter.amount
    }
    return dict(sorted(meters.items(), key=lambda one: (-one[1].per_hour, one[0])))


# Amount, per hour, how many run.
_Sum = tuple[Decimal, Decimal, int]


def _found(
    teams: Teams, now: datetime, where: Where, group: str
) -> Iterator[tuple[str, str, _Sum, _Sum]]:
    """(key, currency, what it adds to today, what to this month) of meters and of strays."""
    unknown = {*where, *([group] if group else [])} - set(GROUPS)
    if unknown:
        raise ValueError(f"live spend is not told apart by {', '.join(sorted(unknown))}")
    narrowed = groups.resolved(where, teams)
    today, month = day_start(day_of(now)), month_start(month_of(now))
    for row in _rows(teams, now, narrowed, group):
        key = groups.key(group, row[groups.column(group)]) if group else ""
        yield key, row["currency"], _part(row, today, now), _part(row, month, now)
    filters = [(groups.read_key(name), keys) for name, keys in narrowed.items()]
    for part in running.stray_parts(teams, Books(), now):
        if all(read(part) in keys for read, keys in filters):
            key = groups.read_key(group)(part) if group else ""
            adds = _stray(part, day_of(now), now)
            yield key, part.scope.currency, adds, _stray(part, month_of(now), now)


def _stray(part: running.Part, since: date, now: datetime) -> _Sum:
    """Orphans that no row of the ledger knows are few: they are metered each time."""
    amount = part.figures.amount if part.scope.day >= since else Decimal(0)
    goes_on = part.draft is not None and part.end == now.replace(microsecond=0)
    if not goes_on:
        return amount, Decimal(0), 0
    rate = part.draft.line.rate if part.draft else None
    return amount, rate.total if rate else Decimal(0), 1


class _Lines:
    """Sums of (amount, per hour, running) by currency."""

    def __init__(self) -> None:
        self._sums: dict[str, tuple[Decimal, Decimal, int]] = {}

    def add(self, currency: str, part: _Sum) -> None:
        before = self._sums.get(currency, (Decimal(0), Decimal(0), 0))
        self._sums[currency] = (before[0] + part[0], before[1] + part[1], before[2] + part[2])

    def meters(self, at: datetime) -> dict[str, Meter]:
        return {
            currency: Meter(amount, per_hour, at, running)
            for currency, (amount, per_hour, running) in self._sums.items()
        }


def _rows(
    teams: Teams, now: datetime, where: Mapping[str, frozenset[str]], group: str
) -> QuerySet[LiveMeter, dict[str, Any]]:
    """Meters of this month, and of the days before whose lives nobody carried on yet."""
    rows = LiveMeter.objects.filter(day__gte=min(month_of(now), day_of(now) - _BACK))
    if teams is not None:
        rows = rows.filter(team__in=teams)
    rows = rows.filter(groups.narrowed(where))
    columns = [groups.column(group)] if group else []
    found: Any = rows.order_by().values("day", "currency", *columns)
    sums: QuerySet[LiveMeter, dict[str, Any]] = found.annotate(
        runs=Sum("running"), rate=Sum("per_hour"), anchors=Sum("anchor"), posted=Sum("amount")
    )
    return sums


def _part(row: Mapping[str, Any], start: datetime, now: datetime) -> _Sum:
    """What the meters of one day add to a period that began at `start` and goes on."""
    begin = day_start(row["day"])
    rate, ran = int(row["rate"] or 0), int((now - max(begin, start)).total_seconds())
    costs = rate * ran
    if begin >= start:
        costs -= int(row["anchors"] or 0)
    posted = int(row["posted"] or 0) if begin >= start else 0
    return money(posted) + money(costs) / _HOUR, money(rate), int(row["runs"] or 0)
