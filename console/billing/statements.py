"""Statements: what was used and what it costs, by any groups, exact to the last digit.

Posted sums, plus the part of each life that is not posted yet, metered when asked. Both are read
in one snapshot of the database, and every line is counted in exactly one of them, so the rows of
any grouping add up to the totals. Currencies are never added: each row has one; the empty one holds
what is unpriced.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from django.db.models import QuerySet

from console.access import AnyUser
from console.billing import figures, groups, running
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
    """`keys` as `groups` has them, one for each group; empty currency: unpriced."""

    keys: Keys
    currency: str
    figures: Figures


@dataclass(frozen=True, slots=True)
class Statement:
    """`totals` by currency, without what is `unpriced`. `titles`: group and key to what people
    call it. Rows come with the largest amount first."""

    query: Query
    rows: tuple[Row, ...]
    totals: Mapping[str, Figures]
    unpriced: Figures
    titles: Mapping[tuple[str, str], str]
    at: datetime

    def title(self, row: Row) -> tuple[str, ...]:
        return tuple(
            self.titles.get((name, key), key)
            for name, key in zip(self.query.group, row.keys, strict=True)
        )


def statement(user: AnyUser, query: Query, now: datetime) -> Statement:
    return read(teams_of(user), query, now)


def read(teams: Teams, query: Query, now: datetime) -> Statement:
    """The statement for these teams, whoever asks."""
    return _statement(query, cells_of(teams, query, now), now)


def cells_of(teams: Teams, query: Query, now: datetime) -> Cells:
    where = groups.resolved(query.where, teams)
    with running.snapshot():
        cells = posted(teams, query, where)
        _add_running(cells, teams, query, where, now)
    return cells


def _add_running(
    cells: Cells, teams: Teams, query: Query, where: Mapping[str, frozenset[str]], now: datetime
) -> None:
    for keys, part in running.matching(teams, query, where, now):
        add(cells, keys, part.scope.currency, part.figures)


def _statement(query: Query, cells: Cells, now: datetime) -> Statement:
    rows = [Row(keys, currency, found) for (keys, currency), found in cells.items()]
    rows = [row for row in rows if any(figures.values(row.figures))]
    rows.sort(key=lambda row: (-row.figures.amount, row.currency == "", row.keys))
    totals: dict[str, Figures] = {}
    for row in rows:
        totals[row.currency] = totals.get(row.currency, NOTHING) + row.figures
    unpriced = totals.pop("", NOTHING)
    return Statement(
        query, tuple(rows), totals, unpriced, titles_of(query, [row.keys for row in rows]), now
    )


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


def posted(
    teams: Teams, query: Query, where: Mapping[str, frozenset[str]], model: Any = None
) -> Cells:
    """What is posted, from the sums, or from the lines where the query needs what only they tell;
    `model` decides otherwise."""
    model = model or (UsageLine if groups.needs_lines((*query.group, *where)) else UsageSum)
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
