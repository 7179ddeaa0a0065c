"""The burn-down of a budget: spent so far over its period, as points of a drawing of 100 x 100."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from console.billing import statements
from console.billing.budgets.periods import period_of
from console.billing.budgets.scope import where
from console.models import Budget
from providers import calendar

# Room above the higher of amount and spending.
_HEAD = Decimal("1.08")


@dataclass(frozen=True, slots=True)
class Burn:
    """`line` and `area` are SVG points; `cap` and `now` percent from the top and from the left."""

    line: str
    area: str
    ahead: str
    cap: float
    now: float
    start: Any
    last: Any
    sums: tuple[tuple[Any, Decimal], ...]


def _points(pairs: list[tuple[float, float]]) -> str:
    return " ".join(f"{x:.2f},{y:.2f}" for x, y in pairs)


def drawn(budget: Budget, now: datetime) -> Burn:
    """Spending at the end of each day of the period, up to now."""
    span = period_of(budget, now)
    query = statements.Query(span.start, span.end, ("day",), where(budget), budget.currency)
    found = statements.read(frozenset({budget.team_id}), query, now)
    by_day = {row.keys[0]: row.figures.amount for row in found.rows if row.currency}
    sums, total = [], Decimal(0)
    day = span.start
    while day < span.end and day <= calendar.day_of(now):
        total += by_day.get(day.isoformat(), Decimal(0))
        sums.append((day, total))
        day += timedelta(days=1)
    return _burn(budget, span.begins, span.ends, now, sums)


def _burn(
    budget: Budget, begins: datetime, ends: datetime, now: datetime, sums: list[tuple[Any, Decimal]]
) -> Burn:
    spent = sums[-1][1] if sums else Decimal(0)
    expected = max(budget.expected or spent, spent)
    top = max(budget.amount, expected) * _HEAD

    def x(at: datetime) -> float:
        return round(100 * (at - begins) / (ends - begins), 3)

    def y(amount: Decimal) -> float:
        return round(float(100 - 100 * amount / top), 3)

    line = [(0.0, 100.0)]
    for day, amount in sums:
        line.append((x(min(calendar.day_start(day + timedelta(days=1)), now)), y(amount)))
    here = line[-1]
    return Burn(
        line=_points(line),
        area=_points([*line, (here[0], 100.0)]),
        ahead=_points([here, (100.0, y(expected))]),
        cap=y(budget.amount),
        now=x(now),
        start=calendar.day_of(begins),
        last=calendar.day_of(ends - timedelta(seconds=1)),
        sums=tuple(sums),
    )
