"""What final bills say of the lines of an export: shares that add up to the bill's amounts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from console.billing.exports.source import Asked
from console.models import BillDay, BillItem, UsageLine

_PLACES = Decimal("0.00000001")
Key = tuple[int, date, str, str]


@dataclass(frozen=True, slots=True)
class BilledLine:
    """`final`: the bill of its day will not change any more, and `billed` is its word."""

    line: UsageLine
    billed: Decimal
    final: bool


@dataclass
class Billed:
    """Items of the final days by account, day, instance and currency."""

    final: frozenset[tuple[int, date, str]]
    items: dict[Key, list[BillItem]]
    used: set[Key] = field(default_factory=set)

    @classmethod
    def read(cls, asked: Asked) -> Billed:
        days = BillDay.objects.filter(
            day__gte=asked.start, day__lt=asked.end, state=BillDay.State.FINAL
        )
        bills = BillItem.objects.filter(day__gte=asked.start, day__lt=asked.end)
        if asked.teams is not None:
            days = days.filter(account__team__in=asked.teams)
            bills = bills.filter(account__team__in=asked.teams)
        final = frozenset(days.values_list("account_id", "day", "currency"))
        items: dict[Key, list[BillItem]] = defaultdict(list)
        for item in bills.order_by("account_id", "day", "cloud_id", "id").iterator():
            if (item.account_id, item.day, item.currency) in final:
                items[item.account_id, item.day, item.cloud_id, item.currency].append(item)
        return cls(final, dict(items))

    def of(self, key: Key) -> Decimal | None:
        """What is billed for the instance on that day; None while the bill is not final."""
        if (key[0], key[1], key[3]) not in self.final:
            return None
        if not key[2]:
            # What names no instance (a refund, rounding) is none of an instance without an id.
            return Decimal(0)
        self.used.add(key)
        return sum((item.amount for item in self.items.get(key, ())), Decimal(0))

    def unmatched(self) -> Iterator[BillItem]:
        """Items that belong to no line; to be asked for after all lines."""
        for key, items in self.items.items():
            if key not in self.used:
                yield from items


def shares(lines: Sequence[UsageLine], billed: Billed) -> Iterator[BilledLine]:
    """Of one instance and day. Shares are cut by cumulative rounding: they add up to the bill."""
    by_currency: dict[str, list[UsageLine]] = defaultdict(list)
    for line in lines:
        by_currency[line.currency].append(line)
    for currency, members in by_currency.items():
        first = members[0]
        amount = billed.of((first.account_id, first.day, first.cloud_id, currency))
        yield from _shared(members, amount)


def _shared(lines: Sequence[UsageLine], amount: Decimal | None) -> Iterator[BilledLine]:
    if amount is None:
        yield from (BilledLine(line, line.amount, False) for line in lines)
        return
    total = sum((line.amount for line in lines), Decimal(0))
    so_far = given = Decimal(0)
    for index, line in enumerate(lines, 1):
        so_far += line.amount
        part = so_far / total if total else Decimal(index) / len(lines)
        upto = amount if index == len(lines) else (amount * part).quantize(_PLACES)
        yield BilledLine(line, upto - given, True)
        given = upto
