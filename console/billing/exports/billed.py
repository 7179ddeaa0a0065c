"""What final bills say of the lines of an export: shares that add up to the bill's amounts.

Bills are read day by day, so that an export of a year holds no more than one day of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from console.billing.exports.source import Asked
from console.models import BillDay, BillItem, UsageLine

_PLACES = Decimal("0.00000001")


@dataclass(frozen=True, slots=True)
class BilledLine:
    """`final`: the bill of its day will not change any more, and `billed` is its word."""

    line: UsageLine
    billed: Decimal
    final: bool


@dataclass
class DayBill:
    """Items of one account and day by instance and currency; of the currencies that are final."""

    final: frozenset[str]
    items: dict[tuple[str, str], list[BillItem]]
    used: set[tuple[str, str]] = field(default_factory=set)

    def of(self, cloud_id: str, currency: str) -> Decimal | None:
        """What is billed for the instance; None while the bill is not final."""
        if currency not in self.final:
            return None
        if not cloud_id:
            # What names no instance (a refund, rounding) is none of an instance without an id.
            return Decimal(0)
        self.used.add((cloud_id, currency))
        return sum((item.amount for item in self.items.get((cloud_id, currency), ())), Decimal(0))

    def unmatched(self) -> Iterator[BillItem]:
        """Items that belong to no line; to be asked for after all lines."""
        for key, items in self.items.items():
            if key not in self.used:
                yield from items


@dataclass
class Billed:
    """The final days: currencies by account and day."""

    days: dict[tuple[int, date], set[str]]

    @classmethod
    def read(cls, asked: Asked) -> Billed:
        rows = BillDay.objects.filter(
            day__gte=asked.start, day__lt=asked.end, state=BillDay.State.FINAL
        )
        if asked.teams is not None:
            rows = rows.filter(account__team__in=asked.teams)
        found: dict[tuple[int, date], set[str]] = defaultdict(set)
        for account, day, currency in rows.values_list("account_id", "day", "currency"):
            found[account, day].add(currency)
        return cls(dict(found))

    def on(self, account: int, day: date) -> DayBill:
        final = frozenset(self.days.get((account, day), ()))
        items: dict[tuple[str, str], list[BillItem]] = defaultdict(list)
        rows = BillItem.objects.filter(account=account, day=day, currency__in=final)
        for item in rows.defer("raw").order_by("cloud_id", "id").iterator() if final else ():
            items[item.cloud_id, item.currency].append(item)
        return DayBill(final, dict(items))


def shares(lines: Sequence[UsageLine], bill: DayBill) -> Iterator[BilledLine]:
    """Of one instance and day. Shares are cut by cumulative rounding: they add up to the bill."""
    by_currency: dict[str, list[UsageLine]] = defaultdict(list)
    for line in lines:
        by_currency[line.currency].append(line)
    for currency, members in by_currency.items():
        yield from _shared(members, bill.of(members[0].cloud_id, currency))


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
