"""Bills: what the clouds billed beside what was metered, day by day and account by account."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from console.access import AnyUser, access, visible
from console.billing.asked import Asked
from console.billing.bills.reconcile import used_on
from console.billing.models import BillDay, BillItem
from console.billing.statements import Query, statement
from console.views.billing import settled, usage
from providers.calendar import day_of
from providers.models import CloudAccount

STATE_TONES = {
    BillDay.State.ESTIMATED: "mute",
    BillDay.State.PARTLY: "warn",
    BillDay.State.FINAL: "ok",
}
PAGE = 100
SIDES = {
    "matched": ("ok", _("matched")),
    "only_billed": ("bad", _("only billed")),
    "only_used": ("warn", _("only metered")),
}
_PERIODS = (("7d", _("7 days")), ("month", _("This month")), ("last-month", _("Last month")))


@dataclass(slots=True)
class Sum:
    """One currency of the period: of the days that are settled, and of all of them."""

    currency: str
    estimate: Decimal = Decimal(0)
    billed: Decimal = Decimal(0)
    rounding: Decimal = Decimal(0)
    days: int = 0
    final: int = 0
    # Final days with an amount of ours beside the bill's.
    compared: int = 0
    final_estimate: Decimal = Decimal(0)
    final_billed: Decimal = Decimal(0)
    # Some of it has no price; nothing metered then says nothing.
    unpriced: bool = False

    @property
    def difference(self) -> Decimal:
        """Of the days whose bill is final; the others are not comparable yet."""
        return self.final_billed - self.final_estimate


def unpriced_in(user: AnyUser, asked: Asked, now: datetime) -> frozenset[tuple[date, int]]:
    """Days and accounts that something was used on without a price."""
    where = {name: texts for name, texts in asked.where.items() if name in ("account", "provider")}
    found = statement(user, Query(asked.start, asked.end, ("day", "account"), where), now)
    keys = (row.keys for row in found.rows if not row.currency)
    return frozenset((date.fromisoformat(day), int(account)) for day, account in keys if account)


def sums(days: Iterable[BillDay], unpriced: frozenset[tuple[date, int]] = frozenset()) -> list[Sum]:
    found: dict[str, Sum] = {}
    for day in days:
        one = found.setdefault(day.currency, Sum(day.currency))
        one.estimate += day.estimate
        one.billed += day.billed
        one.rounding += day.rounding
        one.days += 1
        without = (day.day, day.account_id) in unpriced
        one.unpriced |= without
        if day.state == BillDay.State.FINAL:
            one.final += 1
        if day.state == BillDay.State.FINAL and (day.estimate or not without):
            one.compared += 1
            one.final_estimate += day.estimate
            one.final_billed += day.billed
    return sorted(found.values(), key=lambda one: one.currency)


def days_of(user: Any, asked: Asked) -> list[BillDay]:
    rows = visible(BillDay, user).filter(day__gte=asked.start, day__lt=asked.end)
    if asked.currency:
        rows = rows.filter(currency=asked.currency)
    for name, column in (("account", "account_id__in"), ("provider", "account__provider__in")):
        if name in asked.where:
            rows = rows.filter(**{column: list(asked.where[name])})
    return list(rows.select_related("account").order_by("-day", "account__name", "currency"))


def _shown(day: BillDay, unpriced: bool) -> dict[str, Any]:
    """`priced`: what was metered has an amount to compare with."""
    priced = bool(day.estimate) or not unpriced
    compared = day.state != BillDay.State.ESTIMATED
    return {
        "it": day,
        "tone": STATE_TONES[BillDay.State(day.state)],
        "difference": day.billed - day.estimate if compared and priced else None,
        "compared": compared,
        "priced": priced,
        "unpriced": unpriced,
    }


def accounts_of(user: AnyUser, asked: Asked) -> dict[str, Any]:
    """A picker of credentials, and what it keeps of the question."""
    rows = visible(CloudAccount, user).order_by("provider", "name")
    chosen = asked.where.get("account", ())
    return {
        "accounts": [(row, str(row.pk) in chosen or row.name in chosen) for row in rows],
        "others": [pair for pair in asked.pairs() if pair[0] != "account"],
    }


@require_safe
@login_required
def page(request: HttpRequest) -> HttpResponse:
    if (answer := usage.through(request)) is not None:
        return answer
    now = timezone.now()
    asked, bad = usage.read(request, day_of(now))
    days = days_of(request.user, asked)
    unpriced = unpriced_in(request.user, asked, now)
    context = {
        "asked": asked,
        "bad": bad,
        "days": [_shown(day, (day.day, day.account_id) in unpriced) for day in days],
        "sums": sums(days, unpriced),
        "settle": settled.strip(request.user, asked),
        "periods": [(code, text, asked.link(period=code, step="day")) for code, text in _PERIODS],
        "filters": usage.filters(asked),
        **usage.days_of(asked),
        **accounts_of(request.user, asked),
    }
    return render(request, "pages/billing/bills.html", context, status=400 if bad else 200)


@dataclass(slots=True)
class Beside:
    """One instance of a day: what was metered, and the lines of its bill."""

    cloud_id: str
    pod: str = ""
    namespace: str = ""
    seconds: int = 0
    metered: Decimal | None = None
    # Metered, with or without a price.
    known: bool = False
    items: list[BillItem] = field(default_factory=list)

    @property
    def billed(self) -> Decimal | None:
        return sum((item.amount for item in self.items), Decimal(0)) if self.items else None

    @property
    def difference(self) -> Decimal | None:
        billed = self.billed
        return None if billed is None or self.metered is None else billed - self.metered

    @property
    def state(self) -> str:
        if not self.known:
            return "only_billed"
        return "matched" if self.items else "only_used"


def beside(day: BillDay, now: datetime) -> list[Beside]:
    """The instances of the day: what only one side knows first, then by how much they differ."""
    found: dict[str, Beside] = {}
    for (currency, cloud_id), use in used_on(day.account, day.day, now).items():
        if currency not in {"", day.currency}:
            continue
        one = found.setdefault(cloud_id, Beside(cloud_id))
        one.pod, one.namespace, one.known = use.pod, use.namespace, True
        one.seconds += use.seconds
        if currency:
            one.metered = (one.metered or Decimal(0)) + use.amount
    items = BillItem.objects.filter(account=day.account, day=day.day, currency=day.currency)
    for item in items.order_by("item"):
        found.setdefault(item.cloud_id, Beside(item.cloud_id)).items.append(item)
    return sorted(
        found.values(),
        key=lambda one: (one.state == "matched", -abs(one.difference or Decimal(0)), one.cloud_id),
    )


@require_safe
@login_required
def day(request: HttpRequest, pk: int) -> HttpResponse:
    found = access(BillDay, request.user, pk=pk)
    instances = beside(found, timezone.now())
    unpriced = any(one.known and one.metered is None for one in instances)
    pages = Paginator(instances, PAGE).get_page(request.GET.get("page"))
    context = {
        "row": _shown(found, unpriced),
        "page": pages,
        "instances": [(one, *SIDES[one.state]) for one in pages.object_list],
        "account": found.account,
    }
    return render(request, "pages/billing/bill.html", context)
