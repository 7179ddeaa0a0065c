"""Properties of the meter, and examples of each of its rules."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from providers.calendar import day_of, whole
from providers.meter import FIGURES, Amounts, Asked, Kind, Life, Line, Stretch, clip, meter
from providers.prices import Book, Discount, Entry, Item, Per, Place
from providers.told import Size

D = Decimal
T0 = datetime(2026, 3, 28, 15, 59, tzinfo=UTC)
HERE = Place("eci", 1, "cn-hangzhou", "cn-hangzhou-i")
SMALL = Size(D(2), D(4), "2-4Gi")
LARGE = Size(D(4), D(8), "4-8Gi", storage=10)
ODD = Size(D("0.25"), D("0.5"), "0.25-0.5Gi")
UNPRICED = Size(D(1), D(1), "", type="ecs.none")
CPU = Entry("eci", Item.CPU, D("0.000049"), Per.SECOND, "CNY")
MEMORY = Entry("eci", Item.MEMORY, D("0.00000613"), Per.SECOND, "CNY")
STORAGE = Entry("eci", Item.STORAGE, D("0.00000059"), Per.SECOND, "CNY")
ENTRIES = [
    CPU,
    MEMORY,
    STORAGE,
    replace(CPU, amount=D("0.00007"), valid_from=T0 + timedelta(seconds=5000.5)),
    replace(MEMORY, amount=D("0.000007"), valid_from=T0 + timedelta(days=1)),
]
BOOK = Book(ENTRIES, [Discount(D("0.873"), "eci", valid_from=T0 + timedelta(hours=9))])
ASKED = Asked(D("1.5"), D(4))

# A loaded machine draws slowly.
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
SECONDS = st.integers(0, 3 * 86_400)
MOMENTS = SECONDS.flatmap(
    lambda s: st.integers(0, 999_999).map(lambda us: T0 + timedelta(seconds=s, microseconds=us))
)


@st.composite
def lives(draw: st.DrawFn) -> Life:
    begin, *rest = sorted(draw(st.lists(MOMENTS, min_size=4, max_size=4)))
    sizes = draw(st.lists(st.sampled_from([SMALL, LARGE, ODD, UNPRICED]), min_size=1, max_size=3))
    starts = [begin, *rest[: len(sizes) - 1]]
    goes_on = draw(st.booleans())
    end = None if goes_on else draw(MOMENTS.filter(lambda at: at >= begin))
    orphaned = sorted(draw(st.lists(MOMENTS, min_size=2, max_size=2)))
    return Life(
        begin=begin,
        sizes=tuple(
            Stretch(at, size, draw(st.integers(0, 90)) if n else 0)
            for n, (at, size) in enumerate(zip(starts, sizes, strict=True))
        ),
        begin_bound=draw(st.integers(0, 120)),
        end=end,
        end_bound=0 if end is None else draw(st.integers(0, 7200)),
        started=draw(st.none() | MOMENTS),
        orphaned=draw(st.sampled_from([(), ((orphaned[0], orphaned[1]),), ((orphaned[0], None),)])),
        over=not goes_on,
    )


def lines_of(life: Life, until: datetime) -> tuple[Line, ...]:
    return meter(life, BOOK, HERE, ASKED, until)


@PATIENT
@given(lives(), MOMENTS)
def test_lines_cover_a_life_without_overlap_gap_or_duplicate(life: Life, until: datetime) -> None:
    lines = lines_of(life, until)
    begin, end = whole(life.begin), whole(min(life.end or until, until))
    assert sum(line.seconds for line in lines) == max(0, int((end - begin).total_seconds()))
    if lines:
        assert (lines[0].start, lines[-1].end) == (begin, end)
    assert all(before.end == after.start for before, after in pairwise(lines))
    assert all(line.seconds > 0 for line in lines)


@PATIENT
@given(lives(), MOMENTS)
def test_line_has_one_day_one_size_one_price_and_one_kind(life: Life, until: datetime) -> None:
    for line in lines_of(life, until):
        last = line.end - timedelta(seconds=1)
        assert line.day == day_of(line.start) == day_of(last)
        for at in (line.start, last):
            assert BOOK.rate(line.size, HERE, at) == line.rate
            second = replace(life, begin=at, end=at + timedelta(seconds=1))
            (same,) = meter(second, BOOK, HERE, ASKED, until)
            assert (same.kind, same.size) == (line.kind, line.size)


@PATIENT
@given(lives(), MOMENTS)
def test_amounts_follow_from_the_price_and_the_seconds(life: Life, until: datetime) -> None:
    for line in lines_of(life, until):
        parts = line.cpu_amount, line.memory_amount, line.machine_amount, line.storage_amount
        assert line.amount == sum(parts)
        if line.rate is None:
            assert line.size == UNPRICED
            assert line.amount == line.list_amount == 0
            continue
        exact = line.rate.total * line.seconds / 3600
        assert abs(line.amount - exact) <= D("0.00000002")
        assert line.rate.currency == "CNY"
        assert all(part == part.quantize(D("0.00000001")) for part in parts)
        assert D(0) <= line.over_amount <= line.amount


@PATIENT
@given(lives(), MOMENTS, st.lists(MOMENTS, max_size=6))
def test_clips_of_a_partition_add_up_to_the_last_digit(
    life: Life, until: datetime, cuts: list[datetime]
) -> None:
    edges = [T0 - timedelta(days=1), *sorted(cuts), T0 + timedelta(days=9)]
    for line in lines_of(life, until):
        pieces = [clip(line, since, to) for since, to in pairwise(edges)]
        assert sum(pieces, Amounts()) == line.amounts
        for piece in pieces:
            parts = (
                piece.cpu_amount,
                piece.memory_amount,
                piece.machine_amount,
                piece.storage_amount,
            )
            assert piece.amount == sum(parts)
            assert all(getattr(piece, name) >= 0 for name in FIGURES)


@PATIENT
@given(lives(), MOMENTS)
def test_the_same_facts_give_the_same_lines(life: Life, until: datetime) -> None:
    again = meter(life, Book(list(reversed(ENTRIES)), BOOK.discounts), HERE, ASKED, until)
    assert again == lines_of(life, until)


@PATIENT
@given(lives(), MOMENTS, MOMENTS)
def test_what_is_past_does_not_change_when_a_life_goes_on(
    life: Life, first: datetime, second: datetime
) -> None:
    sooner, later = sorted((first, second))
    life = replace(life, end=None, end_bound=0, over=False)
    midnight = whole(sooner)
    before = [clip(line, T0, midnight) for line in lines_of(life, sooner)]
    after = [clip(line, T0, midnight) for line in lines_of(life, later)]
    total, again = sum(before, Amounts()), sum(after, Amounts())
    assert total.seconds == again.seconds
    assert total.cpu_seconds == again.cpu_seconds
    assert abs(total.amount - again.amount) < D("0.000001")


@PATIENT
@given(lives())
def test_months_and_days_add_up_to_the_life(life: Life) -> None:
    until = T0 + timedelta(days=9)
    lines = lines_of(life, until)
    days = {line.day for line in lines}
    by_day = sum((line.amounts for day in days for line in lines if line.day == day), Amounts())
    by_month = sum(
        (
            line.amounts
            for month in {(day.year, day.month) for day in days}
            for line in lines
            if (line.day.year, line.day.month) == month
        ),
        Amounts(),
    )
    assert by_day == by_month == sum((line.amounts for line in lines), Amounts())


def simple(**facts: object) -> Life:
    begin = datetime(2026, 3, 28, 2, 0, 0, 900_000, tzinfo=UTC)
    facts = {"begin": begin, "sizes": (Stretch(begin, SMALL),), **facts}
    return Life(**facts)  # type: ignore[arg-type]


def after(seconds: float) -> datetime:
    return datetime(2026, 3, 28, 2, 0, 0, 900_000, tzinfo=UTC) + timedelta(seconds=seconds)


def test_both_ends_are_cut_down_to_the_second() -> None:
    (line,) = lines_of(simple(end=after(10.2), started=after(-1), over=True), after(999))
    assert line.seconds == 11
    assert line.kind is Kind.RUNNING
    assert line.amount == line.cpu_amount + line.memory_amount
    assert line.cpu_amount == D("0.00107800")


def test_waiting_for_the_first_container_is_starting_and_in_vain_failed() -> None:
    ran = lines_of(simple(end=after(30), started=after(12), over=True), after(999))
    assert [(line.kind, line.seconds) for line in ran] == [("starting", 12), ("running", 18)]
    never = lines_of(simple(end=after(30), over=True), after(999))
    assert [(line.kind, line.seconds) for line in never] == [("failed", 30)]
    still = lines_of(simple(), after(30))
    assert [(line.kind, line.seconds) for line in still] == [("starting", 30)]


def test_time_without_an_owner_is_an_orphans() -> None:
    lost = simple(started=after(0), orphaned=((after(10), after(20)),), end=after(40), over=True)
    told = [(line.kind, line.seconds) for line in lines_of(lost, after(999))]
    assert told == [("running", 10), ("orphan", 10), ("running", 20)]


def test_doubtful_end_takes_the_upper_bound_over_midnight() -> None:
    end = datetime(2026, 3, 28, 16, 0, 30, tzinfo=UTC)
    life = simple(started=after(0), end=end, end_bound=90, over=True)
    before, past = lines_of(life, end)
    assert (before.bound, before.estimated, past.bound, past.estimated) == (60, True, 30, True)
    assert past.seconds == 30
    exact = lines_of(replace(life, end_bound=0), end)
    assert [line.estimated for line in exact] == [False, False]


def test_doubtful_change_of_size_goes_to_the_larger() -> None:
    grown = simple(
        started=after(0),
        sizes=(Stretch(after(0), SMALL), Stretch(after(50), LARGE, bound=20)),
        end=after(100),
        over=True,
    )
    told = [(line.size.label, line.seconds, line.bound) for line in lines_of(grown, after(999))]
    assert told == [("2-4Gi", 50, 0), ("4-8Gi", 50, 20)]
    sizes = (Stretch(after(0), LARGE), Stretch(after(50), SMALL, bound=20))
    shrunk = replace(grown, sizes=sizes)
    told = [(line.size.label, line.seconds, line.bound) for line in lines_of(shrunk, after(999))]
    assert told == [("4-8Gi", 50, 20), ("2-4Gi", 50, 0)]


def test_instance_that_nobody_saw_is_one_estimated_line_of_no_seconds() -> None:
    (line,) = lines_of(simple(end=after(0), unknown=240, over=True), after(999))
    assert (line.seconds, line.bound, line.estimated, line.amount) == (0, 240, True, 0)


def test_price_counts_from_the_first_whole_second_it_holds_in() -> None:
    life = replace(simple(), begin=T0, end=T0 + timedelta(seconds=6000), over=True)
    lines = lines_of(replace(life, started=T0), T0 + timedelta(days=1))
    assert T0 + timedelta(seconds=5001) in {line.start for line in lines}


def test_part_that_was_not_asked_for_is_counted_apart() -> None:
    (line,) = lines_of(simple(end=after(100), started=after(0), over=True), after(999))
    figures = line.amounts
    assert (figures.over_cpu_seconds, figures.over_memory_seconds) == (D(50), D(0))
    assert line.over_amount == line.cpu_amount / 4
