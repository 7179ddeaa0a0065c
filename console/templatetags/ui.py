"""Small pieces of the design system that templates use often: icons, chips, ages, money, bars."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal

from django import template
from django.templatetags.static import static
from django.utils import formats, timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import get_language, gettext, pgettext, pgettext_lazy

from providers import registry

register = template.Library()

SPRITE = "vendor/tabler-icons-3.51.0/sprite.svg"
BRANDS = "vendor/simple-icons-16.37.0/brands.svg"
_NOTHING = SafeString('<span class="t3">–</span>')
_BINARY = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
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


# The words of kubectl's STATUS column that have a translation; the others stay as they are.
_POD_WORDS = {
    "Running": pgettext_lazy("pod status", "Running"),
    "Pending": pgettext_lazy("pod status", "Pending"),
    "ContainerCreating": pgettext_lazy("pod status", "ContainerCreating"),
    "Terminating": pgettext_lazy("pod status", "Terminating"),
    "Completed": pgettext_lazy("pod status", "Completed"),
    "Succeeded": pgettext_lazy("pod status", "Succeeded"),
    "Failed": pgettext_lazy("pod status", "Failed"),
    "Unknown": pgettext_lazy("pod status", "Unknown"),
}


@register.filter
def pod_status(status: str) -> str:
    """A pod's status in the reader's language, as the live table says it."""
    return str(_POD_WORDS.get(status, status))


@register.filter
def parameter(value: object) -> str:
    """A parameter's value as YAML would have it; a dash for none."""
    if value is None or value == "":
        return "–"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


@register.simple_tag
def provider(name: str) -> SafeString:
    """The coloured mark of a cloud product, by the provider's name; its title on hover."""
    if not name:
        return _NOTHING
    try:
        title = registry.dialect(name).title
    except registry.UnknownProvider:
        # An account of a provider that this installation no longer has.
        title = name
    return format_html('<span class="pv {}" title="{}">{}</span>', name, title, name.upper())


@register.simple_tag
def providers(names: Sequence[str]) -> SafeString:
    """The marks of several, side by side."""
    marks = format_html_join("", "{}", ((provider(name),) for name in names))
    return format_html('<span class="pvs">{}</span>', marks) if len(names) > 1 else marks


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
def left(moment: datetime | None, now: datetime | None = None) -> SafeString:
    """How long until something happens ("in 12m"), or how long ago it did; it counts down."""
    if moment is None:
        return _NOTHING
    seconds = (moment - (now or timezone.now())).total_seconds()
    pattern = gettext("in {age}") if seconds > 0 else gettext("{age} ago")
    return format_html(
        '<time datetime="{}" data-left>{}</time>',
        moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        pattern.format(age=short_duration(abs(seconds))),
    )


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
def money(amount: Decimal | str | float | None, currency: str, places: int = 2) -> str:
    """An amount with its narrow currency symbol: ¥412.60, $1.20 (US$ in Chinese)."""
    if amount in (None, ""):
        return "–"
    chinese = (get_language() or "").startswith("zh")
    symbols = {"CNY": "¥", "USD": "US$" if chinese else "$"}
    # number_format cuts what is beyond; the browser rounds half away from zero.
    exact = Decimal(str(amount)).quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)
    number = formats.number_format(
        abs(exact), decimal_pos=places, use_l10n=True, force_grouping=True
    )
    sign = "−" if exact < 0 else ""
    return f"{sign}{symbols.get(currency, f'{currency} ' if currency else '')}{number}"


@register.filter
def plain(value: float | None) -> str:
    """A quantity without idle zeros: 10, 0.25, 1,000."""
    if value is None:
        return "–"
    exact = round(Decimal(str(value)), 2).normalize()
    places = max(-int(exact.as_tuple().exponent), 0)
    return formats.number_format(exact, decimal_pos=places, use_l10n=True, force_grouping=True)


@register.filter
def binary_bytes(value: float | None) -> str:
    """Bytes in powers of 1024, as Kubernetes counts memory: 512 MiB, 3.9 TiB."""
    size = float(value or 0)
    unit = 0
    while size >= 1024 and unit < len(_BINARY) - 1:
        size, unit = size / 1024, unit + 1
    return f"{plain(round(size, 1 if size < 10 else 0))} {_BINARY[unit]}"


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
