"""What a budget's scope has cost in its period, and what it is expected to cost by the end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from console.billing import statements
from console.billing.budgets.periods import period_of
from console.billing.budgets.scope import where
from console.models import Budget
from providers import calendar

_PLACES = Decimal("0.00000001")
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Spending:
    """`expected` goes on as yesterday and today so far. `unpriced`: lines that count as nothing."""

    spent: Decimal
    expected: Decimal
    unpriced: int


def spending_of(budget: Budget, now: datetime) -> Spending:
    span = period_of(budget, now)
    yesterday = calendar.day_of(now) - _DAY
    query = statements.Query(
        min(span.start, yesterday), span.end, ("day",), where(budget), budget.currency
    )
    found = statements.read(frozenset({budget.team_id}), query, now)
    priced = [(row.keys[0], row.figures) for row in found.rows if row.currency]
    spent = sum((f.amount for day, f in priced if day >= span.start.isoformat()), Decimal(0))
    recent = sum((f.amount for day, f in priced if day >= yesterday.isoformat()), Decimal(0))
    seen = now - calendar.day_start(yesterday)
    left = max(span.ends - now, timedelta(0))
    expected = spent + recent * Decimal(left.total_seconds()) / Decimal(seen.total_seconds())
    return Spending(spent, expected.quantize(_PLACES), found.unpriced.lines)
