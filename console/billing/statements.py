"""Statements: what was used and what it costs, by any groups, exact to the last digit.

Posted sums, plus the part of each life that is not posted yet, metered when asked. Both are read
in one snapshot of the database, and every line is counted in exactly one of them, so the rows of
any grouping add up to the totals. Currencies are never added: each row has one; the empty one holds
what is unpriced.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

from django.db.models import QuerySet

from console.access import AnyUser
from console.billing import billed, figures, groups, running
from console.billing.billed import Bill, Bills
from console.billing.figures import NOTHING, Figures
from console.billing.models import UsageLine, UsageSum
from console.billing.readers import Teams, teams_of

Keys = tuple[str, ...]
Cells = dict[tuple[Keys, str], Figures]


@dataclass(frozen=True, slots=True)
class Query:
    """Billing days `start <= day < end`, by `group`, of what fits every filter of `where` (any of
    its values). `currency`: only this one, and what is unpriced."""

    start: date
    end: date
    group: tuple[str, ...] = ()
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    currency: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """`keys` as `groups` has them, one for each group; empty currency: unpriced. `bill` None: no
    complete bill tells of it, or nobody asked."""

    keys: Keys
    currency: str
    figures: Figures
    bill: Bill | None = None


@dataclass(frozen=True, slots=True)
class Statement:
    """`totals` by currency, without what is `unpriced`. `titles`: group and key to what people
    call it. `bills` by currency, the sum of those of the rows, and the days that they are of.
    `anew`: so many lives changed (a price of the past, most likely) that they count as they are
    posted until posting has been over them. Rows come with the largest amount first."""

    query: Query
    rows: tuple[Row, ...]
    totals: Mapping[str, Figures]
    unpriced: Figures
    titles: Mapping[tuple[str, str], str]
    at: datetime
    bills: Mapping[str, Bill] = field(default_factory=dict)
    bill_days: frozenset[date] = frozenset()
    anew: bool = False

    def title(self, row: Row) -> tuple[str, ...]:
        return tuple(
            self.titles.get((name, key), key)
            for name, key in zip(self.query.group, row.keys, strict=True)
        )


def statement(user: AnyUser, query: Query, now: datetime, *, bills: bool = False) -> Statement:
    """With `bills`, the rows have what the clouds billed."""
    return read(teams_of(user), query, now, bills=bills)


def read(teams: Teams, query: Query, now: datetime, *, bills: bool = False) -> Statement:
    """The statement for these teams, whoever asks."""
    where = groups.resolved(query.where, teams)
    found = _read(teams, query, where, now, bills=bills)
    return replace(found, anew=running.anew(teams, query, where))


def _read(
    teams: Teams, query: Query, where: Mapping[str, frozenset[str]], now: datetime, *, bills: bool
) -> Statement:
    if not bills:
        return _statement(query, cells_of(teams, query, now), {}, frozenset(), now)
    with running.snapshot():
        days = billed.complete_days(teams, query, where)
        cells = posted(teams, query, where)
        told = _bills(teams, query, where, days, cells)
        for keys, part in running.matching(teams, query, where, now):
            add(cells, keys, part.scope.currency, part.figures)
            if days.has(part.scope):
                more = Bill(metered=part.figures.amount)
                billed.add(told, keys, part.scope.currency, more)
    return _statement(query, cells, told, days.days, now)


def _bills(
    teams: Teams,
    query: Query,
    where: Mapping[str, frozenset[str]],
    days: billed.Days,
    cells: Cells,
) -> Bills:
    rows = posted_rows(_model(query, where), teams, query, where)
    without = any(not currency for _, currency in cells)
    return billed.bills_of(query, where, days, rows, unpriced=without)


def cells_of(teams: Teams, query: Query, now: datetime) -> Cells:
    where = groups.resolved(query.where, teams)
    with running.snapshot():
        cells = posted(teams, query, where)
        for keys, part in running.matching(teams, query, where, now):
            add(cells, keys, part.scope.currency, part.figures)
    return cells


def _statement(
    query: Query, cells: Cells, bills: Bills, days: frozenset[date], now: datetime
) -> Statement:
    rows = [
        Row(*key, cells.get(key, NOTHING), bills.get(key))
        for key in dict.fromkeys((*cells, *bills))
    ]
    rows = [row for row in rows if any(figures.values(row.figures)) or row.bill]
    rows.sort(key=lambda row: (-row.figures.amount, row.currency == "", row.keys))
    totals: dict[str, Figures] = {}
    sums: dict[str, Bill] = {}
    for row in rows:
        totals[row.currency] = totals.get(row.currency, NOTHING) + row.figures
        if row.bill is not None:
            sums[row.currency] = sums.get(row.currency, Bill()) + row.bill
    unpriced = totals.pop("", NOTHING)
    titles = titles_of(query, [row.keys for row in rows])
    return Statement(query, tuple(rows), totals, unpriced, titles, now, sums, days)


def titles_of(query: Query, keys: Iterable[Keys]) -> dict[tuple[str, str], str]:
    """Of all keys that stand in some rows: (group, key) to what people call it."""
    rows = list(keys)
    found: dict[tuple[str, str], str] = {}
    for index, name in enumerate(query.group):
        distinct = sorted({row[index] for row in rows})
        found |= {(name, key): title for key, title in groups.titles(name, distinct).items()}
    return found


def posted_rows(
    model: Any, teams: Teams, query: Query, where: Mapping[str, frozenset[str]]
) -> QuerySet[Any]:
    """The lines or the sums that the query is about, labels annotated."""
    rows = model.objects.filter(day__gte=query.start, day__lt=query.end)
    if teams is not None:
        rows = rows.filter(team__in=teams)
    if query.currency:
        rows = rows.filter(currency__in=("", query.currency))
    labelled = rows.annotate(**groups.labels((*query.group, *where)))
    narrowed: QuerySet[Any] = labelled.filter(groups.narrowed(where))
    return narrowed


def _model(query: Query, where: Mapping[str, frozenset[str]]) -> type[UsageLine | UsageSum]:
    return UsageLine if groups.needs_lines((*query.group, *where)) else UsageSum


def posted(
    teams: Teams, query: Query, where: Mapping[str, frozenset[str]], model: Any = None
) -> Cells:
    """What is posted, from the sums, or from the lines where the query needs what only they tell;
    `model` decides otherwise."""
    model = model or _model(query, where)
    columns = [groups.column(name) for name in query.group]
    cells: Cells = {}
    rows = posted_rows(model, teams, query, where).order_by()
    for row in rows.values(*dict.fromkeys(columns), "currency").annotate(**figures.sums(model)):
        keys = tuple(
            groups.key(name, row[one]) for name, one in zip(query.group, columns, strict=True)
        )
        add(cells, keys, row["currency"], figures.figures(row))
    return cells


def add(cells: Cells, keys: Keys, currency: str, more: Figures) -> None:
    cells[keys, currency] = cells.get((keys, currency), NOTHING) + more
