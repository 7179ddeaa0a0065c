"""One day of an account: the bill's lines beside our usage, and what explains the difference."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal

from console.billing import running
from console.billing.models import BillDay, BillItem, UsageLine
from console.billing.statements import Query
from providers.bill import Bill, Rounding
from providers.models import CloudAccount

ZERO = Decimal(0)
_DAY = timedelta(days=1)
# Days that fresh lines still come for.
FRESH_DAYS = 3
# What a bill has a line of its own for.
PARTS = ("cpu_amount", "memory_amount", "machine_amount", "storage_amount")


@dataclass(slots=True)
class Used:
    """What we say of an instance and a day, in one currency (empty: unpriced); `parts` in the
    order of `PARTS`."""

    seconds: int = 0
    parts: tuple[Decimal, ...] = (ZERO,) * len(PARTS)
    pod: str = ""
    namespace: str = ""

    @property
    def amount(self) -> Decimal:
        return sum(self.parts, ZERO)

    def add(self, seconds: int, parts: Iterable[Decimal], pod: str, namespace: str) -> None:
        self.seconds += seconds
        self.parts = tuple(a + b for a, b in zip(self.parts, parts, strict=True))
        self.pod, self.namespace = pod or self.pod, namespace or self.namespace


@dataclass(slots=True)
class Billed:
    """What the bill says of it."""

    amount: Decimal = ZERO
    items: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Compared:
    """One currency of the day. `rounding` is the part of the difference that cents explain."""

    estimate: Decimal = ZERO
    billed: Decimal = ZERO
    rounding: Decimal = ZERO
    matched: int = 0
    only_billed: int = 0
    only_used: int = 0


Key = tuple[str, str]


def used_on(account: CloudAccount, day: date, now: datetime) -> dict[Key, Used]:
    """By currency and instance: posted lines, and what is not posted yet."""
    found: dict[Key, Used] = defaultdict(Used)
    rows = UsageLine.objects.filter(account=account, day=day)
    names = ("currency", "cloud_id", "seconds", "pod_name", "namespace", *PARTS)
    for currency, cloud_id, seconds, pod, namespace, *parts in rows.values_list(*names).iterator():
        found[currency, cloud_id].add(seconds, parts, pod, namespace)
    own = {"account": frozenset({str(account.pk)})}
    teams, asked = frozenset({account.team_id}), Query(start=day, end=day + _DAY)
    for _, part in running.matching(teams, asked, own, now):
        told, subject = part.figures, part.subject
        one = found[part.scope.currency, subject.cloud_id]
        parts = [getattr(told, name) for name in PARTS]
        one.add(told.seconds, parts, subject.pod_name, part.scope.namespace)
    return {key: one for key, one in found.items() if one.seconds or one.amount}


def billed_on(account: CloudAccount, day: date) -> dict[Key, Billed]:
    found: dict[Key, Billed] = defaultdict(Billed)
    for item in BillItem.objects.filter(account=account, day=day):
        one = found[item.currency, item.cloud_id]
        one.amount += item.amount
        one.items.add(item.item)
    return dict(found)


def compare(
    used: Mapping[Key, Used], billed: Mapping[Key, Billed], rounding: Rounding, *, complete: bool
) -> dict[str, Compared]:
    """By currency. What is not in a bill that is still coming counts as nothing. Pure."""
    made: dict[str, Compared] = defaultdict(Compared)
    known = {cloud_id for _, cloud_id in used}
    charged = {cloud_id for _, cloud_id in billed}
    for (currency, cloud_id), bill in billed.items():
        one = made[currency]
        one.billed += bill.amount
        if cloud_id in known:
            one.matched += 1
            one.rounding += _cents(used.get((currency, cloud_id)), bill, rounding)
        elif cloud_id:
            one.only_billed += 1
    for (currency, cloud_id), use in used.items():
        if not currency:
            continue
        one = made[currency]
        one.estimate += use.amount
        if cloud_id in charged or not complete:
            continue
        if _left_out(use, rounding):
            one.rounding -= use.amount
        else:
            one.only_used += 1
    return made


def _cycles(use: Used, rounding: Rounding) -> int:
    """At most so many cycles are touched by so many seconds."""
    return use.seconds // rounding.cycle_seconds + 2


def _cents(use: Used | None, bill: Billed, rounding: Rounding) -> Decimal:
    """The difference, where cents explain all of it."""
    if use is None:
        return ZERO
    difference = bill.amount - use.amount
    most = rounding.unit * _cycles(use, rounding) * len(bill.items)
    return difference if abs(difference) <= most else ZERO


def _left_out(use: Used, rounding: Rounding) -> bool:
    """Whether each cycle of each part may have come to less than the least that is billed."""
    most = rounding.least * _cycles(use, rounding)
    return all(part < most for part in use.parts)


def reconcile(
    account: CloudAccount, bill: Bill, now: datetime, currencies: Iterable[str] = ()
) -> None:
    """Write how far the day is compared, for each currency in it and for `currencies`."""
    billed = billed_on(account, bill.day)
    used = used_on(account, bill.day, now)
    made = compare(used, billed, bill.rounding, complete=bill.complete or bill.final)
    there = set(BillDay.objects.filter(account=account, day=bill.day).values_list("currency"))
    for currency in {*made, *currencies, *(row[0] for row in there)}:
        one = made.get(currency, Compared())
        BillDay.objects.update_or_create(
            account=account,
            day=bill.day,
            currency=currency,
            defaults={
                "state": _state(bill, any(key[0] == currency for key in billed)),
                "estimate": one.estimate,
                "billed": one.billed,
                "rounding": one.rounding,
                "matched": one.matched,
                "only_billed": one.only_billed,
                "only_used": one.only_used,
                "asked_at": now,
                "trouble": "",
            },
        )


def estimate(account: CloudAccount, first: date, last: date, now: datetime) -> None:
    """Write the estimates of days of which no bill was heard, as long as they may change."""
    rows = BillDay.objects.filter(account=account, day__gte=first)
    known = dict(rows.values_list("day", "state"))
    lines = UsageLine.objects.filter(account=account, day__gte=first)
    fresh = {last - n * _DAY for n in range(FRESH_DAYS)}
    for day in sorted({*lines.values_list("day", flat=True).distinct(), *fresh}):
        settled = day in known and (day not in fresh or known[day] != BillDay.State.ESTIMATED)
        if not settled and day >= first:
            _estimate(account, day, now)


def _estimate(account: CloudAccount, day: date, now: datetime) -> None:
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for (currency, _), use in used_on(account, day, now).items():
        sums[currency] += use.amount
    for currency, amount in sums.items():
        if currency:
            BillDay.objects.update_or_create(
                account=account, day=day, currency=currency, defaults={"estimate": amount}
            )


def _state(bill: Bill, heard: bool) -> BillDay.State:
    if bill.final:
        return BillDay.State.FINAL
    return BillDay.State.PARTLY if heard else BillDay.State.ESTIMATED
