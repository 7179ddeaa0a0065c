"""Following a log by asking again: what is new since the last answer.

Clouds give the last lines, not a stream. A cursor is the time of the last line seen and how many
lines of that time were seen, so that nothing is shown twice and nothing is lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

# Clocks of the instance and ours may differ by so much.
SKEW = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Cursor:
    time: str = ""
    seen: int = 0

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """A cursor that is not ours starts over."""
        time, _bar, seen = text.rpartition("|")
        return cls(time, int(seen)) if time and seen.isdecimal() else cls()

    def __str__(self) -> str:
        return f"{self.time}|{self.seen}" if self.time else ""

    def since_seconds(self, now: datetime) -> int | None:
        """How far back to ask so that the line of this cursor is in the answer."""
        try:
            at = datetime.fromisoformat(self.time)
        except ValueError:
            return None
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        return max(1, int((now - at + SKEW).total_seconds()))


def _time(line: str) -> str:
    return line.partition(" ")[0]


def fresh(lines: list[str], cursor: Cursor) -> tuple[list[str], Cursor]:
    """The lines after the cursor, and the cursor after them. Lines begin with their time."""
    if cursor.time:
        later = [line for line in lines if _time(line) > cursor.time]
        same = [line for line in lines if _time(line) == cursor.time]
        new = same[cursor.seen :] + later
    else:
        new = lines
    if not new:
        return [], cursor
    last = _time(new[-1])
    count = sum(_time(line) == last for line in new)
    return new, Cursor(last, count + (cursor.seen if last == cursor.time else 0))
