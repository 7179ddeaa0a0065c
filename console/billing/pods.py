"""The money of one pod: its instances, the lines of their lives until now, and their bills.

Metered anew from the facts of the ledger, so that it is what posted lines and the running part of a
statement add up to.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from console.access import AnyUser, visible
from console.billing import drafts
from console.billing.book import book_of
from console.billing.drafts import Draft
from console.billing.figures import NOTHING, Figures
from console.billing.models import BillDay, BillItem
from providers.models import CloudAccount, Instance, Orphan
from providers.prices import Rate

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Day:
    """One billing day of one instance in one currency; `billed` None: no bill tells of it."""

    day: date
    currency: str
    seconds: int
    metered: Decimal
    billed: Decimal | None
    state: str


@dataclass(frozen=True, slots=True)
class Cost:
    """What one instance cost; `rate` is that of its present size, None when it has ended."""

    instance: Instance
    drafts: tuple[Draft, ...]
    days: tuple[Day, ...]
    rate: Rate | None
    runs: bool

    @property
    def last_rate(self) -> Rate | None:
        return self.drafts[-1].line.rate if self.drafts else None


@dataclass(frozen=True, slots=True)
class PodMoney:
    """`totals` by currency, `billed` what bills say of it; `unpriced` is in no total."""

    costs: tuple[Cost, ...]
    totals: Mapping[str, Figures]
    unpriced: Figures
    billed: Mapping[str, Decimal]
    at: datetime

    @property
    def per_hour(self) -> dict[str, Decimal]:
        """What it costs an hour from now on, by currency."""
        found: dict[str, Decimal] = {}
        for cost in self.costs:
            if cost.rate is not None:
                found[cost.rate.currency] = found.get(cost.rate.currency, ZERO) + cost.rate.total
        return found

    @property
    def wasted(self) -> dict[str, Decimal]:
        """The part of the totals before any container ran, and without an owner."""
        found: dict[str, Decimal] = {}
        for draft in (draft for cost in self.costs for draft in cost.drafts):
            if draft.scope.kind != "running" and draft.scope.currency:
                code = draft.scope.currency
                found[code] = found.get(code, ZERO) + draft.line.amount
        return found


def money_of(user: AnyUser, pod_uid: str, now: datetime) -> PodMoney:
    """Of all the instances the pod ever had, as far as the reader may see their accounts."""
    rows = Instance.objects.filter(pod_uid=pod_uid, account__in=visible(CloudAccount, user))
    found = list(rows.select_related("account__team").order_by("generation"))
    orphans = drafts.orphans_of(found)
    costs = tuple(_cost(row, orphans.get(row.pk, ()), now) for row in found)
    totals: dict[str, Figures] = {}
    for draft in (draft for cost in costs for draft in cost.drafts):
        code = draft.scope.currency
        totals[code] = totals.get(code, NOTHING) + draft.figures
    unpriced = totals.pop("", NOTHING)
    return PodMoney(costs, totals, unpriced, _billed(costs), now)


def _cost(row: Instance, orphans: Iterable[Orphan], now: datetime) -> Cost:
    metered = drafts.of_instance(row, book_of(row.account.team), now, tuple(orphans))
    runs = metered.life is not None and not metered.life.over and bool(metered.drafts)
    rate = metered.drafts[-1].line.rate if runs else None
    return Cost(row, metered.drafts, _days(row, metered.drafts), rate, runs)


def _days(row: Instance, lines: Iterable[Draft]) -> tuple[Day, ...]:
    """By billing day, beside what the bill says of the instance."""
    used: dict[tuple[date, str], list[Draft]] = defaultdict(list)
    for draft in lines:
        used[draft.scope.day, draft.scope.currency].append(draft)
    items = BillItem.objects.filter(account=row.account_id, cloud_id=row.cloud_id or "-")
    billed: dict[tuple[date, str], Decimal] = defaultdict(lambda: ZERO)
    for item in items:
        billed[item.day, item.currency] += item.amount
    keys = sorted(set(used) | set(billed))
    days = BillDay.objects.filter(account=row.account_id, day__in={day for day, _code in keys})
    states = {(one.day, one.currency): one.state for one in days}
    return tuple(
        Day(
            day=day,
            currency=code,
            seconds=sum(draft.line.seconds for draft in used.get((day, code), ())),
            metered=sum((draft.line.amount for draft in used.get((day, code), ())), ZERO),
            billed=billed.get((day, code)),
            state=states.get((day, code), BillDay.State.ESTIMATED),
        )
        for day, code in keys
    )


def _billed(costs: Iterable[Cost]) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for day in (day for cost in costs for day in cost.days):
        if day.billed is not None:
            found[day.currency] = found.get(day.currency, ZERO) + day.billed
    return found
