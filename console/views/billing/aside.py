"""Beside the breakdown: what is expected, what moved, what is unusual, what could be saved."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from console.access import AnyUser
from console.billing import anomalies as unusual
from console.billing import forecast, hints
from console.billing.asked import Asked
from console.billing.forecast import Basis, Movers
from console.billing.hints import Code, Hint
from console.templatetags.ui import money
from console.views.billing import words
from providers.calendar import BILLING, day_of, month_of, next_month

MOST = 6


def expected(user: AnyUser, asked: Asked, currency: str, now: datetime) -> dict[str, Any]:
    """To the end of the day for today, otherwise of the month; nothing for what is over."""
    today = day_of(now)
    if asked.end <= today:
        return {"title": _("Forecast"), "it": None, "why": _("The period is over.")}
    query = replace(asked.query, currency=currency)
    title = _("Expected by midnight")
    if asked.period != "today":
        month = month_of(now)
        query = replace(query, start=month, end=next_month(month))
        title = _("Expected by the end of the month")
    found = forecast.forecast(user, query, now).get(currency)
    return {"title": title, "it": found, "why": _("Nothing to go by yet."), "basis": _basis(found)}


def _basis(found: forecast.Forecast | None) -> str:
    if found is None:
        return ""
    if found.basis is Basis.DAYS:
        return _("from %(n)s days") % {"n": found.days}
    return _("from what is spent now")


def movers(asked: Asked, moved: Movers) -> list[dict[str, Any]]:
    name = asked.group[0]
    return [
        {
            "label": words.key_title(name, row.keys[0], moved.titles),
            "href": words.inside(asked, name, row.keys[0]),
            "change": row.delta,
            "size": abs(row.delta),
        }
        for row in moved.rows[:MOST]
    ]


def anomalies(user: AnyUser, asked: Asked, currency: str, now: datetime) -> list[dict[str, Any]]:
    """Of the last day, by the group that is shown, or by namespace where that is the day."""
    name = asked.group[0] if asked.group[0] != "day" else "namespace"
    query = replace(asked.query, group=(name,), currency=currency)
    found = unusual.anomalies(user, query, now)
    return [
        {
            "label": words.key_title(name, one.keys[0], found.titles),
            "href": words.inside(replace(asked, period="7d"), name, one.keys[0]),
            "amount": one.amount,
            "text": _text(one, currency),
        }
        for one in found.rows[:MOST]
    ]


def _text(one: unusual.Anomaly, currency: str) -> str:
    start, end = one.start.astimezone(BILLING), one.end.astimezone(BILLING)
    if not one.before:
        return _("%(start)s to %(end)s; nothing in the same hours a week ago") % {
            "start": f"{start:%H:%M}",
            "end": f"{end:%H:%M}",
        }
    return _("%(start)s to %(end)s; in the same hours a week ago %(before)s") % {
        "start": f"{start:%H:%M}",
        "end": f"{end:%H:%M}",
        "before": money(one.before, currency, 4),
    }


HINTS = {
    Code.ROUNDING: (
        gettext_lazy("Sizes rounded up"),
        gettext_lazy("Billed beyond what the pods asked for; ask for sizes that the cloud has."),
    ),
    Code.SPOT: (
        gettext_lazy("Spot"),
        gettext_lazy("Ran at full price; what may be interrupted costs less on spot."),
    ),
    Code.WAITING: (
        gettext_lazy("Waiting and failed starts"),
        gettext_lazy("Billed before a first container ran: large images, crashes, long pulls."),
    ),
    Code.IDLE: (
        gettext_lazy("Sizes never used"),
        gettext_lazy("Billed beyond the peak of vCPU and memory with a fifth of room, on ECI."),
    ),
    Code.ORPHANS: (
        gettext_lazy("Orphans"),
        gettext_lazy("Billed while no pod owned the instance."),
    ),
}


def savings(user: AnyUser, asked: Asked, currency: str, now: datetime) -> dict[str, Any]:
    """What could be saved at most, and what nobody measured."""
    query = replace(asked.query, currency=currency)
    found = hints.hints(user, query, now)
    shown = [_hint(asked, one, found) for one in found.rows if one.measured]
    unknown = [one for one in found.rows if not one.measured]
    return {
        "hints": shown,
        "reach": _(
            "How much of their size pods use: ECI tells it after an hour, ACS and KCI do not."
        )
        if unknown
        else "",
    }


def _hint(asked: Asked, one: Hint, found: hints.Hints) -> dict[str, Any]:
    title, text = HINTS[one.code]
    return {
        "title": title,
        "text": text,
        # What ran at full price is no saving; without a spot price to compare with, none is told.
        "amount": one.saving if one.code is Code.SPOT else one.amount,
        "share": one.share,
        "top": [_top(asked, top.keys, found) for top in one.top[:3]],
        "href": reverse("orphans") if one.code is Code.ORPHANS else "",
    }


def _top(asked: Asked, keys: tuple[str, ...], found: hints.Hints) -> dict[str, str]:
    cluster, namespace, workload = keys
    where = {**asked.where, "cluster": (cluster,), "namespace": (namespace,)}
    narrowed = replace(asked, where={**where, "workload": (workload,)} if workload else where)
    name = workload.rpartition("/")[2] or namespace or found.titles.get(("cluster", cluster), "")
    return {"label": name, "href": narrowed.link(group=("workload",))}
