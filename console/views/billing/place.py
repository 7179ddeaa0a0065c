"""Cost of a cluster, a virtual node or a component: now, today, this month and the last days."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from console.access import AnyUser
from console.billing.asked import Asked, span
from console.billing.figures import NOTHING
from console.billing.groups import Where
from console.billing.statements import Query, Statement, statement
from console.views.billing import usage, words
from console.views.billing.now import spending
from providers.calendar import day_of

_MOST = 12


def context(
    user: AnyUser, where: Where, now: datetime, by: tuple[str, ...] = ("namespace", "node")
) -> dict[str, Any]:
    """`by`: the groups that have a table each; bars of seven days are of the first."""
    today = day_of(now)
    asked = Asked(*span("month", today), where=where)
    return {
        "live": spending(user, now, asked.where),
        "asked": asked,
        "parts": [_part(user, replace(asked, group=(name,)), now) for name in by],
        "week": _week(user, Asked(*span("7d", today), "7d", by[:1], where), now),
    }


def _week(user: AnyUser, asked: Asked, now: datetime) -> dict[str, Any] | None:
    """In the currency most was spent in; None: nothing that has a price."""
    found = statement(user, replace(asked.query, group=()), now)
    currency = usage.currency_of(asked, found)
    if not currency:
        return None
    return {"chart": usage.chart(user, asked, currency, now), "currency": currency}


def _part(user: AnyUser, asked: Asked, now: datetime) -> dict[str, Any]:
    name = asked.group[0]
    query = Query(asked.start, asked.end, asked.group, asked.where)
    found = statement(user, query, now)
    return {
        "title": words.group_title(name),
        "href": asked.link(),
        "rows": [_row(asked, found, row) for row in found.rows[:_MOST]],
    }


def _row(asked: Asked, found: Statement, row: Any) -> dict[str, Any]:
    name, key = asked.group[0], row.keys[0]
    return {
        "label": words.key_title(name, key, found.titles),
        "href": words.inside(asked, name, key),
        "currency": row.currency,
        "figures": row.figures,
        "whole": found.totals.get(row.currency, NOTHING).amount,
    }
