"""What is spent now: per hour, today, this month; shown on several pages, ticking in each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from console.access import AnyUser
from console.billing import live
from console.billing.live import Meter
from console.billing.readers import teams_of
from providers.calendar import month_of


@dataclass(frozen=True, slots=True)
class Tick:
    """One currency: its amount at the time of drawing, and what it grows by."""

    currency: str
    amount: Decimal
    per_hour: Decimal


@dataclass(frozen=True, slots=True)
class Now:
    now: tuple[Tick, ...]
    today: tuple[Tick, ...]
    month: tuple[Tick, ...]
    instances: int
    unpriced: int
    month_start: date


def _ticks(meters: Mapping[str, Meter], at: datetime) -> tuple[Tick, ...]:
    """The currency most is spent in comes first."""
    found = [Tick(code, one.value(at), one.per_hour) for code, one in meters.items()]
    return tuple(sorted(found, key=lambda tick: (-tick.amount, tick.currency)))


def spending(
    user: AnyUser, at: datetime, where: Mapping[str, tuple[str, ...]] | None = None
) -> Now:
    """Of what the reader may see, narrowed by the groups that `billing.live` knows."""
    known = {name: texts for name, texts in (where or {}).items() if name in live.GROUPS}
    return ticking(live.spend(teams_of(user), at, known), at)


def ticking(found: live.Live, at: datetime) -> Now:
    month = _ticks(found.month, at)
    return Now(
        now=tuple(tick for tick in month if tick.per_hour),
        today=_ticks(found.today, at),
        month=month,
        instances=sum(one.running for one in found.today.values()) + found.unpriced,
        unpriced=found.unpriced,
        month_start=month_of(at),
    )
