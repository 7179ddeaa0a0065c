"""Hours of the last day that cost far more than the same hours a week before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from console.access import AnyUser
from console.billing.forecast import amount_in, amounts_in
from console.billing.readers import teams_of
from console.billing.series import cut
from console.billing.statements import Keys, Query, titles_of
from providers.calendar import hour_start

_HOUR = timedelta(hours=1)
_WEEK = timedelta(days=7)
HOURS = 24
# An hour stands out when it cost half as much again, and rose by a tenth of all that hour's cost.
_TIMES = Decimal("1.5")
_OF_ALL = Decimal("0.1")


@dataclass(frozen=True, slots=True)
class Anomaly:
    """From `start` to `end`, whole hours, `amount` was spent; the same hours last week `before`."""

    keys: Keys
    currency: str
    start: datetime
    end: datetime
    amount: Decimal
    before: Decimal


@dataclass(frozen=True, slots=True)
class Anomalies:
    """The last 24 hours that are over. Not `compared`: there was nothing a week before."""

    compared: bool
    rows: tuple[Anomaly, ...]
    titles: Mapping[tuple[str, str], str]


def anomalies(user: AnyUser, query: Query, now: datetime) -> Anomalies:
    """Rises against the same hour last week, by the query's groups; its days do not count."""
    teams = teams_of(user)
    last = hour_start(now)
    borders = [last - hours * _HOUR for hours in range(HOURS, -1, -1)]
    after = cut(teams, query, borders, now)
    before = cut(teams, query, [at - _WEEK for at in borders], now)
    if not any(before):
        return Anomalies(False, (), {})
    found: list[Anomaly] = []
    for key in sorted({key for cells in after for key in cells if key[1]}):
        pairs = [
            (amount_in(new, *key), amount_in(old, *key))
            for new, old in zip(after, before, strict=True)
        ]
        alls = [amounts_in(cells).get(key[1], Decimal(0)) for cells in after]
        found += _merged(key, pairs, alls, borders)
    found.sort(key=lambda one: one.before - one.amount)
    return Anomalies(True, tuple(found), titles_of(query, [one.keys for one in found]))


def _merged(
    key: tuple[Keys, str],
    pairs: Sequence[tuple[Decimal, Decimal]],
    alls: Sequence[Decimal],
    borders: Sequence[datetime],
) -> list[Anomaly]:
    """Consecutive hours that stand out become one."""
    found: list[Anomaly] = []
    for index, ((new, old), everything) in enumerate(zip(pairs, alls, strict=True)):
        if new <= old * _TIMES or new - old < everything * _OF_ALL or not new:
            continue
        hour = Anomaly(*key, borders[index], borders[index + 1], new, old)
        if found and found[-1].end == hour.start:
            before = found.pop()
            hour = replace(
                hour,
                start=before.start,
                amount=before.amount + new,
                before=before.before + old,
            )
        found.append(hour)
    return found
