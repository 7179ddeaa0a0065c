"""Stacked bars as percentages of a drawing, so that a template can write them as SVG attributes.

Pure geometry: amounts come in, positions go out. The top of the drawing is a round number a little
above the highest bar; gaps between bars are a quarter of a bar.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

SERIES_MAX = 7
OTHERS = "…"
_NICE = (Decimal(1), Decimal("1.5"), Decimal(2), Decimal(3), Decimal(4), Decimal(5), Decimal(8))
_GAP = 0.2
_TICKS = 4
# As many labels as fit a narrow screen.
_LABELS = 8


@dataclass(frozen=True, slots=True)
class Bucket:
    """One bar: what it is called, where a click on it leads, its amounts by series."""

    label: str
    title: str
    amounts: Mapping[str, Decimal]
    url: str = ""
    # Shown open: the cloud has not billed all of it.
    open: bool = True

    @property
    def total(self) -> Decimal:
        return sum(self.amounts.values(), Decimal(0))


@dataclass(frozen=True, slots=True)
class Segment:
    y: float
    height: float
    css: str


@dataclass(frozen=True, slots=True)
class Column:
    """`x` and `width` of the bar, `left` and `slot` of the place it stands in; percent."""

    bucket: Bucket
    left: float
    slot: float
    x: float
    width: float
    middle: float
    segments: tuple[Segment, ...]
    labelled: bool

    @property
    def top(self) -> float:
        return min((segment.y for segment in self.segments), default=100.0)


@dataclass(frozen=True, slots=True)
class Series:
    key: str
    css: str
    total: Decimal


@dataclass(frozen=True, slots=True)
class Bars:
    """`ticks` are (percent from the top, amount)."""

    columns: tuple[Column, ...]
    ticks: tuple[tuple[float, Decimal], ...]
    series: tuple[Series, ...]
    top: Decimal


def ranked(buckets: Sequence[Bucket]) -> tuple[list[tuple[str, Decimal]], Decimal]:
    """The series by their sum, largest first, and what is left for the rest of them."""
    sums: dict[str, Decimal] = {}
    for bucket in buckets:
        for key, amount in bucket.amounts.items():
            sums[key] = sums.get(key, Decimal(0)) + amount
    ordered = sorted(sums.items(), key=lambda pair: (-pair[1], pair[0]))
    most = SERIES_MAX if len(ordered) > SERIES_MAX + 1 else SERIES_MAX + 1
    return ordered[:most], sum((amount for _key, amount in ordered[most:]), Decimal(0))


def round_top(highest: Decimal) -> Decimal:
    """The first round number at or above it; one when there is nothing to show."""
    if highest <= 0:
        return Decimal(1)
    scale = Decimal(1).scaleb(highest.adjusted())
    return next((scale * step for step in _NICE if scale * step >= highest), scale * 10)


def _numbered(_key: str, rank: int) -> str:
    return f"s{rank}"


def draw(buckets: Sequence[Bucket], css: Callable[[str, int], str] = _numbered) -> Bars:
    """`css`: the class of a series by its key and its rank, counted from 1."""
    named, rest = ranked(buckets)
    series = [Series(key, css(key, at), total) for at, (key, total) in enumerate(named, 1)]
    if rest:
        series.append(Series(OTHERS, "s0", rest))
    top = round_top(max((bucket.total for bucket in buckets), default=Decimal(0)))
    slot = 100 / max(len(buckets), 1)
    every = -(-len(buckets) // _LABELS)
    columns = tuple(
        _column(bucket, at, slot, top, series, labelled=at % every == 0)
        for at, bucket in enumerate(buckets)
    )
    ticks = tuple(
        (100 - 100 * step / _TICKS, top * step / _TICKS) for step in range(_TICKS, -1, -1)
    )
    return Bars(columns, ticks, tuple(series), top)


def _column(
    bucket: Bucket, at: int, slot: float, top: Decimal, series: Sequence[Series], *, labelled: bool
) -> Column:
    left = at * slot
    return Column(
        bucket=bucket,
        left=round(left, 3),
        slot=round(slot, 3),
        x=round(left + slot * _GAP / 2, 3),
        width=round(slot * (1 - _GAP), 3),
        middle=round(left + slot / 2, 3),
        segments=tuple(_segments(bucket, top, series)),
        labelled=labelled,
    )


def _segments(bucket: Bucket, top: Decimal, series: Sequence[Series]) -> list[Segment]:
    """From the bottom up, the largest series lowest."""
    named = {one.key for one in series}
    rest = sum((v for key, v in bucket.amounts.items() if key not in named), Decimal(0))
    found, base = [], Decimal(0)
    for one in series:
        amount = rest if one.key == OTHERS else bucket.amounts.get(one.key, Decimal(0))
        if amount <= 0:
            continue
        base += amount
        y, height = 100 - 100 * base / top, 100 * amount / top
        found.append(Segment(round(float(y), 3), round(float(height), 3), one.css))
    return found
