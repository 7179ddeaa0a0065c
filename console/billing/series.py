"""Statements over time: the same figures, cut into hours or days that add up to the whole.

Days come from the sums. Anything finer is cut from the lines by cumulative rounding, as
`providers.meter` cuts one line: lines of one interval are added first, so the cuts of a partition
still add up to the last digit.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from console.access import AnyUser
from console.billing import figures, groups, running
from console.billing.figures import COUNTS, NAMES, NOTHING, Figures, scaled, unscaled
from console.billing.models import UsageLine
from console.billing.readers import Teams, teams_of
from console.billing.statements import Cells, Keys, Query, add, cells_of, posted_rows, titles_of
from providers.calendar import day_of, day_start

_DAY = timedelta(days=1)
# Places in `NAMES`. Money is cut part by part and rounded, seconds are cut evenly; counts and
# seconds in doubt are not cut: the first piece has the counts, the last the doubt.
_AMOUNT, _BOUND = NAMES.index("amount"), NAMES.index("bound_seconds")
_PARTS = tuple(NAMES.index(f"{part}_amount") for part in ("cpu", "memory", "machine", "storage"))
_MONEY = (*_PARTS, NAMES.index("list_amount"), NAMES.index("over_amount"))
_EVEN = tuple(
    index
    for index, name in enumerate(NAMES)
    if name not in COUNTS and index not in {_AMOUNT, _BOUND, *_MONEY}
)


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
    pieces: list[dict[tuple[Keys, str], list[int]]] = [{} for _ in borders[1:]]
    for (keys, currency, start, end), whole in _intervals(teams, query, now).items():
        length = _seconds(start, end)
        told = _until(whole, _seconds(start, borders[0]), length)
        for index, to in _overlaps(borders, start, end):
            reached = whole if to == end else _until(whole, _seconds(start, to), length)
            before = pieces[index].setdefault((keys, currency), [0] * len(NAMES))
            pieces[index][keys, currency] = [
                total + new - old for total, new, old in zip(before, reached, told, strict=True)
            ]
            told = reached
    return [{key: unscaled(values) for key, values in piece.items()} for piece in pieces]


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
) -> Iterator[tuple[int, datetime]]:
    """(index of the piece, end in it) of what lies within the borders. What has no length lies in
    the piece that holds its start."""
    index = max(bisect_right(borders, start) - 1, 0)
    while index < len(borders) - 1 and (borders[index] < end or borders[index] <= start):
        if start < end or borders[index] <= start:
            yield index, min(end, borders[index + 1])
        if borders[index + 1] >= end:
            return
        index += 1


def _seconds(start: datetime, end: datetime) -> int:
    return int((end - start).total_seconds())


def _until(whole: Sequence[int], seconds: int, length: int) -> list[int]:
    """The first `seconds`, less than all, of figures (`figures.scaled`) that span `length`."""
    if seconds <= 0:
        return [0] * len(whole)
    found = list(whole)
    found[_BOUND] = 0
    for index in _EVEN:
        found[index] = whole[index] * seconds // length
    for index in _MONEY:
        found[index] = (2 * whole[index] * seconds + length) // (2 * length)
    found[_AMOUNT] = sum(found[index] for index in _PARTS)
    return found


_Interval = tuple[Keys, str, datetime, datetime]


def _intervals(teams: Teams, query: Query, now: datetime) -> dict[_Interval, list[int]]:
    """Posted and running lines; those of one interval and one key are added up."""
    where = groups.resolved(query.where, teams)
    found: dict[_Interval, list[int]] = {}
    with running.snapshot():
        for interval, more in _posted(teams, query, where):
            _grow(found, interval, more)
        for keys, part in running.matching(teams, query, where, now):
            interval = (keys, part.scope.currency, part.start, part.end)
            _grow(found, interval, scaled(part.figures))
    return found


def _grow(found: dict[_Interval, list[int]], interval: _Interval, more: list[int]) -> None:
    before = found.get(interval)
    added = more if before is None else [a + b for a, b in zip(before, more, strict=True)]
    found[interval] = added


def _posted(
    teams: Teams, query: Query, where: Mapping[str, frozenset[str]]
) -> Iterator[tuple[_Interval, list[int]]]:
    columns = [groups.column(name) for name in query.group]
    rows = posted_rows(UsageLine, teams, query, where)
    wanted = rows.order_by().values(*dict.fromkeys(columns), "currency", "start", "end")
    for row in wanted.annotate(**figures.sums(UsageLine)):
        keys = tuple(
            groups.key(name, row[one]) for name, one in zip(query.group, columns, strict=True)
        )
        interval = (keys, row["currency"], row["start"], row["end"])
        yield interval, scaled(figures.figures(row))
