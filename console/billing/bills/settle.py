"""What a final bill settles: when a life ended that nobody saw end, or began that nobody told.

A bill tells for how many seconds an item of an instance was served on a day. From the begin of its
last billed day, or its own, they lead to the end; back from the end of its first one, or its own,
to the begin. Cycles that came to less than the least amount are missing from a bill with their
seconds: where such a one may be missing, and where the answer is not within what is possible,
nothing is settled.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from django.db import transaction

from console.billing import posting
from console.billing.bills.payers import Payer
from console.billing.changes import Reason
from console.billing.drafts import orphans_of
from console.billing.models import BillDay, BillItem, UsageLine
from providers.bill import Bill, Rounding
from providers.calendar import day_of, day_start, whole
from providers.lives import life_of
from providers.models import Instance

_DAY = timedelta(days=1)
# How near to the least amount a cycle may be so that it is uncertain whether it was billed.
_NEAR = 2
_EPOCH = day_start(date(1970, 1, 1))


@dataclass(frozen=True, slots=True)
class Served:
    """The item of an instance that was served longest on a day, and what a second of it cost."""

    seconds: int
    per_second: Decimal


@dataclass(frozen=True, slots=True)
class Doubt:
    """A life that began up to `begin_bound` seconds after `begin`, or ended up to `end_bound`
    before `end`."""

    begin: datetime
    end: datetime
    begin_bound: int = 0
    end_bound: int = 0

    @property
    def span(self) -> tuple[datetime, datetime]:
        """When that was: the first and the last possible time."""
        if self.begin_bound:
            return self.begin, self.begin + timedelta(seconds=self.begin_bound)
        return self.end - timedelta(seconds=self.end_bound), self.end


def told(
    doubt: Doubt, served: Mapping[date, Served], rounding: Rounding
) -> tuple[datetime, datetime] | None:
    """Begin and end as the bill tells them, None where it leaves them open. Pure."""
    if not served or bool(doubt.begin_bound) == bool(doubt.end_bound):
        return None
    day = max(served) if doubt.end_bound else min(served)
    find = _end if doubt.end_bound else _begin
    at = find(doubt, day, served[day], rounding)
    first, last = doubt.span
    if at is None or not first <= at <= last:
        return None
    return (doubt.begin, at) if doubt.end_bound else (at, doubt.end)


def _end(doubt: Doubt, day: date, one: Served, rounding: Rounding) -> datetime | None:
    start = max(doubt.begin, day_start(day))
    end = start + timedelta(seconds=one.seconds)
    head = -(start - _EPOCH) % _cycle(rounding)
    return None if _hidden(head, end, doubt.end, one, rounding) else end


def _begin(doubt: Doubt, day: date, one: Served, rounding: Rounding) -> datetime | None:
    stop = min(doubt.end, day_start(day + _DAY))
    begin = stop - timedelta(seconds=one.seconds)
    tail = (stop - _EPOCH) % _cycle(rounding)
    return None if _hidden(tail, begin, doubt.begin, one, rounding) else begin


def _cycle(rounding: Rounding) -> timedelta:
    return timedelta(seconds=rounding.cycle_seconds)


def _hidden(
    part: timedelta, at: datetime, bound: datetime, one: Served, rounding: Rounding
) -> bool:
    """Whether a cycle may be missing: the known `part` of one, or one beyond `at`, which is then
    where a cycle begins."""
    if not rounding.least:
        return False
    least = rounding.least * _NEAR
    if part and one.per_second * int(part.total_seconds()) < least:
        return True
    return at != bound and not (at - _EPOCH) % _cycle(rounding)


def settle(payer: Payer, bill: Bill, now: datetime) -> int:
    """Correct what this final bill tells; how many lives were settled."""
    if not bill.final:
        return 0
    lines = UsageLine.objects.filter(
        account__in=payer.covers,
        day=bill.day,
        bound_seconds__gt=0,
        instance__state=Instance.State.CLOSED,
        instance__settled_at=None,
    )
    pks = sorted({pk for pk in lines.values_list("instance_id", flat=True) if pk is not None})
    return sum(_settle(pk, bill, now) for pk in pks)


def _settle(pk: int, bill: Bill, now: datetime) -> int:
    with transaction.atomic():
        row = Instance.objects.select_for_update(of=("self",)).get(pk=pk)
        doubt = _doubt(row)
        if doubt is None or not _all_final(row, doubt):
            return 0
        found = told(doubt, _served(row), bill.rounding)
        if found is None:
            return 0
        row.billed_from, row.billed_to = found
        row.settled_at, row.unposted = now, True
        row.save(update_fields=["billed_from", "billed_to", "settled_at", "unposted"])
        posting.post([row.pk], now, reason=Reason.BILL)
    return 1


def _doubt(row: Instance) -> Doubt | None:
    """None when nothing is doubtful, or what a bill cannot tell."""
    life = life_of(row, orphans_of([row]).get(row.pk, ()))
    if life is None or life.end is None or row.billed_from is None or row.billed_to is None:
        return None
    return Doubt(whole(life.begin), whole(life.end), life.begin_bound, life.end_bound)


def _all_final(row: Instance, doubt: Doubt) -> bool:
    """Whether every day on which the doubtful seconds are has its final bill."""
    first, end = doubt.span
    last = day_of(end - timedelta(seconds=1))
    days = {day_of(first) + n * _DAY for n in range((last - day_of(first)).days + 1)}
    final = BillDay.objects.filter(account=row.account_id, day__in=days, state=BillDay.State.FINAL)
    return days <= set(final.values_list("day", flat=True))


def _served(row: Instance) -> dict[date, Served]:
    items: dict[date, list[BillItem]] = defaultdict(list)
    for item in BillItem.objects.filter(account=row.account_id, cloud_id=row.cloud_id):
        if item.seconds:
            items[item.day].append(item)
    return {day: _longest(rows) for day, rows in items.items()}


def _longest(items: Iterable[BillItem]) -> Served:
    one = max(items, key=lambda item: (item.seconds or 0, item.amount))
    seconds = one.seconds or 1
    return Served(seconds, one.amount / seconds)
