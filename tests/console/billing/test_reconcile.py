"""What a bill explains and settles. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.billing.bills.reconcile import Billed, Compared, Used, compare
from console.billing.bills.settle import Doubt, Served, told
from providers.bill import Rounding
from providers.calendar import day_of

CENTS = Rounding(unit=Decimal("0.01"), least=Decimal("0.005"))
NO_LEAST = Rounding(unit=Decimal("0.01"), least=Decimal(0))
HOUR = 3600
# 10:20:34 of a Wednesday in UTC+8.
BEGIN = datetime(2026, 11, 18, 2, 20, 34, tzinfo=UTC)
DAY = date(2026, 11, 18)
RATE = Decimal("0.000098")


def use(cpu: str, memory: str = "0") -> Used:
    return Used(HOUR, (Decimal(cpu), Decimal(memory), Decimal(0), Decimal(0)))


def used(**amounts: str) -> dict[tuple[str, str], Used]:
    return {("CNY", name): use(amount) for name, amount in amounts.items()}


def billed(**amounts: str) -> dict[tuple[str, str], Billed]:
    return {("CNY", name): Billed(Decimal(amount), {"cpu"}) for name, amount in amounts.items()}


def test_both_sides_are_counted_and_cents_are_told_from_real_differences() -> None:
    ours = used(a="0.1764", b="0.1764", c="0.5", d="0.0004")
    theirs = billed(a="0.18", b="0.40", stranger="2.50")
    found = compare(ours, theirs, CENTS, complete=True)["CNY"]
    assert (found.matched, found.only_billed, found.only_used) == (2, 1, 1)
    assert (found.estimate, found.billed) == (Decimal("0.8532"), Decimal("3.08"))
    # a is 0.0036 more by rounding, d was too small to be billed; b really costs more.
    assert found.rounding == Decimal("0.0036") - Decimal("0.0004")


def test_an_hour_that_a_complete_bill_lacks_is_missing_unless_each_part_is_too_small() -> None:
    ours = {("CNY", "a"): use("0.0441", "0.011"), ("CNY", "b"): use("0.0099", "0.0099")}
    found = compare(ours, {}, CENTS, complete=True)["CNY"]
    assert (found.only_used, found.rounding) == (1, -Decimal("0.0198"))


def test_what_is_not_billed_yet_is_not_missing() -> None:
    ours = used(a="0.5")
    assert compare(ours, {}, CENTS, complete=False)["CNY"].only_used == 0
    assert compare(ours, {}, CENTS, complete=True)["CNY"].only_used == 1


def test_currencies_are_never_added_and_an_unpriced_instance_is_known() -> None:
    ours = {("", "a"): use("0"), ("USD", "b"): use("1")}
    theirs = {("CNY", "a"): Billed(Decimal(3), {"cpu"}), ("USD", "b"): Billed(Decimal(1), {"cpu"})}
    found = compare(ours, theirs, CENTS, complete=True)
    assert set(found) == {"CNY", "USD"}
    assert found["CNY"] == Compared(billed=Decimal(3), matched=1)
    assert found["USD"] == Compared(Decimal(1), Decimal(1), matched=1)


def test_lines_that_name_no_instance_are_only_part_of_the_sum() -> None:
    found = compare({}, {("CNY", ""): Billed(Decimal("-1.5"), {"x"})}, CENTS, complete=True)["CNY"]
    assert (found.billed, found.only_billed, found.matched) == (Decimal("-1.5"), 0, 0)


def end_of(seconds: int, *, bound: int = 7200, rounding: Rounding = CENTS) -> datetime | None:
    doubt = Doubt(BEGIN, BEGIN + timedelta(seconds=9000), end_bound=bound)
    found = told(doubt, {DAY: Served(seconds, RATE)}, rounding)
    return None if found is None else found[1]


def test_seconds_lead_to_the_end_within_the_bound_only() -> None:
    assert end_of(5000) == BEGIN + timedelta(seconds=5000)
    assert end_of(1000) is None
    assert end_of(9001) is None
    assert end_of(9000) == BEGIN + timedelta(seconds=9000)


def test_an_end_on_the_hour_may_hide_an_hour_that_was_too_small() -> None:
    to_the_hour = 39 * 60 + 26
    assert end_of(to_the_hour) is None
    assert end_of(to_the_hour, rounding=NO_LEAST) == BEGIN + timedelta(seconds=to_the_hour)


def test_a_first_hour_that_may_be_missing_settles_nothing() -> None:
    begin = BEGIN.replace(minute=59, second=0)
    doubt = Doubt(begin, begin + timedelta(seconds=9000), end_bound=9000)
    assert told(doubt, {DAY: Served(5000, Decimal("0.000012"))}, CENTS) is None
    assert told(doubt, {DAY: Served(5000, Decimal("0.001"))}, CENTS) is not None


def test_the_end_is_on_the_last_billed_day() -> None:
    end = BEGIN + timedelta(days=2)
    doubt = Doubt(BEGIN, end, end_bound=2 * 86400)
    days = {DAY: Served(49166, RATE), DAY + timedelta(days=1): Served(4000, RATE)}
    midnight = datetime(2026, 11, 18, 16, tzinfo=UTC)
    assert told(doubt, days, CENTS) == (BEGIN, midnight + timedelta(seconds=4000))


def test_seconds_lead_back_to_the_begin_where_it_was_not_told() -> None:
    end = BEGIN + timedelta(seconds=5000)
    doubt = Doubt(BEGIN, end, begin_bound=60)
    assert told(doubt, {DAY: Served(4990, RATE)}, NO_LEAST) == (BEGIN + timedelta(seconds=10), end)
    assert told(doubt, {DAY: Served(5000, RATE)}, NO_LEAST) == (BEGIN, end)
    assert told(doubt, {DAY: Served(4900, RATE)}, NO_LEAST) is None


def test_one_answer_does_not_settle_two_questions() -> None:
    doubt = Doubt(BEGIN, BEGIN + timedelta(seconds=60), begin_bound=9, end_bound=9)
    assert told(doubt, {DAY: Served(55, RATE)}, NO_LEAST) is None
    assert told(doubt, {}, NO_LEAST) is None


def hourly(begin: int, seconds: int, rate: Decimal, least: Decimal) -> Mapping[date, Served]:
    """What a bill tells of a stretch: hours below the least are left out, with their seconds."""
    days: dict[date, int] = {}
    at, end = begin, begin + seconds
    while at < end:
        stop = min(end, at - at % HOUR + HOUR)
        if (stop - at) * rate >= least:
            day = day_of(datetime.fromtimestamp(at, UTC))
            days[day] = days.get(day, 0) + stop - at
        at = stop
    return {day: Served(told_for, rate) for day, told_for in days.items()}


@given(
    begin=st.integers(1_790_000_000, 1_790_090_000),
    seconds=st.integers(1, 100_000),
    late=st.integers(0, 20_000),
    rate=st.sampled_from([Decimal("0.000012"), Decimal("0.000098"), Decimal("0.003")]),
)
def test_what_is_settled_is_the_truth(begin: int, seconds: int, late: int, rate: Decimal) -> None:
    since = datetime.fromtimestamp(begin, UTC)
    truth = since + timedelta(seconds=seconds)
    served = hourly(begin, seconds, rate, CENTS.least)
    after = Doubt(since, truth + timedelta(seconds=late), end_bound=seconds + late)
    found = told(after, served, CENTS)
    assert found is None or found == (since, truth)
    before = Doubt(since - timedelta(seconds=late), truth, begin_bound=seconds + late)
    found = told(before, served, CENTS)
    assert found is None or found == (since, truth)


@pytest.mark.parametrize("seconds", [3000, 9000, 90_000])
def test_most_ends_are_settled(seconds: int) -> None:
    served = hourly(int(BEGIN.timestamp()), seconds, RATE, CENTS.least)
    doubt = Doubt(BEGIN, BEGIN + timedelta(seconds=seconds + 600), end_bound=900)
    assert told(doubt, served, CENTS) == (BEGIN, BEGIN + timedelta(seconds=seconds))
