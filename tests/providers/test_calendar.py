from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from providers import calendar

SINCE = datetime(2020, 1, 1, tzinfo=UTC)
TIMES = st.integers(0, 15 * 365 * 86_400).map(lambda seconds: SINCE + timedelta(seconds=seconds))


def test_billing_day_begins_at_sixteen_hours_utc_in_summer_and_in_winter() -> None:
    for month in (1, 7):
        start = calendar.day_start(date(2026, month, 15))
        assert start == datetime(2026, month, 14, 16, tzinfo=UTC)
        assert calendar.day_of(start) == date(2026, month, 15)
        assert calendar.day_of(start - timedelta(microseconds=1)) == date(2026, month, 14)


def test_months_join_without_a_gap_over_the_end_of_a_year() -> None:
    december = date(2026, 12, 31)
    assert calendar.month_end(december) == calendar.month_start(date(2027, 1, 1))
    assert calendar.month_start(december) == datetime(2026, 11, 30, 16, tzinfo=UTC)


@settings(deadline=None)
@given(TIMES, st.integers(0, 40 * 86_400))
def test_midnights_cut_time_into_billing_days(start: datetime, seconds: int) -> None:
    end = start + timedelta(seconds=seconds)
    edges = [start, *calendar.midnights(start, end), end]
    assert edges == sorted(edges)
    for since, to in pairwise(edges):
        last = max(since, to - timedelta(microseconds=1))
        assert calendar.day_of(since) == calendar.day_of(last)
    assert all(calendar.day_start(calendar.day_of(edge)) == edge for edge in edges[1:-1])
    assert all(start < edge < end for edge in edges[1:-1])
