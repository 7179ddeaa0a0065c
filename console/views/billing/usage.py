"""Usage and cost: what was used in a period, by any group, each row leading inside itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from addons.models import PodRow
from console.access import AnyUser, visible
from console.billing import asked as questions
from console.billing import forecast, groups, live, series
from console.billing.asked import Asked, BadQuestion
from console.billing.billed import Bill
from console.billing.figures import NOTHING, Figures
from console.billing.forecast import Movers
from console.billing.models import UsageSum
from console.billing.statements import Row, Statement, statement
from console.views.billing import aside, bars, settled, words
from console.views.billing import now as now_page
from providers.calendar import BILLING, day_of

MOST_ROWS = 100
MOVED_MOST = 10_000
_OTHER_PLACES = 100
PERIODS = (
    ("today", gettext_lazy("Today")),
    ("7d", gettext_lazy("7 days")),
    ("month", gettext_lazy("This month")),
    ("last-month", gettext_lazy("Last month")),
)
_PROVIDER_CSS = {"eci": "k1", "acs": "k2", "kci": "k3"}


@dataclass(frozen=True, slots=True)
class Shown:
    """A row of the breakdown."""

    key: str
    label: str
    href: str
    figures: Figures
    before: Decimal
    css: str = ""
    # Seconds without a price: all of them, or beside what has one.
    unpriced: int = 0
    priced: bool = True
    bill: Bill | None = None

    @property
    def over(self) -> Decimal | None:
        return self.figures.over_share

    @property
    def estimated(self) -> int:
        return self.figures.estimated_lines


def through(request: HttpRequest) -> HttpResponse | None:
    """To the address of what a form asks: forms of days name the last day, addresses the first one
    after it; a field of a form of filters (`find`) that is left empty filters nothing."""
    given = request.GET.copy()
    if "last" in given:
        text = given.pop("last")[-1]
        try:
            given["end"] = (date.fromisoformat(str(text)) + timedelta(days=1)).isoformat()
        except ValueError:
            given["end"] = str(text)
        given.pop("period", None)
    elif "find" in given:
        for name in (*given.pop("find")[-1].split(","), "find"):
            texts = [text for text in given.getlist(name) if text]
            given.setlist(name, texts) if texts else given.pop(name, None)
    else:
        return None
    return redirect(f"{request.path}?{given.urlencode()}")


def days_of(asked: Asked) -> dict[str, Any]:
    """For the form of other days: all but the days."""
    kept = [pair for pair in asked.pairs() if pair[0] not in {"start", "end", "period", "step"}]
    return {"last": last_day(asked), "kept": kept}


def read(request: HttpRequest, today: date) -> tuple[Asked, BadQuestion | None]:
    """What is asked; the default where it cannot be read, with what is wrong with it."""
    try:
        return questions.read(request.GET, today), None
    except BadQuestion as error:
        return questions.read(QueryDict(), today), error


def last_day(asked: Asked) -> date:
    return asked.end - timedelta(days=1)


def currency_of(asked: Asked, found: Statement) -> str:
    """The one asked for, else the one most was spent in."""
    most = max(found.totals.items(), key=lambda pair: (pair[1].amount, pair[0]), default=("", None))
    return asked.currency or most[0]


@require_safe
@login_required
def page(request: HttpRequest) -> HttpResponse:
    if (answer := through(request)) is not None:
        return answer
    now = timezone.now()
    asked, bad = read(request, day_of(now))
    asked = replace(asked, group=asked.group[:1])
    ticking = now_page.spending(request.user, now, asked.where) if _ticks(asked) else None
    if request.headers.get("HX-Request") and request.GET.get("part") == "live":
        return render(request, "pages/billing/live.html", {"live": ticking})
    found = statement(request.user, replace(asked.query, currency=""), now, bills=True)
    currency = currency_of(asked, found)
    context = {
        **_controls(request.user, asked, found, currency),
        "asked": asked,
        "bad": bad,
        "live": ticking,
        "nothing": not found.rows,
        "anew": found.anew,
        "ever": bool(found.rows) or visible(UsageSum, request.user).exists(),
    }
    if found.rows:
        context |= _figures(request.user, asked, found, currency, now)
    return render(request, "pages/billing/usage.html", context, status=400 if bad else 200)


def _ticks(asked: Asked) -> bool:
    """Whether what runs now is told apart by all the filters."""
    return set(asked.where) <= set(live.GROUPS)


def _controls(user: AnyUser, asked: Asked, found: Statement, currency: str) -> dict[str, Any]:
    """Pickers, and the filters as tags that can be taken off."""
    others = replace(asked, group=(questions.DEFAULT_GROUP,)).pairs()
    return {
        "periods": [(code, text, asked.link(**_period(asked, code))) for code, text in PERIODS],
        **days_of(asked),
        "kept_days": others,
        "group": asked.group[0],
        "groups": [(name, words.group_title(name)) for name in words.GROUP_TITLES],
        "label_keys": label_keys(user),
        "currencies": [(code, asked.link(currency=code)) for code in sorted(found.totals)],
        "currency": currency,
        "filters": filters(asked),
    }


def _period(asked: Asked, code: str) -> dict[str, Any]:
    return {"period": code, "step": "day"}


def filters(asked: Asked) -> list[dict[str, str]]:
    return [
        {
            "label": words.group_title(name),
            "value": words.key_title(name, text, {(name, text): groups.titles(name, [text])[text]}),
            "href": asked.link(where=asked.widened(name, text)),
        }
        for name, texts in asked.where.items()
        for text in texts
    ]


def label_keys(user: AnyUser) -> list[str]:
    """The label keys that the newest pods carry, the most used first."""
    counted: dict[str, int] = {}
    newest = visible(PodRow, user).order_by("-pk").values_list("labels", flat=True)
    for labels in newest[:200]:
        for key in labels:
            counted[key] = counted.get(key, 0) + 1
    return sorted(counted, key=lambda key: (-counted[key], key))[:12]


def _figures(
    user: AnyUser, asked: Asked, found: Statement, currency: str, now: datetime
) -> dict[str, Any]:
    query = replace(asked.query, currency=currency)
    moved = forecast.movers(user, query, now, limit=MOVED_MOST)
    return {
        "total": {
            **_total(found.totals.get(currency, NOTHING), found.unpriced),
            "final": len(settled.final_days(user, asked)) == asked.days,
        },
        "before": _before(moved, currency),
        "forecast": aside.expected(user, asked, currency, now),
        "unpriced": _unpriced(found),
        "breakdown": _breakdown(asked, found, moved, currency),
        "chart": chart(user, asked, currency, now),
        "settle": settled.strip(user, asked),
        "movers": aside.movers(asked, moved),
        "anomalies": aside.anomalies(user, asked, currency, now),
        **aside.savings(user, asked, currency, now),
    }


def _before(moved: Movers, currency: str) -> dict[str, Any]:
    total = moved.totals.get(currency)
    return {
        "amount": total.before if total else Decimal(0),
        "start": day_of(moved.start),
        "last": day_of(moved.end - timedelta(seconds=1)),
    }


def _total(figures: Figures, unpriced: Figures) -> dict[str, Any]:
    """Use is that of both, money of what has a price."""
    used = figures + unpriced
    return {
        "amount": figures.amount,
        "saved": figures.list_amount - figures.amount,
        "pod_hour": figures.per_hour,
        "starts": used.starts,
        "seconds": used.seconds,
        "cpu_seconds": used.cpu_seconds,
        "memory_seconds": used.memory_seconds,
        "gpu_seconds": used.gpu_seconds,
        "over": figures.over_share,
    }


def _unpriced(found: Statement) -> dict[str, Any] | None:
    figures = found.unpriced
    return (
        {"lives": max(figures.starts, 1), "seconds": figures.seconds} if figures.seconds else None
    )


def _breakdown(asked: Asked, found: Statement, moved: Movers, currency: str) -> dict[str, Any]:
    name = asked.group[0]
    rows = [row for row in found.rows if row.currency in {currency, ""}]
    priced = [row for row in rows if row.currency]
    earlier = {row.keys[0]: row.before for row in moved.rows}
    # A row that did not move is none of the movers: it cost as much before.
    same = {row.keys[0]: row.figures.amount for row in priced if row.keys[0] not in earlier}
    shown = _merged(asked, rows, found.titles, _colours(name, priced), {**same, **earlier})
    return {
        "title": _("By %(group)s") % {"group": words.group_title(name)},
        "of": words.group_title(name),
        "gpu": any(row.figures.gpu_seconds for row in rows),
        "bill": found.bills.get(currency),
        "bill_days": len(found.bill_days),
        "days": asked.days,
        "rows": shown[:MOST_ROWS],
        "all": len(shown),
        "more": len(shown) > MOST_ROWS,
    }


def _merged(
    asked: Asked,
    rows: Sequence[Row],
    titles: Mapping[tuple[str, str], str],
    colours: Mapping[str, str],
    earlier: Mapping[str, Decimal],
) -> list[Shown]:
    """One row for each key: what has a price, and beside it what has none."""
    name = asked.group[0]
    figures: dict[str, Figures] = {}
    for row in rows:
        figures[row.keys[0]] = figures.get(row.keys[0], NOTHING) + row.figures
    without = {row.keys[0]: row.figures.seconds for row in rows if not row.currency}
    priced = {row.keys[0] for row in rows if row.currency}
    bills = {row.keys[0]: row.bill for row in rows if row.bill is not None}
    return [
        Shown(
            key=key,
            label=words.key_title(name, key, titles),
            href=words.inside(asked, name, key),
            figures=found,
            before=earlier.get(key, Decimal(0)),
            css=colours.get(key, ""),
            unpriced=without.get(key, 0),
            priced=key in priced,
            bill=bills.get(key),
        )
        for key, found in figures.items()
    ]


def _colours(name: str, rows: Sequence[Row]) -> dict[str, str]:
    """The colours of the chart, for the rows that have one of their own there."""
    if name == "day":
        return {}
    most = bars.SERIES_MAX if len(rows) > bars.SERIES_MAX + 1 else bars.SERIES_MAX + 1
    ordered = sorted(rows, key=lambda row: (-row.figures.amount, row.keys[0]))
    return {row.keys[0]: _css(name, row.keys[0], at + 1) for at, row in enumerate(ordered[:most])}


def _css(name: str, key: str, at: int) -> str:
    return _PROVIDER_CSS.get(key, f"s{at}") if name == "provider" else f"s{at}"


def chart(user: AnyUser, asked: Asked, currency: str, now: datetime) -> dict[str, Any]:
    by = asked.group if asked.group[0] != "day" else ()
    query = replace(asked.query, group=by, currency=currency)
    found = series.series(user, query, asked.step, now)
    final = settled.final_days(user, asked)
    buckets = [_bucket(asked, one, currency, final) for one in found.buckets]
    return _drawn(asked, buckets, found.titles, currency)


def _bucket(asked: Asked, one: series.Bucket, currency: str, final: frozenset[date]) -> bars.Bucket:
    amounts = {
        keys[0] if keys else "": figures.amount
        for (keys, code), figures in one.cells.items()
        if code == currency
    }
    at, day = one.start.astimezone(BILLING), day_of(one.start)
    if asked.step == "hour":
        label = date_format(at, "H") if at.hour else date_format(at, "n-j")
        title = f"{words.day_title(day)} {at:%H:%M}"
        return bars.Bucket(label, title, amounts, open=day not in final)
    label = date_format(day, "n-j")
    url = reverse("billing-usage") + asked.link(period="", start=day, end=day + timedelta(days=1))
    return bars.Bucket(label, words.day_title(day), amounts, url, open=day not in final)


def _drawn(
    asked: Asked,
    buckets: Sequence[bars.Bucket],
    titles: Mapping[tuple[str, str], str],
    currency: str,
) -> dict[str, Any]:
    name = asked.group[0]
    drawn = bars.draw(buckets, lambda key, rank: _css(name, key, rank))
    series = [{"label": _series(name, one.key, titles), "css": one.css} for one in drawn.series]
    return {
        "title": _("Cost per hour of the day") if asked.step == "hour" else _("Cost per day"),
        "unit": _("Hour") if asked.step == "hour" else _("Day"),
        "bars": drawn,
        "series": series if name != "day" else [],
        "places": 0 if drawn.top >= _OTHER_PLACES else 2 if drawn.top >= 1 else 4,
        "rows": [_numbers(bucket, drawn) for bucket in buckets],
        "currency": currency,
    }


def _series(name: str, key: str, titles: Mapping[tuple[str, str], str]) -> str:
    return _("others") if key == bars.OTHERS else words.key_title(name, key, titles) if key else ""


def _numbers(bucket: bars.Bucket, drawn: bars.Bars) -> dict[str, Any]:
    named = [one.key for one in drawn.series if one.key != bars.OTHERS]
    amounts = [bucket.amounts.get(key, Decimal(0)) for key in named]
    if len(named) < len(drawn.series):
        amounts.append(bucket.total - sum(amounts, Decimal(0)))
    return {"title": bucket.title, "amounts": amounts, "total": bucket.total}
