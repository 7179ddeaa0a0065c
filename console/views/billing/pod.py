"""The Cost tab of a pod: its accrual by the second, the price it is metered at, and its bills."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from addons.models import PodRow
from console.access import AnyUser
from console.billing.drafts import Draft
from console.billing.models import BillDay
from console.billing.pods import Cost, PodMoney, money_of
from console.views.billing import words
from console.views.billing.now import Tick
from providers.prices import Rate

_PARTS = (
    ("cpu", "vCPU"),
    ("memory", gettext_lazy("Memory")),
    ("machine", gettext_lazy("Machine, GPU")),
    ("storage", gettext_lazy("Storage beyond the free part")),
)
_KIND_CSS = {"running": "s1", "starting": "s3", "failed": "s5", "orphan": "s7"}


def context(user: AnyUser, pod: PodRow, now: datetime) -> dict[str, Any]:
    found = money_of(user, pod.uid, now)
    return {
        "money": found,
        "ticks": ticks(found),
        "costs": [_cost(cost) for cost in found.costs],
        "phases": phases(found),
        "wasted": found.wasted.items(),
        "billed": found.billed.items(),
    }


def summary(user: AnyUser, pod: PodRow, now: datetime) -> dict[str, Any]:
    """For the side of the page: what it costs, and where its price is from."""
    found = money_of(user, pod.uid, now)
    last = found.costs[-1] if found.costs else None
    rate = (last.rate or last.last_rate) if last else None
    return {"ticks": ticks(found), "rate": rate, "metered": bool(last and last.drafts)}


def ticks(found: PodMoney) -> list[Tick]:
    """The total of each currency, growing as long as an instance runs."""
    rates = found.per_hour
    return [
        Tick(code, figures.amount, rates.get(code, Decimal(0)))
        for code, figures in sorted(found.totals.items())
    ]


def _cost(cost: Cost) -> dict[str, Any]:
    rate = cost.rate or cost.last_rate
    return {
        "it": cost.instance,
        "runs": cost.runs,
        "rate": rate,
        "parts": _parts(rate) if rate else [],
        "discount": rate.list_total - rate.total if rate else None,
        "lines": [_line(draft) for draft in cost.drafts],
        "days": [
            {
                "it": day,
                "state": BillDay.State(day.state).label,
                "difference": None if day.billed is None else day.billed - day.metered,
            }
            for day in cost.days
        ],
    }


def _parts(rate: Rate) -> list[tuple[Any, Decimal]]:
    return [(title, getattr(rate, name)) for name, title in _PARTS if getattr(rate, name)]


def _line(draft: Draft) -> dict[str, Any]:
    return {
        "it": draft.line,
        "kind": words.key_title("kind", draft.scope.kind, {}),
        "css": _KIND_CSS.get(draft.scope.kind, "s0"),
        "currency": draft.scope.currency,
    }


def phases(found: PodMoney) -> dict[str, Any] | None:
    """The life of the pod as one bar: what each of its seconds was paid for."""
    lines = [draft for cost in found.costs for draft in cost.drafts if draft.line.seconds]
    if not lines:
        return None
    start = min(draft.line.start for draft in lines)
    end = max(draft.line.end for draft in lines)
    whole = max((end - start).total_seconds(), 1)
    return {
        "start": start,
        "end": end,
        "parts": [
            {
                "css": _KIND_CSS.get(draft.scope.kind, "s0"),
                "x": round(100 * (draft.line.start - start).total_seconds() / whole, 3),
                "width": round(100 * draft.line.seconds / whole, 3),
                "title": _("%(kind)s: %(n)s s")
                % {
                    "kind": words.key_title("kind", draft.scope.kind, {}),
                    "n": draft.line.seconds,
                },
            }
            for draft in lines
        ],
        "kinds": [
            (words.key_title("kind", kind, {}), _KIND_CSS.get(kind, "s0"))
            for kind in dict.fromkeys(draft.scope.kind for draft in lines)
        ],
    }
