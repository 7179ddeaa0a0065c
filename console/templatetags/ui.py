"""Small pieces of the design system that templates use often: icons, chips, ages, money, bars."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

from django import template
from django.templatetags.static import static
from django.utils import formats, timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import get_language, gettext, pgettext

register = template.Library()

SPRITE = "vendor/tabler-icons-3.51.0/sprite.svg"
BRANDS = "vendor/simple-icons-16.37.0/brands.svg"
_NOTHING = SafeString('<span class="t3">–</span>')
TONES = frozenset({"ok", "prog", "warn", "bad", "done", "mute"})


@register.simple_tag
def sprite_url() -> str:
    return static(SPRITE)


@register.simple_tag
def icon(name: str, extra: str = "") -> SafeString:
    """A Tabler outline icon by its name; `extra` adds classes such as `sm`."""
    return format_html(
        '<svg class="ic {}" aria-hidden="true"><use href="{}#{}"></use></svg>',
        extra,
        static(SPRITE),
        name,
    )


@register.simple_tag
def brand_icon(name: str) -> SafeString:
    return format_html(
        '<svg class="ic brand-mark" aria-hidden="true"><use href="{}#{}"></use></svg>',
        static(BRANDS),
        name,
    )


@register.simple_tag
def chip(tone: str, label: object, hint: object = "") -> SafeString:
    """A status chip. `tone` is one of ok, prog, warn, bad, done, mute; anything else is mute."""
    tone = tone if tone in TONES else "mute"
    title = format_html(' title="{}"', hint) if hint else ""
    return format_html('<span class="chip {}"{}>{}</span>', tone, title, label)


@register.simple_tag
def provider(name: str) -> SafeString:
    """The coloured mark of a cloud product: eci, acs or kci."""
    if not name:
        return _NOTHING
    return format_html('<span class="pv {}">{}</span>', name.lower(), name.upper())


def short_duration(seconds: float) -> str:
    """A duration the way kubectl prints ages: at most two units, "45s", "3h5m", "2d4h"."""
    left = max(int(seconds), 0)
    units = (
        (86_400, pgettext("short unit", "{n}d")),
        (3_600, pgettext("short unit", "{n}h")),
        (60, pgettext("short unit", "{n}m")),
        (1, pgettext("short unit", "{n}s")),
    )
    for index, (size, pattern) in enumerate(units):
        if left < size and size > 1:
            continue
        whole, rest = divmod(left, size)
        text = pattern.format(n=whole)
        finer = units[index + 1] if index + 1 < len(units) else None
        if finer and whole < 10 and rest >= finer[0]:
            both = pgettext("two units of one duration", "{whole}{part}")
            return both.format(whole=text, part=finer[1].format(n=rest // finer[0]))
        return text
    return ""


def _time(moment: datetime | None, *, ago: bool, now: datetime | None) -> SafeString:
    if moment is None:
        return _NOTHING
    text = short_duration(((now or timezone.now()) - moment).total_seconds())
    if ago:
        text = gettext("{age} ago").format(age=text)
    return format_html(
        '<time datetime="{}" data-{}>{}</time>',
        moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "ago" if ago else "age",
        text,
    )


@register.simple_tag
def age(moment: datetime | None, now: datetime | None = None) -> SafeString:
    """How old something is ("12m"); the page keeps it ticking."""
    return _time(moment, ago=False, now=now)


@register.simple_tag
def ago(moment: datetime | None, now: datetime | None = None) -> SafeString:
    """How long ago something happened ("12m ago"); the page keeps it ticking."""
    return _time(moment, ago=True, now=now)


@register.simple_tag
def clock(moment: datetime | None) -> SafeString:
    """Hour, minute and second in the reader's time zone; the whole date on hover."""
    if moment is None:
        return _NOTHING
    local = timezone.localtime(moment)
    return format_html(
        '<time datetime="{}" data-clock>{}</time>', moment.isoformat(), local.strftime("%H:%M:%S")
    )


@register.simple_tag
def money(amount: Decimal | str | float | None, currency: str = "CNY", places: int = 2) -> str:
    """An amount with its narrow currency symbol: ¥412.60, $1.20 (US$ in Chinese)."""
    if amount in (None, ""):
        return "–"
    chinese = (get_language() or "").startswith("zh")
    symbols = {"CNY": "¥", "USD": "US$" if chinese else "$"}
    number = formats.number_format(
        Decimal(str(amount)), decimal_pos=places, use_l10n=True, force_grouping=True
    )
    return f"{symbols.get(currency, currency + ' ')}{number}"


@register.simple_tag
def bar(used: float | None, capacity: float | None, width: int = 120) -> SafeString:
    """A thin level bar; it turns to warning at 80 % and to bad at 95 %."""
    share = min(max((used or 0) / capacity, 0), 1) if capacity else 0
    tone = "b" if share >= 0.95 else "w" if share >= 0.8 else ""
    return format_html(
        '<svg class="bar {}" viewBox="0 0 {} 6" preserveAspectRatio="none" aria-hidden="true">'
        '<rect width="{}" height="6"></rect></svg>',
        tone,
        width,
        round(share * width, 1),
    )


@register.simple_tag
def sparkline(values: Sequence[float], tone: str = "") -> SafeString:
    """A small line of recent values, oldest first."""
    if len(values) < 2:
        return SafeString("")
    low, high = min(values), max(values)
    span = (high - low) or 1
    step = 80 / (len(values) - 1)
    points = " ".join(
        f"{index * step:.1f},{22 - (value - low) / span * 20:.1f}"
        for index, value in enumerate(values)
    )
    return format_html(
        '<svg class="spark {}" viewBox="0 0 80 24" preserveAspectRatio="none" aria-hidden="true">'
        '<polyline points="{}"></polyline></svg>',
        tone,
        points,
    )
