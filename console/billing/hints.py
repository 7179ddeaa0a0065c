"""Where money could be saved, with the figures that say so.

Each hint is of what was paid in the query's days. What it names is an upper bound: nobody gets all
of it back. A hint whose facts nobody measured says so instead of saying zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from console.access import AnyUser
from console.billing import use
from console.billing.figures import NOTHING, Figures
from console.billing.groups import YES
from console.billing.readers import Teams, teams_of
from console.billing.statements import Keys, Query, cells_of, titles_of
from providers.meter import Kind

TOP = 5
_CENT = Decimal("0.01")


class Code(StrEnum):
    """`rounding`: sizes billed beyond what pods asked for. `spot`: what ran at full price while
    the same teams ran some on spot. `waiting`: billed before the first container ran, or of lives
    that never ran one. `orphans`: billed while no pod owned it. `idle`: billed beyond the most
    that was used, with head-room (`console.billing.use`); without figures where no cloud tells."""

    ROUNDING = "rounding"
    SPOT = "spot"
    WAITING = "waiting"
    ORPHANS = "orphans"
    IDLE = "idle"


@dataclass(frozen=True, slots=True)
class Top:
    """Where most of it is: (cluster, namespace, workload)."""

    keys: Keys
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Hint:
    """`amount` of `total` in `currency` could be saved at most; `share` is their ratio.

    `figures` are of the usage the hint is about. `saving` is a better estimate than `amount` where
    there is one. Not `measured`: there are no figures.
    """

    code: Code
    currency: str
    amount: Decimal
    total: Decimal
    figures: Figures
    saving: Decimal | None = None
    top: tuple[Top, ...] = ()
    measured: bool = True

    @property
    def share(self) -> Decimal:
        return self.amount / self.total if self.total else Decimal(0)


@dataclass(frozen=True, slots=True)
class Hints:
    """The largest amounts first. `titles` as in `Statement`, of `GROUP`."""

    rows: tuple[Hint, ...]
    titles: Mapping[tuple[str, str], str]


GROUP = ("cluster", "namespace", "workload")
_ASKED = (*GROUP, "kind", "spot", "provider")


def hints(user: AnyUser, query: Query, now: datetime) -> Hints:
    return read(teams_of(user), query, now)


def read(teams: Teams, query: Query, now: datetime) -> Hints:
    """The hints for these teams, whoever asks."""
    asked = replace(query, group=_ASKED)
    cells = cells_of(teams, asked, now)
    unused = use.unused(teams, query.start, query.end)
    found: list[Hint] = []
    for currency in sorted({one for _, one in cells if one}):
        mine = {keys: more for (keys, one), more in cells.items() if one == currency}
        total = sum(mine.values(), NOTHING)
        found += [*_of(currency, mine, total), *_idle(currency, mine, total, unused)]
    found.sort(key=lambda hint: (not hint.measured, -(hint.saving or hint.amount), hint.code))
    keys = [top.keys for hint in found for top in hint.top]
    return Hints(tuple(found), titles_of(replace(query, group=GROUP), keys))


_Mine = Mapping[Keys, Figures]


def _of(currency: str, mine: _Mine, total: Figures) -> list[Hint]:
    waiting = (Kind.STARTING, Kind.FAILED)
    parts = (
        (Code.ROUNDING, {keys: more.over_amount for keys, more in mine.items()}),
        (Code.WAITING, {keys: more.amount for keys, more in mine.items() if keys[3] in waiting}),
        (Code.ORPHANS, {k: more.amount for k, more in mine.items() if k[3] == Kind.ORPHAN}),
    )
    found = []
    for code, amounts in parts:
        amount = sum(amounts.values(), Decimal(0))
        if amount >= _CENT:
            figures = sum((mine[keys] for keys in amounts), NOTHING)
            found.append(Hint(code, currency, amount, total.amount, figures, None, _top(amounts)))
    return [*found, *_spot(currency, mine, total)]


def _top(amounts: Mapping[Keys, Decimal]) -> tuple[Top, ...]:
    summed: dict[Keys, Decimal] = {}
    for keys, amount in amounts.items():
        summed[keys[:3]] = summed.get(keys[:3], Decimal(0)) + amount
    ranked = sorted(summed.items(), key=lambda one: (-one[1], one[0]))
    return tuple(Top(keys, amount) for keys, amount in ranked[:TOP] if amount)


def _spot(currency: str, mine: _Mine, total: Figures) -> list[Hint]:
    """What ran at full price; how much less by what the same reader paid for spot per vCPU-hour,
    provider by provider."""
    full = {keys: more.amount for keys, more in mine.items() if keys[4] != YES}
    amount = sum(full.values(), Decimal(0))
    if amount < _CENT:
        return []
    saving = [_cheaper(mine, provider) for provider in sorted({keys[5] for keys in full})]
    known = [one for one in saving if one is not None]
    figures = sum((mine[keys] for keys in full), NOTHING)
    less = sum(known, Decimal(0)) if known else None
    return [Hint(Code.SPOT, currency, amount, total.amount, figures, less, _top(full))]


def _cheaper(mine: _Mine, provider: str) -> Decimal | None:
    spot = sum((m for keys, m in mine.items() if keys[5] == provider and keys[4] == YES), NOTHING)
    full = sum((m for keys, m in mine.items() if keys[5] == provider and keys[4] != YES), NOTHING)
    if not spot.cpu_seconds or not full.cpu_seconds:
        return None
    as_spot = full.cpu_seconds * spot.amount / spot.cpu_seconds
    return max(full.amount - as_spot, Decimal(0)).quantize(_CENT)


def _idle(
    currency: str, mine: _Mine, total: Figures, unused: Mapping[Keys, use.Unused]
) -> list[Hint]:
    """What ran; a machine costs as much as whichever of its parts is used more."""
    if not unused:
        return [Hint(Code.IDLE, currency, Decimal(0), total.amount, NOTHING, measured=False)]
    ran = {
        keys: more for keys, more in mine.items() if keys[3] == Kind.RUNNING and keys[:3] in unused
    }
    amounts = {keys: _beyond(more, unused[keys[:3]]) for keys, more in ran.items()}
    amount = sum(amounts.values(), Decimal(0))
    if amount < _CENT:
        return []
    figures = sum(ran.values(), NOTHING)
    return [Hint(Code.IDLE, currency, amount, total.amount, figures, None, _top(amounts))]


def _beyond(figures: Figures, unused: use.Unused) -> Decimal:
    parts = figures.cpu_amount * unused.cpu + figures.memory_amount * unused.memory
    return parts + figures.machine_amount * min(unused.cpu, unused.memory)
