"""The Cost tab of a cluster: now, today and this month, by namespace and by virtual node."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from addons.models import Cluster
from console.access import AnyUser
from console.billing.asked import Asked, span
from console.billing.figures import NOTHING
from console.billing.statements import Query, Statement, statement
from console.views.billing import words
from console.views.billing.now import spending
from providers.calendar import day_of

_MOST = 12
GROUPS = ("namespace", "node")


def context(user: AnyUser, cluster: Cluster, now: datetime) -> dict[str, Any]:
    start, end = span("month", day_of(now))
    asked = Asked(start, end, where={"cluster": (cluster.slug,)})
    return {
        "live": spending(user, now, asked.where),
        "asked": asked,
        "parts": [_part(user, replace(asked, group=(name,)), now) for name in GROUPS],
    }


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
