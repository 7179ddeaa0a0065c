"""Amounts that grow while one looks, differences, shares and prices, as the pages of money say."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from decimal import Decimal

from django import template
from django.utils import formats
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from console.billing.billed import Bill
from console.templatetags.ui import icon, money
from providers.calendar import BILLING

register = template.Library()
_NOTHING = SafeString('<span class="t3">–</span>')
# Below this a share of the whole is told as "less than".
_LEAST = Decimal("0.001")
# A difference up to this part of what was metered is what rounding to cents makes.
_CENTS = Decimal("0.02")
_A_MOMENT = timedelta(microseconds=1)


@register.simple_tag
def tick(amount: Decimal | None, per_hour: Decimal | None, currency: str, places: int = 2) -> str:
    """An amount as it is now, growing by `per_hour`; the browser counts on from when it came."""
    if amount is None:
        return _NOTHING
    return format_html(
        '<money-tick data-amount="{}" data-per-hour="{}" data-currency="{}" data-places="{}">{}'
        "</money-tick>",
        f"{amount:f}",
        f"{per_hour or Decimal(0):f}",
        currency,
        places,
        money(amount, currency, places),
    )


def _percent(share: Decimal) -> str:
    places = 1 if abs(share) < Decimal("0.1") else 0
    return formats.number_format(round(share * 100, places), decimal_pos=places, use_l10n=True)


@register.filter
def percent(share: Decimal | float | None) -> str:
    """0.034 as `3.4 %`; a dash where there is nothing to compare with."""
    if share is None:
        return "–"
    exact = Decimal(str(share))
    if 0 < exact < _LEAST:
        return gettext("< 0.1 %")
    return gettext("%(n)s %%") % {"n": _percent(exact)}


@register.simple_tag
def delta(now: Decimal, before: Decimal) -> SafeString:
    """How much more or less than before, in percent; `new` where there was nothing."""
    if not before:
        return format_html('<span class="t3">{}</span>', gettext("new") if now else "–")
    change = (now - before) / before
    if abs(change) < _LEAST:
        return format_html('<span class="t3">{}</span>', gettext("as before"))
    return format_html(
        '<span class="delta {}">{}{}</span>',
        "up" if change > 0 else "down",
        icon("arrow-up" if change > 0 else "arrow-down", "sm"),
        percent(abs(change)),
    )


@register.simple_tag
def apart(bill: Bill | None, currency: str) -> SafeString:
    """How far a bill is from what was metered; quiet where cents explain it."""
    if bill is None or bill.difference is None:
        return _NOTHING
    css = "" if abs(bill.difference) > abs(bill.metered) * _CENTS else "t3"
    sign = "+" if bill.difference > 0 else ""
    return format_html('<span class="{}">{}{}</span>', css, sign, money(bill.difference, currency))


@register.simple_tag
def share(part: Decimal, whole: Decimal, width: int = 72) -> SafeString:
    """A level bar of a share and its percent."""
    told = percent(part / whole if whole else Decimal(0))
    return format_html('<span class="meter">{}{}</span>', level(part, whole, width), told)


@register.simple_tag
def level(part: Decimal, whole: Decimal, width: int = 72) -> SafeString:
    """The same bar alone."""
    filled = max(min(part / whole, Decimal(1)), Decimal(0)) if whole else Decimal(0)
    return format_html(
        '<svg class="bar share" viewBox="0 0 {} 6" preserveAspectRatio="none" aria-hidden="true">'
        '<rect width="{}" height="6"></rect></svg>',
        width,
        round(float(filled) * width, 1),
    )


@register.filter
def hours(seconds: Decimal | int | None) -> str:
    """Unit-seconds as unit-hours: vCPU-h, GiB-h, GPU-h, pod-h."""
    if seconds is None:
        return "–"
    value = Decimal(seconds) / 3600
    places = 0 if abs(value) >= 1000 else 1 if abs(value) >= 10 else 2
    return formats.number_format(
        round(value, places), decimal_pos=places, use_l10n=True, force_grouping=True
    )


@register.simple_tag
def price(amount: Decimal, currency: str) -> str:
    """A unit price with all its digits, four at least."""
    exact = amount.normalize()
    return money(exact, currency, max(-int(exact.as_tuple().exponent), 4))


@register.simple_tag
def short_money(amount: Decimal, currency: str, places: int = 0) -> str:
    """An amount for the axis of a chart: no cents beyond what its scale shows."""
    return money(amount, currency, places)


@register.simple_tag
def per_second(per_hour: Decimal, currency: str) -> str:
    """A price per hour as the second it is metered by."""
    return money(per_hour / 3600, currency, 9)


@register.filter
def billing_from(at: datetime | None) -> str:
    """The billing day (UTC+8) on which something begins to hold; with the time if not midnight."""
    if at is None:
        return "–"
    return _billing(at.astimezone(BILLING), timedelta())


@register.filter
def billing_until(at: datetime | None) -> str:
    """The last billing day on which it holds, where `at` is the first moment that it does not."""
    if at is None:
        return ""
    return _billing(at.astimezone(BILLING), _A_MOMENT)


def _billing(own: datetime, less: timedelta) -> str:
    return f"{own - less:%Y-%m-%d}" if own.time() == time() else f"{own:%Y-%m-%d %H:%M}"
