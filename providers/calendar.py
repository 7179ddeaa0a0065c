"""The clouds' billing calendar: fixed UTC+8, without summer time. Pure.

Source: Alibaba Cloud Expenses and Costs, "Billing cycle" and Kingsoft Cloud billing centre: bills
are cut at midnight of UTC+8 in every region. A billing day or month is a `date` (of a month, its
first day); a point in time is aware UTC.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, timezone

BILLING = timezone(timedelta(hours=8))
_DAY = timedelta(days=1)


def day_of(at: datetime) -> date:
    """The billing day that `at` lies on."""
    return at.astimezone(BILLING).date()


def day_start(day: date) -> datetime:
    """When `day` begins, UTC."""
    return datetime.combine(day, time(), BILLING).astimezone(UTC)


def midnights(start: datetime, end: datetime) -> Iterator[datetime]:
    """The beginnings of billing days with `start < midnight < end`, ascending."""
    midnight = day_start(day_of(start) + _DAY)
    while midnight < end:
        yield midnight
        midnight += _DAY


def month_of(at: datetime) -> date:
    """The first day of the billing month that `at` lies in."""
    return day_of(at).replace(day=1)


def next_month(month: date) -> date:
    return (month.replace(day=1) + timedelta(days=32)).replace(day=1)


def month_start(month: date) -> datetime:
    """When the month of the day `month` begins, UTC."""
    return day_start(month.replace(day=1))


def month_end(month: date) -> datetime:
    """When the next month begins, UTC."""
    return day_start(next_month(month))


def hour_start(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def whole(at: datetime) -> datetime:
    """`at` cut down to the second, as the clouds show times."""
    return at.astimezone(UTC).replace(microsecond=0)
