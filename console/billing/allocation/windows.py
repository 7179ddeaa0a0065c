"""The `window`, `step` and `accumulate` parameters of OpenCost's Allocation API. Pure.

Sources: OpenCost documentation, "API", and its code (`opencost.ParseWindowWithOffset`,
`costmodel.resolveStepFromQuery`): windows are `today`, `yesterday`, `week`, `month`, `lastweek`,
`lastmonth`, durations (`90m`, `24h`, `7d`, `2w`), and pairs of RFC 3339 times or Unix seconds
between a comma. Minutes and hours end now; days and weeks end with today, so that `7d` is today
and the six days before. OpenCost cuts days where its UTC offset says: here at the clouds' billing
midnight, UTC+8. A week begins on Sunday, as OpenCost has it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from providers import calendar

_DURATION = re.compile(r"^([1-9][0-9]{0,6})([smhdw])$")
_UNITS = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_DAYS = ("d", "w")
_DAY = timedelta(days=1)
# Lengths that follow the calendar.
SPANS = ("hour", "day", "week", "month", "quarter")
_ALL = ("true", "t", "1", "yes", "all")
_NONE = ("", "false", "f", "0", "no", "none")
LONGEST = timedelta(days=400)
MOST_SETS = 1000


class BadWindow(Exception):
    """Its text says why."""


@dataclass(frozen=True, slots=True)
class Window:
    """`start <= time < end`, whole seconds, UTC."""

    start: datetime
    end: datetime

    @property
    def length(self) -> timedelta:
        return self.end - self.start

    @property
    def of_days(self) -> bool:
        """Whether it begins and ends with billing days."""
        return all(calendar.day_start(calendar.day_of(at)) == at for at in (self.start, self.end))

    def steps(self, step: timedelta | None) -> list[Window]:
        """The last one may be shorter. Raises `BadWindow` for too many."""
        if step is None or step >= self.length:
            return [self]
        count = -(-self.length // step)
        if count > MOST_SETS:
            raise BadWindow(f"the window has {count} steps, at most {MOST_SETS} are answered")
        borders = [self.start + index * step for index in range(count)]
        return [Window(at, min(at + step, self.end)) for at in borders]


def sets(span: Window, step: str, accumulate: str) -> list[Window]:
    """One window for each set of the answer; `accumulate` is stronger than `step`. Raises
    `BadWindow`."""
    whole, length = accumulate.strip().lower(), step.strip().lower()
    if whole in _ALL:
        return [span]
    if whole not in (*_NONE, *SPANS):
        raise BadWindow(f"{accumulate!r} is none of true, false, all, {', '.join(SPANS)}")
    unit = whole if whole in SPANS else length
    if unit in SPANS:
        return _by_calendar(span, unit)
    return span.steps(duration(length) if length else None)


def _by_calendar(span: Window, unit: str) -> list[Window]:
    """The first and the last one may be shorter."""
    found, at = [], span.start
    while at < span.end:
        end = min(_border(at, unit), span.end)
        found.append(Window(at, end))
        at = end
        if len(found) > MOST_SETS:
            raise BadWindow(f"the window has more {unit}s than the {MOST_SETS} that are answered")
    return found


def _border(at: datetime, unit: str) -> datetime:
    """Where the next one begins."""
    if unit == "hour":
        return calendar.hour_start(at) + _UNITS["h"]
    day = calendar.day_of(at)
    month = day.replace(day=1)
    ends = {
        "day": day + _DAY,
        "week": day + (7 - day.isoweekday() % 7) * _DAY,
        "month": calendar.next_month(month),
        "quarter": calendar.next_month(month.replace(month=(day.month + 2) // 3 * 3)),
    }
    return calendar.day_start(ends[unit])


def window(text: str, now: datetime) -> Window:
    """Raises `BadWindow`."""
    if "," in text:
        start, _, end = text.partition(",")
        found = Window(_time(start), _time(end))
    elif match := _DURATION.match(text):
        end_at = calendar.whole(now)
        if match[2] in _DAYS:
            end_at = calendar.day_start(calendar.day_of(now) + _DAY)
        found = _back(end_at, int(match[1]) * _UNITS[match[2]])
    else:
        found = _named(text, calendar.day_of(now))
    if found.length <= timedelta(0):
        raise BadWindow("the window ends before it begins")
    if found.length > LONGEST:
        raise BadWindow(f"the window is longer than {LONGEST.days} days")
    return found


def _back(end: datetime, length: timedelta) -> Window:
    if length > LONGEST:
        raise BadWindow(f"the window is longer than {LONGEST.days} days")
    return Window(end - length, end)


def duration(text: str) -> timedelta:
    match = _DURATION.match(text)
    if match is None:
        raise BadWindow(f"{text!r} is no duration like 1h or 1d")
    return int(match[1]) * _UNITS[match[2]]


def _named(text: str, today: date) -> Window:
    sunday = today - timedelta(days=(today.weekday() + 1) % 7)
    month = today.replace(day=1)
    spans = {
        "today": (today, today + _DAY),
        "yesterday": (today - _DAY, today),
        "week": (sunday, today + _DAY),
        "lastweek": (sunday - 7 * _DAY, sunday),
        "month": (month, today + _DAY),
        "lastmonth": ((month - _DAY).replace(day=1), month),
    }
    if text not in spans:
        raise BadWindow(f"{text!r} is no window; try today, 7d, or two RFC 3339 times")
    start, end = spans[text]
    return Window(calendar.day_start(start), calendar.day_start(end))


def _time(text: str) -> datetime:
    try:
        if text.isdecimal() and len(text) <= 11:
            return datetime.fromtimestamp(int(text), UTC)
        at = datetime.fromisoformat(text.strip())
        if at.tzinfo is None:
            raise BadWindow(f"{text!r} lacks its offset, for example Z")
        return calendar.whole(at)
    except (ValueError, OverflowError) as error:
        raise BadWindow(f"{text!r} is neither an RFC 3339 time nor Unix seconds") from error
