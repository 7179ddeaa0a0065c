"""What a budget's scope has cost in its period, and what it is expected to cost by the end.

Days that are over come from the posted sums, today from the live meters: a look costs as much with
ten thousand instances as with ten. Only a workload has no meter of its own; its day is metered.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from console.billing import live, statements
from console.billing.budgets.periods import period_of
from console.billing.budgets.scope import where
from console.models import Budget
from providers import calendar

_PLACES = Decimal("0.00000001")
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Spending:
    """`expected` goes on as yesterday and today so far. `unpriced`: what counts as nothing."""

    spent: Decimal
    expected: Decimal
    unpriced: int


def spending_of(budget: Budget, now: datetime) -> Spending:
    span, today = period_of(budget, now), calendar.day_of(now)
    yesterday = today - _DAY
    by_day, unpriced = _days(budget, min(span.start, yesterday), today, now)
    spent = sum((amount for day, amount in by_day.items() if day >= span.start), Decimal(0))
    recent = sum((amount for day, amount in by_day.items() if day >= yesterday), Decimal(0))
    seen = now - calendar.day_start(yesterday)
    left = max(span.ends - now, timedelta(0))
    expected = spent + recent * Decimal(left.total_seconds()) / Decimal(seen.total_seconds())
    return Spending(spent.quantize(_PLACES), expected.quantize(_PLACES), unpriced)


def _days(
    budget: Budget, start: date, today: date, now: datetime
) -> tuple[dict[date, Decimal], int]:
    """By billing day from `start` up to now."""
    teams, filters = frozenset({budget.team_id}), where(budget)
    metered = set(filters) <= set(live.GROUPS)
    end = today if metered else today + _DAY
    query = statements.Query(start, end, ("day",), filters, budget.currency)
    found = statements.read(teams, query, now)
    rows = [row for row in found.rows if row.currency]
    by_day = {date.fromisoformat(row.keys[0]): row.figures.amount for row in rows}
    if not metered:
        return by_day, found.unpriced.lines
    told = live.spend(teams, now, filters)
    meter = told.today.get(budget.currency)
    by_day[today] = meter.value(now) if meter else Decimal(0)
    return by_day, found.unpriced.lines + told.unpriced
