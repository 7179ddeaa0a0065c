"""The period of a budget that a time lies in, by the clouds' billing calendar. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from console.models import Budget
from providers import calendar


@dataclass(frozen=True, slots=True)
class Span:
    """Billing days: the first, and the first after it."""

    start: date
    end: date

    @property
    def begins(self) -> datetime:
        return calendar.day_start(self.start)

    @property
    def ends(self) -> datetime:
        return calendar.day_start(self.end)


def period_of(budget: Budget, now: datetime) -> Span:
    """A week begins on Monday."""
    today = calendar.day_of(now)
    match budget.period:
        case Budget.Period.DAY:
            return Span(today, today + timedelta(days=1))
        case Budget.Period.WEEK:
            monday = today - timedelta(days=today.weekday())
            return Span(monday, monday + timedelta(days=7))
    month = calendar.month_of(now)
    return Span(month, calendar.next_month(month))
