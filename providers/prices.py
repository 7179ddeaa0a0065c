"""Prices, and which of them an instance of a size pays at a time. Pure.

An `Entry` is one price of one item; a `Book` answers `rate(size, place, at)`. What a person entered
or imported wins over what the cloud quoted, and that over what is shipped; of equal origin the
entry that is most specific to the place (account, zone, region, area, any), then a named type
before `""` before `*`, then the one valid since the latest time. A size that needs an item without
a price has no rate at all, nor has a size that is not known (nothing of anything). What is shipped
in several currencies counts in the one that the account is billed in, or else in the first.

Which items a size needs: `instance` where such a price fits its machine type or its label,
otherwise `cpu`, `memory` and, with GPUs, `gpu`; and `storage` where some is charged. Of both ways
the one whose prices win against the other's is taken.
"""

from __future__ import annotations

import tomllib
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any

from providers.told import Price, Size

PLACES = Decimal("0.00000001")
ZERO = Decimal(0)
_HOUR = 3600
MAINLAND, ABROAD = "@mainland", "@abroad"
ANY_TYPE = "*"
# The class that is taken when none is named.
_NO_TIER = frozenset({"", "general"})
_NEVER = datetime.min.replace(tzinfo=UTC)


class Item(StrEnum):
    """Per vCPU, per GiB of memory, per machine, per GPU card, per GiB of charged storage."""

    CPU = "cpu"
    MEMORY = "memory"
    INSTANCE = "instance"
    GPU = "gpu"
    STORAGE = "storage"


class Per(StrEnum):
    SECOND = "second"
    HOUR = "hour"


class Origin(StrEnum):
    SHIPPED = "shipped"
    QUOTE = "quote"
    IMPORT = "import"
    OPERATOR = "operator"


_ORIGINS = {Origin.SHIPPED: 0, Origin.QUOTE: 1, Origin.IMPORT: 2, Origin.OPERATOR: 2}


@dataclass(frozen=True, slots=True)
class Entry:
    """The price of one `item`, valid from `valid_from` until before `valid_to` (None: open).

    `region` is a region, `@mainland` (cn-* but cn-hongkong), `@abroad` or "" for any. `type` is a
    machine type or the label of a size (`2-4Gi`), "" for sizes without a machine type, `*` for any.
    `tier` is that of `Size` ("" and `general` are the same). Empty `zone`, `account`: any.
    """

    provider: str
    item: Item
    amount: Decimal
    per: Per
    currency: str
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    region: str = ""
    zone: str = ""
    type: str = ""
    tier: str = ""
    account: int | None = None
    origin: Origin = Origin.SHIPPED
    source: str = ""
    source_date: str = ""

    @property
    def per_hour(self) -> Decimal:
        return self.amount * _HOUR if self.per is Per.SECOND else self.amount


@dataclass(frozen=True, slots=True)
class Discount:
    """A contract: `factor` times the list price where it fits; empty fields fit anything.

    Of several that fit, the most specific is taken, not their product. What a cloud quoted is
    already the account's own price and never discounted again.
    """

    factor: Decimal
    provider: str
    region: str = ""
    type: str = ""
    tier: str = ""
    item: str = ""
    account: int | None = None
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    provider: str
    account: int | None
    region: str
    zone: str = ""


@dataclass(frozen=True, slots=True)
class Rate:
    """What a whole instance of a size costs an hour, after discounts; quantised to 8 places.

    `machine` is the price of a machine type, or of the GPU cards. `list_total` is before discounts.
    """

    currency: str
    cpu: Decimal
    memory: Decimal
    machine: Decimal
    storage: Decimal
    list_total: Decimal
    source: str

    @property
    def total(self) -> Decimal:
        return self.cpu + self.memory + self.machine + self.storage


_Key = tuple[str, int | None, str, str, str, str, str, Decimal, Decimal, int, int]
_Timeline = tuple[list[datetime], list["Rate | None"]]
_Rank = tuple[int, int, int]


class Book:
    """The prices and discounts of one team; `currencies` of accounts where they are not the first
    of those shipped. Answers are remembered: never change its entries."""

    def __init__(
        self,
        entries: Iterable[Entry],
        discounts: Iterable[Discount] = (),
        currencies: Mapping[int, str] | None = None,
    ) -> None:
        self._entries: dict[tuple[str, Item, str], list[Entry]] = {}
        self._shipped: dict[str, list[str]] = {}
        self._currencies = dict(currencies or {})
        for entry in entries:
            key = (entry.provider, entry.item, _tier(entry.tier))
            self._entries.setdefault(key, []).append(entry)
            known = self._shipped.setdefault(entry.provider, [])
            if entry.origin is Origin.SHIPPED and entry.currency not in known:
                known.append(entry.currency)
        self.discounts = tuple(discounts)
        self._timelines: dict[_Key, _Timeline] = {}

    def zones(self, provider: str) -> tuple[str, ...]:
        """Those that some price is of."""
        entries = (own for key, own in self._entries.items() if key[0] == provider)
        found = {one.zone for own in entries for one in own}
        return tuple(sorted(found - {""}))

    def rate(self, size: Size, place: Place, at: datetime) -> Rate | None:
        """What `size` costs there then; None: unpriced."""
        borders, rates = self._timeline(size, place)
        return rates[bisect_right(borders, at)]

    def changes(
        self, size: Size, place: Place, start: datetime, end: datetime
    ) -> tuple[datetime, ...]:
        """When, strictly between `start` and `end`, the rate becomes another one; ascending."""
        borders, _ = self._timeline(size, place)
        return tuple(border for border in borders if start < border < end)

    def listed(self, size: Size, place: Place) -> Price | None:
        """The latest price before discounts, as the contract of providers has it."""
        _, rates = self._timeline(size, place)
        rate = rates[-1]
        return Price(rate.list_total, rate.currency, rate.source) if rate else None

    def _timeline(self, size: Size, place: Place) -> _Timeline:
        key = _key(size, place)
        found = self._timelines.get(key)
        if found is None:
            found = self._timelines[key] = self._drawn(size, place)
        return found

    def _drawn(self, size: Size, place: Place) -> _Timeline:
        """The times at which the rate changes, and the rates before, between and after them."""
        if not (size.cpu or size.memory or size.type):
            return [], [None]
        priced = {item: self._ladder(item, size, place) for item in Item}
        discounts = [one for one in self.discounts if _discounts(one, size, place)]
        times = {
            time
            for ladder in priced.values()
            for rung in ladder
            for entry in rung.entries
            for time in (entry.valid_from, entry.valid_to)
        }
        times |= {time for one in discounts for time in (one.valid_from, one.valid_to)}
        borders: list[datetime] = []
        rates = [_rate(size, priced, discounts, _NEVER)]
        for time in sorted(time for time in times if time is not None):
            rate = _rate(size, priced, discounts, time)
            if rate != rates[-1]:
                borders.append(time)
                rates.append(rate)
        return borders, rates

    def _ladder(self, item: Item, size: Size, place: Place) -> list[_Rung]:
        """The prices of `item` that fit, grouped by rank, the winning rank first."""
        rungs: dict[_Rank, list[Entry]] = {}
        currency = self._currency(place)
        for entry in self._entries.get((place.provider, item, _tier(size.tier)), ()):
            rank = _rank(entry, size, place)
            foreign = entry.origin is Origin.SHIPPED and entry.currency != currency
            if rank is not None and not foreign:
                rungs.setdefault(rank, []).append(entry)
        return [_Rung(rank, rungs[rank]) for rank in sorted(rungs, reverse=True)]

    def _currency(self, place: Place) -> str:
        """That of the prices which are shipped for the place."""
        known = self._shipped.get(place.provider) or [""]
        own = self._currencies.get(place.account, "") if place.account is not None else ""
        return own if own in known else known[0]


class _Rung:
    """Prices of equal rank: the one valid since the latest time wins."""

    def __init__(self, rank: _Rank, entries: list[Entry]) -> None:
        self.rank = rank
        self.entries = sorted(entries, key=lambda entry: entry.valid_from or _NEVER)
        self._starts = [entry.valid_from or _NEVER for entry in self.entries]

    def at(self, at: datetime) -> Entry | None:
        for index in range(bisect_right(self._starts, at) - 1, -1, -1):
            ends = self.entries[index].valid_to
            if ends is None or at < ends:
                return self.entries[index]
        return None


_Priced = Mapping[Item, list[_Rung]]
_Found = tuple[_Rank, Entry]


def _rate(size: Size, priced: _Priced, discounts: Sequence[Discount], at: datetime) -> Rate | None:
    machine, parts = _machine(priced, at), _parts(size, priced, at)
    chosen = machine or parts
    if machine and parts and min(rank for rank, _ in parts.values()) > machine[Item.INSTANCE][0]:
        chosen = parts
    if chosen is None:
        return None
    if size.storage:
        storage = _winner(priced[Item.STORAGE], at)
        if storage is None:
            return None
        chosen = {**chosen, Item.STORAGE: storage}
    return _summed(size, {item: entry for item, (_, entry) in chosen.items()}, discounts, at)


def _winner(ladder: Sequence[_Rung], at: datetime) -> _Found | None:
    for rung in ladder:
        entry = rung.at(at)
        if entry is not None:
            return rung.rank, entry
    return None


def _machine(priced: _Priced, at: datetime) -> dict[Item, _Found] | None:
    found = _winner(priced[Item.INSTANCE], at)
    return {Item.INSTANCE: found} if found else None


def _parts(size: Size, priced: _Priced, at: datetime) -> dict[Item, _Found] | None:
    items = [Item.CPU, Item.MEMORY, *([Item.GPU] if size.gpu else [])]
    found = {item: _winner(priced[item], at) for item in items}
    complete = {item: one for item, one in found.items() if one is not None}
    return complete if len(complete) == len(items) else None


def _summed(
    size: Size, entries: Mapping[Item, Entry], discounts: Sequence[Discount], at: datetime
) -> Rate | None:
    """None too when the entries are of different currencies: those are never added."""
    currencies = {entry.currency for entry in entries.values()}
    if len(currencies) != 1:
        return None
    counts = {
        Item.CPU: size.cpu,
        Item.MEMORY: size.memory,
        Item.INSTANCE: Decimal(1),
        Item.GPU: Decimal(size.gpu),
        Item.STORAGE: Decimal(size.storage),
    }
    full = {item: (entry.per_hour * counts[item]) for item, entry in entries.items()}
    paid = {
        item: (full[item] * _factor(item, entry, discounts, at)).quantize(PLACES)
        for item, entry in entries.items()
    }
    return Rate(
        currency=currencies.pop(),
        cpu=paid.get(Item.CPU, ZERO),
        memory=paid.get(Item.MEMORY, ZERO),
        machine=paid.get(Item.INSTANCE, ZERO) + paid.get(Item.GPU, ZERO),
        storage=paid.get(Item.STORAGE, ZERO),
        list_total=sum(full.values(), ZERO).quantize(PLACES),
        source="; ".join(dict.fromkeys(_source(entry) for entry in entries.values())),
    )


def _source(entry: Entry) -> str:
    return f"{entry.source}, {entry.source_date}" if entry.source_date else entry.source


def _factor(item: Item, entry: Entry, discounts: Sequence[Discount], at: datetime) -> Decimal:
    if entry.origin is Origin.QUOTE:
        return Decimal(1)
    fitting = [
        one
        for one in discounts
        if one.item in {"", item}
        and (one.valid_from is None or one.valid_from <= at)
        and (one.valid_to is None or at < one.valid_to)
    ]
    return max(fitting, key=_closeness).factor if fitting else Decimal(1)


def _closeness(one: Discount) -> tuple[bool, bool, bool, bool, bool, datetime, str]:
    began = one.valid_from or _NEVER
    account = one.account is not None
    return (
        account,
        bool(one.region),
        bool(one.type),
        bool(one.tier),
        bool(one.item),
        began,
        one.name,
    )


def _discounts(one: Discount, size: Size, place: Place) -> bool:
    return (
        one.provider == place.provider
        and one.account in {None, place.account}
        and one.region in {"", place.region, area(place.region)}
        and one.type in {"", ANY_TYPE, size.type, size.label}
        and (not one.tier or _tier(one.tier) == _tier(size.tier))
    )


def area(region: str) -> str:
    """`@mainland` or `@abroad`."""
    mainland = region.startswith("cn-") and region != "cn-hongkong"
    return MAINLAND if mainland else ABROAD


def _tier(tier: str) -> str:
    return "" if tier in _NO_TIER else tier


def _rank(entry: Entry, size: Size, place: Place) -> _Rank | None:
    """How well it fits: origin, place, type; None when it does not."""
    if entry.account not in {None, place.account} or entry.zone not in {"", place.zone}:
        return None
    if entry.region not in {"", place.region, area(place.region)}:
        return None
    fit = _type_fit(entry.type, size)
    if fit is None:
        return None
    near = (
        16 * (entry.account is not None)
        + 8 * bool(entry.zone)
        + (4 if entry.region == place.region and place.region else 2 * bool(entry.region))
    )
    return _ORIGINS[entry.origin], near, fit


def _type_fit(type_: str, size: Size) -> int | None:
    if type_ == ANY_TYPE:
        return 0
    if type_ == "":
        return None if size.type else 1
    return 2 if type_ in {size.type, size.label} else None


def _key(size: Size, place: Place) -> _Key:
    return (
        place.provider,
        place.account,
        place.region,
        place.zone,
        size.type,
        size.label,
        _tier(size.tier),
        size.cpu,
        size.memory,
        size.gpu,
        size.storage,
    )


def shipped(path: Path) -> tuple[Entry, ...]:
    """The entries of a provider's `prices.toml`.

    Its tables `[[price]]` have the names of `Entry`; `tiers` and `regions` stand for several rows.
    Raises `ValueError` that names the row when one cannot be read or lacks source or date.
    """
    rows: list[dict[str, Any]] = tomllib.loads(path.read_text(encoding="utf-8")).get("price", [])
    return tuple(entry for number, row in enumerate(rows, 1) for entry in _rows(row, path, number))


def _rows(row: dict[str, Any], path: Path, number: int) -> Iterable[Entry]:
    if not row.get("source") or not row.get("source_date"):
        raise ValueError(f"{path.parent.name}/{path.name}: price {number} lacks source or date")
    row = dict(row)
    tiers, regions = row.pop("tiers", [row.pop("tier", "")]), row.pop("regions", None)
    regions = regions or [row.pop("region", "")]
    typed = {
        **row,
        "item": Item(row["item"]),
        "per": Per(row["per"]),
        "amount": Decimal(row["amount"]),
    }
    for tier in tiers:
        for region in regions:
            yield Entry(**typed, tier=tier, region=region)
