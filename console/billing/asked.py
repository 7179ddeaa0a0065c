"""What a reader asks of the statement: the same words in the address of the page and over REST.

`period` names a span (`today`, `7d`, `month`, `last-month`), or `start` and `end` give billing days
(UTC+8; `end` is the first day after it). `group` takes one or several groups, between commas
or repeated; every group is a filter too, `label:<key>` among them. `currency` picks one, `step`
(`hour`, `day`) the buckets of the series.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from django.http import QueryDict
from django.utils.translation import gettext as _

from console.billing import groups
from console.billing.statements import Query

PERIODS = ("today", "7d", "month", "last-month")
DEFAULT_PERIOD = "month"
DEFAULT_GROUP = "namespace"
STEPS = ("hour", "day")
# Days beyond which calendars end.
FIRST, LAST = date(2000, 1, 1), date(2999, 12, 31)
LONGEST = timedelta(days=400)
# Spans up to this are shown by the hour unless asked otherwise.
_BY_HOUR = timedelta(days=2)
_LABEL = re.compile(r"^label:[A-Za-z0-9]([A-Za-z0-9._/-]{0,315}[A-Za-z0-9])?$")
_CURRENCY = re.compile(r"^[A-Z]{3}$")


class BadQuestion(ValueError):
    """A parameter that cannot be read: which one, and why in the reader's language."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(text)
        self.name, self.text = name, text


def _is_group(name: str) -> bool:
    return bool(_LABEL.match(name)) if name.startswith(groups.LABEL) else groups.is_group(name)


@dataclass(frozen=True, slots=True)
class Asked:
    """`period` is empty when days were given; `where` narrows by groups, any of the values."""

    start: date
    end: date
    period: str = DEFAULT_PERIOD
    group: tuple[str, ...] = (DEFAULT_GROUP,)
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    currency: str = ""
    step: str = "day"

    @property
    def days(self) -> int:
        return (self.end - self.start).days

    @property
    def query(self) -> Query:
        return Query(self.start, self.end, self.group, self.where, self.currency)

    def pairs(self) -> list[tuple[str, str]]:
        """As parameters; what is the default anyway is left out."""
        pairs = []
        if not self.period:
            pairs += [("start", self.start.isoformat()), ("end", self.end.isoformat())]
        elif self.period != DEFAULT_PERIOD:
            pairs.append(("period", self.period))
        if self.group != (DEFAULT_GROUP,):
            pairs.append(("group", ",".join(self.group)))
        if self.currency:
            pairs.append(("currency", self.currency))
        if self.step != _step(self.start, self.end):
            pairs.append(("step", self.step))
        return [*pairs, *((name, text) for name, texts in self.where.items() for text in texts)]

    def link(self, **changes: Any) -> str:
        """The query of the same question with some of its fields changed."""
        asked = replace(self, **changes)
        if ("start" in changes or "end" in changes) and "step" not in changes:
            asked = replace(asked, step=_step(asked.start, asked.end))
        query = urlencode(asked.pairs())
        return f"?{query}" if query else "?"

    def narrowed(self, name: str, value: str) -> Mapping[str, tuple[str, ...]]:
        return {**self.where, name: (value,)}

    def widened(self, name: str, value: str) -> Mapping[str, tuple[str, ...]]:
        """Without this one value of this filter."""
        rest = tuple(text for text in self.where.get(name, ()) if text != value)
        others = {key: texts for key, texts in self.where.items() if key != name}
        return {**others, name: rest} if rest else others


def span(period: str, today: date) -> tuple[date, date]:
    """First day, and the first day after it."""
    tomorrow = today + timedelta(days=1)
    month = today.replace(day=1)
    if period == "today":
        return today, tomorrow
    if period == "7d":
        return today - timedelta(days=6), tomorrow
    if period == "last-month":
        return (month - timedelta(days=1)).replace(day=1), month
    return month, tomorrow


def _step(start: date, end: date) -> str:
    return "hour" if end - start <= _BY_HOUR else "day"


def _day(params: QueryDict, name: str) -> date:
    try:
        return day_of_text(str(params[name]))
    except ValueError:
        raise BadQuestion(name, _("A day is written like 2026-11-21.")) from None


def day_of_text(text: str) -> date:
    """A billing day of these centuries. Raises `ValueError`."""
    found = date.fromisoformat(text)
    if not FIRST <= found <= LAST:
        raise ValueError(text)
    return found


def _span(params: QueryDict, today: date) -> tuple[str, date, date]:
    if not params.get("start") and not params.get("end"):
        period = params.get("period") or DEFAULT_PERIOD
        if period not in PERIODS:
            known = ", ".join(PERIODS)
            raise BadQuestion("period", _("There are the periods %(known)s.") % {"known": known})
        return (period, *span(period, today))
    for name in ("start", "end"):
        if not params.get(name):
            raise BadQuestion(name, _("Give both `start` and `end`."))
    start, end = _day(params, "start"), _day(params, "end")
    if end <= start:
        raise BadQuestion("end", _("`end` is the first day after the period."))
    if end - start > LONGEST:
        raise BadQuestion("start", _("A period has at most 400 days."))
    return "", start, end


def _group(params: QueryDict) -> tuple[str, ...]:
    given = [name for text in params.getlist("group") for name in text.split(",") if name]
    for name in given:
        if not _is_group(name):
            raise BadQuestion("group", _("Nothing is grouped by %(name)s.") % {"name": name})
    return tuple(dict.fromkeys(given)) or (DEFAULT_GROUP,)


def _where(params: QueryDict) -> dict[str, tuple[str, ...]]:
    """An empty value is a value: what has no namespace."""
    return {name: tuple(dict.fromkeys(params.getlist(name))) for name in params if _is_group(name)}


def read(params: QueryDict, today: date) -> Asked:
    """Raises `BadQuestion`. Parameters of other meaning are not looked at."""
    period, start, end = _span(params, today)
    currency, step = params.get("currency") or "", params.get("step") or _step(start, end)
    if currency and not _CURRENCY.match(currency):
        raise BadQuestion("currency", _("A currency is three letters, like CNY."))
    if step not in STEPS:
        raise BadQuestion("step", _("`step` is hour or day."))
    if step == "hour" and end - start > timedelta(days=14):
        raise BadQuestion("step", _("By the hour, a period has at most 14 days."))
    return Asked(start, end, period, _group(params), _where(params), currency, step)
