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

from console.access import AnyUser, rights_of
from console.billing import figures, groups
from console.billing.figures import NOTHING, Figures
from console.billing.models import UsageLine, UsageSum

Teams = frozenset[int] | None
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


def teams_of(user: AnyUser) -> Teams:
    """The teams whose money the user may see; None: all."""
    rights = rights_of(user)
    return None if rights.everything else rights.teams


def statement(user: AnyUser, query: Query, now: datetime) -> Statement:
    return read(teams_of(user), query, now)


def read(teams: Teams, query: Query, now: datetime) -> Statement:
    """The statement for these teams, whoever asks."""
    cells = cells_of(teams, query)
    return _statement(query, cells, now)


def cells_of(teams: Teams, query: Query) -> Cells:
    where = groups.resolved(query.where, teams)
    return _posted(teams, query, where)


def _statement(query: Query, cells: Cells, now: datetime) -> Statement:
    rows = [Row(keys, currency, found) for (keys, currency), found in cells.items()]
    rows = [row for row in rows if any(figures.values(row.figures))]
    rows.sort(key=lambda row: (-row.figures.amount, row.currency == "", row.keys))
    totals: dict[str, Figures] = {}
    for row in rows:
        totals[row.currency] = totals.get(row.currency, NOTHING) + row.figures
    unpriced = totals.pop("", NOTHING)
    return Statement(query, tuple(rows), totals, unpriced, _titles(query, rows), now)


def _titles(query: Query, rows: Iterable[Row]) -> dict[tuple[str, str], str]:
    found = {}
    for index, name in enumerate(query.group):
        keys = sorted({row.keys[index] for row in rows})
        found |= {(name, key): title for key, title in groups.titles(name, keys).items()}
    return found


def _posted(teams: Teams, query: Query, where: Mapping[str, frozenset[str]]) -> Cells:
    names = (*query.group, *where)
    model: Any = UsageLine if groups.needs_lines(names) else UsageSum
    rows = model.objects.filter(day__gte=query.start, day__lt=query.end)
    if teams is not None:
        rows = rows.filter(team__in=teams)
    if query.currency:
        rows = rows.filter(currency__in=("", query.currency))
    rows = rows.annotate(**groups.annotations(names)).filter(groups.narrowed(where))
    columns = [groups.column(name) for name in query.group]
    cells: Cells = {}
    found = rows.order_by().values(*dict.fromkeys(columns), "currency")
    for row in found.annotate(**figures.sums(model)):
        keys = tuple(
            groups.key(name, row[one]) for name, one in zip(query.group, columns, strict=True)
        )
        add(cells, keys, row["currency"], figures.figures(row))
    return cells


def add(cells: Cells, keys: Keys, currency: str, more: Figures) -> None:
    cells[keys, currency] = cells.get((keys, currency), NOTHING) + more
