"""What the life of an instance costs, as lines of whole seconds. Pure: nothing is read or saved.

A line never spans a change of kind, size or price, nor midnight of the billing calendar. Its
amounts are quantised to eight places part by part; `clip` cuts lines by cumulative rounding, so
that the clips of a partition add up to the line, to the last digit.

What the cloud told is exact. Otherwise the line takes the upper bound, as if the instance had cost
as long as it may have, is `estimated`, and `bound` is by how many seconds the truth may be less.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from itertools import pairwise

from providers.calendar import day_of, midnights, whole
from providers.prices import PLACES, ZERO, Book, Place, Rate
from providers.told import Size

_HOUR = 3600


class Kind(StrEnum):
    """`starting` is before the first container ran; of a life that is over without one ever having
    run it is `failed`. `orphan`: no pod owned the instance."""

    RUNNING = "running"
    STARTING = "starting"
    FAILED = "failed"
    ORPHAN = "orphan"


@dataclass(frozen=True, slots=True)
class Stretch:
    """`size` from `start` on. In `bound` seconds it is not known which of both sizes was billed:
    the larger one has them (after `start` when this one is larger, else before)."""

    start: datetime
    size: Size
    bound: int = 0


@dataclass(frozen=True, slots=True)
class Life:
    """When an instance cost: `begin <= time < end` (None: it goes on).

    It may have begun up to `begin_bound` seconds later and ended up to `end_bound` seconds earlier.
    `started` is when its first container ran (None: none did so far). `orphaned` are intervals
    without an owner (end None: still). `over`: nothing more will happen. `unknown`: nobody ever saw
    whether it existed; if it did, then for at most so many seconds beyond `end`, which is `begin`.
    """

    begin: datetime
    sizes: tuple[Stretch, ...]
    begin_bound: int = 0
    end: datetime | None = None
    end_bound: int = 0
    started: datetime | None = None
    orphaned: tuple[tuple[datetime, datetime | None], ...] = ()
    over: bool = False
    unknown: int = 0


@dataclass(frozen=True, slots=True)
class Asked:
    """vCPU and GiB that the pod asked for; None: it did not say."""

    cpu: Decimal | None = None
    memory: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Amounts:
    """Figures that add up, under the names of the columns of `console.billing.models.Sums`."""

    seconds: int = 0
    cpu_seconds: Decimal = ZERO
    memory_seconds: Decimal = ZERO
    gpu_seconds: int = 0
    storage_seconds: int = 0
    over_cpu_seconds: Decimal = ZERO
    over_memory_seconds: Decimal = ZERO
    list_amount: Decimal = ZERO
    amount: Decimal = ZERO
    cpu_amount: Decimal = ZERO
    memory_amount: Decimal = ZERO
    machine_amount: Decimal = ZERO
    storage_amount: Decimal = ZERO
    over_amount: Decimal = ZERO
    bound_seconds: int = 0

    def __add__(self, other: Amounts) -> Amounts:
        return Amounts(**{n: getattr(self, n) + getattr(other, n) for n in FIGURES})

    def __sub__(self, other: Amounts) -> Amounts:
        return Amounts(**{n: getattr(self, n) - getattr(other, n) for n in FIGURES})

    def __neg__(self) -> Amounts:
        return Amounts() - self


FIGURES = tuple(field.name for field in fields(Amounts))
_PARTS = ("cpu_amount", "memory_amount", "machine_amount", "storage_amount")
_MONEY = {"list_amount", "over_amount", *_PARTS}


@dataclass(frozen=True, slots=True)
class Line:
    """`start <= time < end` of one kind, size, price and billing day; see the module.

    `rate` None: unpriced, all amounts are zero. An `estimated` line of no seconds stands for an
    instance that nobody saw: the truth may be up to `bound` seconds MORE.
    """

    start: datetime
    end: datetime
    day: date
    kind: Kind
    size: Size
    rate: Rate | None
    estimated: bool = False
    bound: int = 0
    list_amount: Decimal = ZERO
    amount: Decimal = ZERO
    cpu_amount: Decimal = ZERO
    memory_amount: Decimal = ZERO
    machine_amount: Decimal = ZERO
    storage_amount: Decimal = ZERO
    over_amount: Decimal = ZERO
    over_cpu: Decimal = ZERO
    over_memory: Decimal = ZERO

    @property
    def seconds(self) -> int:
        return _seconds(self.start, self.end)

    @property
    def amounts(self) -> Amounts:
        """All figures of the whole line."""
        seconds = self.seconds
        return Amounts(
            seconds=seconds,
            cpu_seconds=self.size.cpu * seconds,
            memory_seconds=self.size.memory * seconds,
            gpu_seconds=self.size.gpu * seconds,
            storage_seconds=self.size.storage * seconds,
            over_cpu_seconds=self.over_cpu * seconds,
            over_memory_seconds=self.over_memory * seconds,
            list_amount=self.list_amount,
            amount=self.amount,
            cpu_amount=self.cpu_amount,
            memory_amount=self.memory_amount,
            machine_amount=self.machine_amount,
            storage_amount=self.storage_amount,
            over_amount=self.over_amount,
            bound_seconds=self.bound,
        )


def _seconds(start: datetime, end: datetime) -> int:
    return int((end - start).total_seconds())


def meter(life: Life, book: Book, place: Place, asked: Asked, until: datetime) -> tuple[Line, ...]:
    """The lines of `life` at `place`, ascending, without overlap and without gap.

    `until` cuts a life that goes on, or ends later; all times are cut down to whole seconds.
    """
    begin, stop = whole(life.begin), whole(until)
    end = stop if life.end is None else min(whole(life.end), stop)
    if life.unknown and begin <= stop:
        return (_unseen(life, book, place, begin),)
    lines: list[Line] = []
    for start, size, edge in _sized(life.sizes, begin, end):
        borders = {border for border in _borders(life) if start < border < edge}
        borders.update(midnights(start, edge))
        borders.update(map(_up, book.changes(size, place, start, edge)))
        edges = [start, *sorted(border for border in borders if start < border < edge), edge]
        lines += (
            _line(life, size, book.rate(size, place, span[0]), asked, span)
            for span in pairwise(edges)
        )
    return tuple(lines)


def _up(at: datetime) -> datetime:
    """The first whole second that is not before `at`: a price counts from the next second on."""
    floor = whole(at)
    return floor if floor == at else floor + timedelta(seconds=1)


def _sized(
    sizes: Sequence[Stretch], begin: datetime, end: datetime
) -> Iterator[tuple[datetime, Size, datetime]]:
    """(start, size, end) within the life; the first size also holds before its own start."""
    starts = [begin, *(max(begin, whole(stretch.start)) for stretch in sizes[1:]), end]
    for stretch, (start, stop) in zip(sizes, pairwise(starts), strict=True):
        if start < min(stop, end):
            yield start, stretch.size, min(stop, end)


def _borders(life: Life) -> Iterator[datetime]:
    if life.started is not None:
        yield whole(life.started)
    for since, to in life.orphaned:
        yield whole(since)
        if to is not None:
            yield whole(to)


def _kind(life: Life, at: datetime) -> Kind:
    """The kind of the second that begins at `at`."""
    if any(whole(since) <= at and (to is None or at < whole(to)) for since, to in life.orphaned):
        return Kind.ORPHAN
    if life.started is not None and whole(life.started) <= at:
        return Kind.RUNNING
    return Kind.FAILED if life.over and life.started is None else Kind.STARTING


def _doubts(life: Life) -> Iterator[tuple[datetime, datetime]]:
    """When it may not have cost, or not this much."""
    begin = whole(life.begin)
    if life.begin_bound:
        yield begin, begin + timedelta(seconds=life.begin_bound)
    if life.end_bound and life.end is not None:
        yield whole(life.end) - timedelta(seconds=life.end_bound), whole(life.end)
    for before, after in pairwise(life.sizes):
        if after.bound:
            at, apart = whole(after.start), timedelta(seconds=after.bound)
            larger = weight(after.size) > weight(before.size)
            yield (at, at + apart) if larger else (at - apart, at)


def weight(size: Size) -> tuple[int, Decimal, Decimal, int]:
    """Larger sizes have a larger one."""
    return size.gpu, size.cpu, size.memory, size.storage


def _line(
    life: Life, size: Size, rate: Rate | None, asked: Asked, seconds: tuple[datetime, datetime]
) -> Line:
    start, end = seconds
    doubtful = sorted(
        (max(start, since), min(end, to))
        for since, to in _doubts(life)
        if since < end and to > start
    )
    bound = _length(doubtful)
    line = Line(
        start=start,
        end=end,
        day=day_of(start),
        kind=_kind(life, start),
        size=size,
        rate=rate,
        estimated=bound > 0,
        bound=bound,
        over_cpu=_over(size.cpu, asked.cpu),
        over_memory=_over(size.memory, asked.memory),
    )
    return line if rate is None else _priced(line, rate)


def _length(intervals: Sequence[tuple[datetime, datetime]]) -> int:
    """Seconds that the ascending intervals cover, those covered twice counted once."""
    covered, reached = 0, datetime.min.replace(tzinfo=UTC)
    for start, end in intervals:
        covered += max(0, _seconds(max(start, reached), end)) if end > reached else 0
        reached = max(reached, end)
    return covered


def _over(billed: Decimal, asked: Decimal | None) -> Decimal:
    """What is billed beyond what was asked for; nothing where nothing was."""
    return ZERO if asked is None else max(ZERO, billed - asked)


def _priced(line: Line, rate: Rate) -> Line:
    def money(per_hour: Decimal) -> Decimal:
        return (per_hour * line.seconds / _HOUR).quantize(PLACES)

    cpu, memory = money(rate.cpu), money(rate.memory)
    machine, storage = money(rate.machine), money(rate.storage)
    return replace(
        line,
        list_amount=money(rate.list_total),
        amount=cpu + memory + machine + storage,
        cpu_amount=cpu,
        memory_amount=memory,
        machine_amount=machine,
        storage_amount=storage,
        over_amount=money(_over_rate(line, rate)),
    )


def _over_rate(line: Line, rate: Rate) -> Decimal:
    """The price of an hour of what nobody asked for. A machine is wasted as far as the better used
    one of vCPUs and memory is."""
    cpu = line.over_cpu / line.size.cpu if line.size.cpu else ZERO
    memory = line.over_memory / line.size.memory if line.size.memory else ZERO
    return rate.cpu * cpu + rate.memory * memory + rate.machine * min(cpu, memory)


def _unseen(life: Life, book: Book, place: Place, at: datetime) -> Line:
    size = life.sizes[0].size
    return Line(
        start=at,
        end=at,
        day=day_of(at),
        kind=Kind.FAILED,
        size=size,
        rate=book.rate(size, place, at),
        estimated=True,
        bound=life.unknown,
    )


def clip(line: Line, start: datetime, end: datetime) -> Amounts:
    """The share of `line` within `start <= time < end`."""
    since, to = max(line.start, whole(start)), min(line.end, whole(end))
    if since >= to:
        return Amounts()
    whole_line = line.amounts
    return share(whole_line, _seconds(line.start, since), _seconds(line.start, to))


def share(whole_line: Amounts, since: int, to: int) -> Amounts:
    """The seconds `since` until `to` of figures that span `whole_line.seconds`.

    Each figure of money is the difference of two rounded running totals, and `amount` the sum of
    its parts. Seconds in doubt belong to the share with the last second.
    """
    return _until(whole_line, to) - _until(whole_line, since)


def _until(whole_line: Amounts, seconds: int) -> Amounts:
    length = whole_line.seconds
    if seconds == length:
        return whole_line
    if not seconds:
        return Amounts()
    found = {name: getattr(whole_line, name) * seconds / length for name in FIGURES}
    for name in _MONEY:
        found[name] = found[name].quantize(PLACES)
    for name in ("seconds", "gpu_seconds", "storage_seconds"):
        found[name] = getattr(whole_line, name) * seconds // length
    found["amount"] = sum((found[name] for name in _PARTS), ZERO)
    return Amounts(**{**found, "bound_seconds": 0})
