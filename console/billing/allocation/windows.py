"""The `window` and `step` parameters of OpenCost's Allocation API. Pure.

Source: OpenCost documentation, "API": windows are `today`, `yesterday`, `week`, `month`,
`lastweek`, `lastmonth`, durations (`90m`, `24h`, `7d`, `2w`) that end now, and pairs of RFC 3339
times or Unix seconds between a comma. Named windows are cut where OpenCost's UTC offset says: here
at the clouds' billing midnight, UTC+8. A week begins on Sunday, as OpenCost has it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from providers import calendar

_DURATION = re.compile(r"^([1-9][0-9]{0,4})([mhdw])$")
_UNITS = {
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_DAY = timedelta(days=1)
LONGEST = timedelta(days=400)
MOST_SETS = 1000


class BadWindow(ValueError):
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


def window(text: str, now: datetime) -> Window:
    """Raises `BadWindow`."""
    if "," in text:
        start, _, end = text.partition(",")
        found = Window(_time(start), _time(end))
    elif match := _DURATION.match(text):
        end_at = calendar.whole(now)
        found = Window(end_at - int(match[1]) * _UNITS[match[2]], end_at)
    else:
        found = _named(text, calendar.day_of(now))
    if found.length <= timedelta(0):
        raise BadWindow("the window ends before it begins")
    if found.length > LONGEST:
        raise BadWindow(f"the window is longer than {LONGEST.days} days")
    return found


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
    except ValueError as error:
        raise BadWindow(f"{text!r} is neither an RFC 3339 time nor Unix seconds") from error
    if at.tzinfo is None:
        raise BadWindow(f"{text!r} lacks its offset, for example Z")
    return calendar.whole(at)
