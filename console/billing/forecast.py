"""What a period will have cost at its end, with a band; and what changed against the one before.

The forecast takes the days that are over (at most four weeks), divides them by the weight of their
weekday once there are two weeks of them, and smooths them exponentially; what was spent in the last
hour counts as the newest day, so that a change of load is seen at once. The band is what eight of
ten periods stay in if days scatter as they did.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from statistics import fmean, pstdev

from console.access import AnyUser
from console.billing.figures import NOTHING
from console.billing.readers import Teams, teams_of
from console.billing.series import between
from console.billing.statements import Cells, Keys, Query, cells_of, titles_of
from providers.calendar import day_of, day_start

_DAY = timedelta(days=1)
_HOUR = timedelta(hours=1)
_WEEK = 7
HISTORY_DAYS = 28
SMOOTHING = 0.4
# Two-sided 80 % of a normal distribution.
BAND = 1.2816
_CENT = Decimal("0.01")


class Basis(StrEnum):
    """What a forecast rests on: it is over, days that are, or only what is spent now."""

    FINAL = "final"
    DAYS = "days"
    RATE = "rate"


@dataclass(frozen=True, slots=True)
class Forecast:
    """At the end of the period, in `currency`; `so_far` is what was spent of it until now.

    `days` is how many days that are over were looked at.
    """

    currency: str
    so_far: Decimal
    low: Decimal
    expected: Decimal
    high: Decimal
    basis: Basis
    days: int


@dataclass(frozen=True, slots=True)
class Mover:
    """A row of the statement beside the same row of the period before."""

    keys: Keys
    currency: str
    amount: Decimal
    before: Decimal

    @property
    def delta(self) -> Decimal:
        return self.amount - self.before

    @property
    def ratio(self) -> Decimal | None:
        """0.25 is a quarter more; None: there was nothing before."""
        return self.delta / self.before if self.before else None


@dataclass(frozen=True, slots=True)
class Movers:
    """The largest changes first. `titles` as in `Statement`."""

    rows: tuple[Mover, ...]
    totals: Mapping[str, Mover]
    start: datetime
    end: datetime
    titles: Mapping[tuple[str, str], str]


def forecast(user: AnyUser, query: Query, now: datetime) -> dict[str, Forecast]:
    """By currency; groups do not count. What is unpriced is in none."""
    return read(teams_of(user), query, now)


def read(teams: Teams, query: Query, now: datetime) -> dict[str, Forecast]:
    """The forecast for these teams, whoever asks."""
    query = replace(query, group=())
    so_far = amounts_in(cells_of(teams, query, now))
    today = day_of(now)
    if query.end <= today:
        return {one: _certain(one, spent) for one, spent in so_far.items()}
    history = _history(teams, query, today, now)
    hour = amounts_in(between(teams, query, now - _HOUR, now, now))
    return {
        one: _expected(
            one,
            so_far.get(one, Decimal(0)),
            _Days(history.get(one, {}), float(hour.get(one, 0)) * 24),
            query,
            now,
        )
        for one in sorted(so_far.keys() | history.keys() | hour.keys())
    }


def amounts_in(cells: Cells) -> dict[str, Decimal]:
    """Of all rows, by currency."""
    found: dict[str, Decimal] = {}
    for (_keys, currency), figures in cells.items():
        if currency:
            found[currency] = found.get(currency, Decimal(0)) + figures.amount
    return found


def _certain(currency: str, spent: Decimal) -> Forecast:
    return Forecast(currency, spent, spent, spent, spent, Basis.FINAL, 0)


def _history(
    teams: Teams, query: Query, today: date, now: datetime
) -> dict[str, dict[date, float]]:
    past = replace(query, start=today - HISTORY_DAYS * _DAY, end=today, group=("day",))
    found: dict[str, dict[date, float]] = {}
    for (keys, currency), figures in cells_of(teams, past, now).items():
        if currency:
            found.setdefault(currency, {})[date.fromisoformat(keys[0])] = float(figures.amount)
    return found


class _Days:
    """Amounts of days that are over, from the first one with any on, and the pace of now."""

    def __init__(self, amounts: Mapping[date, float], pace: float) -> None:
        first = min((day for day, amount in amounts.items() if amount), default=None)
        last = max(amounts, default=None)
        self.days: list[date] = []
        while first is not None and last is not None and first <= last:
            self.days.append(first)
            first += _DAY
        self.amounts = [amounts.get(day, 0.0) for day in self.days]
        self.pace = pace
        self.weights = self._weekdays()

    def _weekdays(self) -> dict[int, float]:
        """How much of an average day each weekday is; 1 without two weeks of days."""
        mean = fmean(self.amounts) if self.amounts else 0.0
        if len(self.days) < 2 * _WEEK or not mean:
            return dict.fromkeys(range(_WEEK), 1.0)
        return {
            weekday: fmean(
                amount
                for day, amount in zip(self.days, self.amounts, strict=True)
                if day.weekday() == weekday
            )
            / mean
            for weekday in range(_WEEK)
        }

    def level(self, today: date) -> float:
        """An average day from now on."""
        level: float | None = None
        seen = [*zip(self.days, self.amounts, strict=True), (today, self.pace)]
        for day, amount in seen:
            # A weekday on which nothing ever ran tells nothing of the level.
            weight = self.weights[day.weekday()] if day != today else 1.0
            if weight:
                even = amount / weight
                level = even if level is None else level + SMOOTHING * (even - level)
        return level or 0.0

    def scatter(self) -> float:
        """The standard deviation of a day around its level, in the currency."""
        even = [
            amount - self.weights[day.weekday()] * fmean(self.amounts)
            for day, amount in zip(self.days, self.amounts, strict=True)
        ]
        return pstdev(even) if len(even) > 1 else 0.0


def _expected(currency: str, so_far: Decimal, days: _Days, query: Query, now: datetime) -> Forecast:
    today = day_of(now)
    enough = len(days.days) >= 2
    begin = max(today, query.start)
    weights = _left(days, begin, query.end, now) if enough else _hours(begin, query.end, now)
    level = days.level(today) if enough else days.pace
    more = level * sum(weights)
    wide = BAND * days.scatter() * math.sqrt(sum(weights)) if enough else more / 2
    return Forecast(
        currency=currency,
        so_far=so_far,
        low=so_far + _money(max(more - wide, 0.0)),
        expected=so_far + _money(more),
        high=so_far + _money(more + wide),
        basis=Basis.DAYS if enough else Basis.RATE,
        days=len(days.days),
    )


def _left(days: _Days, day: date, end: date, now: datetime) -> list[float]:
    """The days to come in average days, of today what is left of it."""
    found = []
    while day < end:
        left = (day_start(day + _DAY) - max(now, day_start(day))) / _DAY
        found.append(days.weights[day.weekday()] * left)
        day += _DAY
    return found


def _hours(begin: date, end: date, now: datetime) -> list[float]:
    return [(day_start(end) - max(now, day_start(begin))) / _DAY]


def _money(amount: float) -> Decimal:
    return Decimal(amount).quantize(_CENT)


def previous(query: Query, now: datetime) -> tuple[datetime, datetime]:
    """The span that the query's part until `now` is compared with: as long, just before it.

    Of a month to date the same days of the month before, as far as it has them.
    """
    start, end = day_start(query.start), min(day_start(query.end), max(now, day_start(query.start)))
    if query.start.day == 1 and query.end <= (query.start + timedelta(days=32)).replace(day=1):
        before = (query.start - _DAY).replace(day=1)
        return day_start(before), min(day_start(before) + (end - start), start)
    return start - (end - start), start


def movers(user: AnyUser, query: Query, now: datetime, limit: int = 10) -> Movers:
    """What changed most against `previous`, by the query's groups."""
    teams = teams_of(user)
    start, end = previous(query, now)
    after = cells_of(teams, query, now)
    before = between(teams, query, start, end, now)
    rows = [
        Mover(keys, currency, amount_in(after, keys, currency), amount_in(before, keys, currency))
        for keys, currency in after.keys() | before.keys()
        if currency
    ]
    totals = {}
    for currency in sorted({row.currency for row in rows}):
        mine = [row for row in rows if row.currency == currency]
        amounts = (sum((getattr(r, n) for r in mine), Decimal(0)) for n in ("amount", "before"))
        totals[currency] = Mover((), currency, *amounts)
    rows.sort(key=lambda row: (-abs(row.delta), row.currency, row.keys))
    shown = tuple(row for row in rows if row.delta)[:limit]
    return Movers(shown, totals, start, end, titles_of(query, [row.keys for row in shown]))


def amount_in(cells: Cells, keys: Keys, currency: str) -> Decimal:
    """Of one row; zero where it is not."""
    return cells.get((keys, currency), NOTHING).amount
