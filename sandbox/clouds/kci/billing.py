"""What the account is charged for its container groups (KCI price page; API ``bill-union``).

Seconds are settled hourly at the prices of the account's contract, which a knob tells since none
are public. A cycle of an instance is charged at least a cent.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fnmatch import fnmatchcase

from ..billing import CENT, Daily, Price, Rules, Served, Stretch
from ..groups.model import Group
from .cloud import KciCloud

INSTANCE = "instance"
HOUR = Decimal(3600)


@dataclass(frozen=True)
class Charge:
    """What an instance costs on a day, or one item of it."""

    day: date
    instance: str
    served: Served
    item: str = INSTANCE
    group: Group | None = None

    @property
    def name(self) -> str:
        """The instance's name, where there was one."""
        return self.group.name if self.group else ""


def days(cloud: KciCloud, now: float) -> Iterator[Charge]:
    """Yield each instance's charge of each day, as far as it is billed."""
    rules = Rules(
        minimum=CENT,
        discount=Decimal(cloud.knobs.bill_discount),
        delay=cloud.knobs.bill_delay_seconds,
        early=cloud.knobs.bill_early,
    )
    for group in _billed(cloud):
        lines = Daily.of(_whole(cloud, group), rules, now).lines
        yield from (
            Charge(day, group.id, served, group=group) for (day, _), served in lines.items()
        )
    for line in cloud.knobs.bill_extra:
        amount = Decimal(line["billRealAmount"])
        served = Served(seconds=int(line.get("duration", "0")), gross=amount, amount=amount)
        yield Charge(date.fromisoformat(line["billDay"]), line["instanceId"], served)


def items(cloud: KciCloud, now: float) -> Iterator[Charge]:
    """Yield cpu, memory and gpu of each instance and day; amounts are exact."""
    rules = Rules(delay=cloud.knobs.bill_delay_seconds, early=cloud.knobs.bill_early)
    for group in _billed(cloud):
        for (day, item), served in Daily.of(_stretches(cloud, group), rules, now).lines.items():
            served.amount = served.gross * Decimal(cloud.knobs.bill_discount)
            yield Charge(day, group.id, served, item, group)


def _billed(cloud: KciCloud) -> Iterator[Group]:
    for group in cloud.store.groups():
        if not any(fnmatchcase(group.id, pattern) for pattern in cloud.knobs.bill_missing):
            yield group


def _stretches(cloud: KciCloud, group: Group) -> list[Stretch]:
    prices = cloud.knobs.prices.get(str(group.request["ChargeType"]), {})
    units = {"gpu": Decimal(str(group.request.get("Gpu", 0)))}
    found = []
    for segment in group.segments:
        units["cpu"], units["memory"] = Decimal(str(segment.cpu)), Decimal(str(segment.memory))
        until = None if segment.until is None else int(segment.until)
        found.append(Stretch(int(segment.since), until, _priced(units, prices)))
    return found


def _priced(units: Mapping[str, Decimal], prices: Mapping[str, str]) -> dict[str, Price]:
    sold = {item: Decimal(price) / HOUR for item, price in prices.items()}
    return {item: Price(units[item], price) for item, price in sold.items() if units.get(item)}


def _whole(cloud: KciCloud, group: Group) -> Iterator[Stretch]:
    for stretch in _stretches(cloud, group):
        second = sum((p.units * p.second for p in stretch.prices.values()), Decimal(0))
        if second:
            yield Stretch(stretch.since, stretch.until, {INSTANCE: Price(Decimal(1), second)})
