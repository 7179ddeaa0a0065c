"""Statements over time: the same figures, cut into hours or days that add up to the whole.

Days come from the sums. Anything finer is cut from the lines by cumulative rounding, as
`providers.meter` cuts one line: lines of one interval are added first, so the cuts of a partition
still add up to the last digit.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from console.access import AnyUser
from console.billing import figures, groups, running
from console.billing.figures import COUNTS, NOTHING, Figures
from console.billing.models import UsageLine
from console.billing.readers import Teams, teams_of
from console.billing.statements import Cells, Keys, Query, add, cells_of, posted_rows, titles_of
from providers.calendar import day_of, day_start
from providers.meter import FIGURES
from providers.prices import PLACES

_DAY = timedelta(days=1)
_PARTS = ("cpu_amount", "memory_amount", "machine_amount", "storage_amount")
_MONEY = (*_PARTS, "list_amount", "over_amount")
# Counts and seconds in doubt are not cut: the first piece has the counts, the last the doubt.
_WHOLE = (*COUNTS, "bound_seconds", "amount")


class Step(StrEnum):
    HOUR = "hour"
    DAY = "day"


@dataclass(frozen=True, slots=True)
class Bucket:
    """`start <= time < end`, by the keys of the query's groups and the currency."""

    start: datetime
    end: datetime
    cells: Mapping[tuple[Keys, str], Figures]

    def total(self, currency: str) -> Figures:
        found = (more for (_, own), more in self.cells.items() if own == currency)
        return sum(found, NOTHING)


@dataclass(frozen=True, slots=True)
class Series:
    """Buckets of the whole period, the empty ones and those to come among them."""

    query: Query
    step: Step
    buckets: tuple[Bucket, ...]
    titles: Mapping[tuple[str, str], str]


def series(user: AnyUser, query: Query, step: Step | str, now: datetime) -> Series:
    return read(teams_of(user), query, Step(step), now)


def read(teams: Teams, query: Query, step: Step, now: datetime) -> Series:
    """The series for these teams, whoever asks."""
    if step is Step.DAY:
        buckets = _days(teams, query, now)
    else:
        borders = list(_borders(query, timedelta(hours=1)))
        cells = cut(teams, query, borders, now)
        pairs = zip(borders, borders[1:], cells, strict=False)
        buckets = [Bucket(start, end, found) for start, end, found in pairs]
    keys = {key for bucket in buckets for key in bucket.cells}
    return Series(query, step, tuple(buckets), titles_of(query, [keys for keys, _ in keys]))


def _borders(query: Query, step: timedelta) -> Iterator[datetime]:
    at, end = day_start(query.start), day_start(query.end)
    while at <= end:
        yield at
        at += step


def _days(teams: Teams, query: Query, now: datetime) -> list[Bucket]:
    found: dict[str, Cells] = {}
    cells = cells_of(teams, replace(query, group=("day", *query.group)), now)
    for (keys, currency), more in cells.items():
        add(found.setdefault(keys[0], {}), keys[1:], currency, more)
    days = [query.start + index * _DAY for index in range((query.end - query.start).days)]
    return [
        Bucket(day_start(day), day_start(day + _DAY), found.get(day.isoformat(), {}))
        for day in days
    ]


def cut(teams: Teams, query: Query, borders: Sequence[datetime], now: datetime) -> list[Cells]:
    """The cells between each two of the ascending `borders`. Of `query` the days do not count."""
    days = (day_of(borders[0]), day_of(borders[-1] - timedelta(seconds=1)) + _DAY)
    query = replace(query, start=days[0], end=days[1])
    pieces: list[Cells] = [{} for _ in borders[1:]]
    for keys, currency, start, end, whole in _intervals(teams, query, now):
        for index, since, to in _overlaps(borders, start, end):
            piece = share(whole, _seconds(start, since), _seconds(start, to), _seconds(start, end))
            add(pieces[index], keys, currency, piece)
    return pieces


def between(teams: Teams, query: Query, start: datetime, end: datetime, now: datetime) -> Cells:
    """The cells of `start <= time < end`: whole days from the sums, the edges cut from lines."""
    if start >= end:
        return {}
    first = day_start(day_of(start - timedelta(seconds=1)) + _DAY)
    last = day_start(day_of(end))
    if first > last:
        return cut(teams, query, [start, end], now)[0]
    cells = cells_of(teams, replace(query, start=day_of(first), end=day_of(last)), now)
    for since, to in ((start, first), (last, end)):
        if since < to:
            for (keys, currency), more in cut(teams, query, [since, to], now)[0].items():
                add(cells, keys, currency, more)
    return cells


def _overlaps(
    borders: Sequence[datetime], start: datetime, end: datetime
) -> Iterator[tuple[int, datetime, datetime]]:
    """(index of the piece, start, end) of what lies within the borders."""
    index = max(bisect_right(borders, start) - 1, 0)
    while index < len(borders) - 1 and (borders[index] < end or borders[index] == start):
        since, to = max(start, borders[index]), min(end, borders[index + 1])
        if since < to or (start == end and borders[index] <= start < borders[index + 1]):
            yield index, since, to
        index += 1


def _seconds(start: datetime, end: datetime) -> int:
    return int((end - start).total_seconds())


def share(whole: Figures, since: int, to: int, length: int) -> Figures:
    """The seconds `since` until `to` of figures that span `length` seconds."""
    return _until(whole, to, length) - _until(whole, since, length)


def _until(whole: Figures, seconds: int, length: int) -> Figures:
    if seconds == length:
        return whole
    counts = {name: getattr(whole, name) for name in COUNTS}
    if not seconds:
        return NOTHING
    found = {name: getattr(whole, name) * seconds / length for name in FIGURES if name in _MONEY}
    cut_money = {name: Decimal(value).quantize(PLACES) for name, value in found.items()}
    even = {
        name: _even(getattr(whole, name), seconds, length)
        for name in FIGURES
        if name not in _MONEY and name not in _WHOLE
    }
    amount = sum((cut_money[name] for name in _PARTS), Decimal(0))
    return replace(whole, **cut_money, **even, **counts, amount=amount, bound_seconds=0)


def _even(value: int | Decimal, seconds: int, length: int) -> int | Decimal:
    if isinstance(value, int):
        return value * seconds // length
    return (value * seconds / length).quantize(Decimal("0.001"))


_Interval = tuple[Keys, str, datetime, datetime, Figures]


def _intervals(teams: Teams, query: Query, now: datetime) -> Iterable[_Interval]:
    """Posted and running lines, those of one interval and one key added up."""
    where = groups.resolved(query.where, teams)
    with running.snapshot():
        found = list(_posted(teams, query, where))
        for keys, part in running.matching(teams, query, where, now):
            found.append((keys, part.scope.currency, part.start, part.end, part.figures))
    return found


def _posted(teams: Teams, query: Query, where: Mapping[str, frozenset[str]]) -> Iterator[_Interval]:
    columns = [groups.column(name) for name in query.group]
    rows = posted_rows(UsageLine, teams, query, where)
    wanted = rows.order_by().values(*dict.fromkeys(columns), "currency", "start", "end")
    for row in wanted.annotate(**figures.sums(UsageLine)):
        keys = tuple(
            groups.key(name, row[one]) for name, one in zip(query.group, columns, strict=True)
        )
        yield keys, row["currency"], row["start"], row["end"], figures.figures(row)
