"""How far the days of a period are settled with the clouds: a line per provider, a mark per day."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date, timedelta
from typing import Any

from django.utils.translation import gettext as _

from console.access import AnyUser, visible
from console.billing.asked import Asked
from console.billing.models import BillDay
from console.views.billing.words import day_title

_GAP = 0.2


def _state(states: list[str]) -> str:
    """Of the accounts of one provider on one day: the least settled of them."""
    for state in (BillDay.State.ESTIMATED, BillDay.State.PARTLY):
        if state in states:
            return str(state)
    return str(BillDay.State.FINAL) if states else str(BillDay.State.ESTIMATED)


def final_days(user: AnyUser, asked: Asked) -> frozenset[date]:
    """The days on which every credential that was asked for has its final bill."""
    rows = visible(BillDay, user).filter(day__gte=asked.start, day__lt=asked.end)
    states: dict[date, set[str]] = defaultdict(set)
    for day, state in rows.values_list("day", "state"):
        states[day].add(state)
    return frozenset(day for day, found in states.items() if found == {BillDay.State.FINAL})


def strip(user: AnyUser, asked: Asked) -> list[dict[str, Any]]:
    """The providers that bills are read of; none where none was ever asked."""
    rows = visible(BillDay, user).filter(day__gte=asked.start, day__lt=asked.end)
    found: dict[str, dict[date, list[str]]] = defaultdict(lambda: defaultdict(list))
    for provider, day, state in rows.values_list("account__provider", "day", "state"):
        found[provider][day].append(state)
    days = [asked.start + timedelta(days=at) for at in range(asked.days)]
    return [_line(provider, found[provider], days) for provider in sorted(found)]


def _line(provider: str, by_day: dict[date, list[str]], days: list[date]) -> dict[str, Any]:
    slot = 100 / max(len(days), 1)
    states = [_state(by_day.get(day, [])) for day in days]
    counted = Counter(states)
    return {
        "provider": provider,
        "text": _("%(final)s days final, %(partly)s partly billed, %(estimated)s estimated")
        % {str(state): counted[str(state)] for state in BillDay.State},
        "days": [
            {
                "css": state,
                "title": f"{day_title(day)}: {BillDay.State(state).label}",
                "x": round(at * slot + slot * _GAP / 2, 3),
                "width": round(slot * (1 - _GAP), 3),
            }
            for at, (day, state) in enumerate(zip(days, states, strict=True))
        ],
    }
