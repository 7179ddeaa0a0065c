"""The price book as people read it: what is shipped, quoted and entered, and what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from console.access import AnyUser, visible
from console.billing.models import PriceEntry
from console.billing.statements import Query, statement
from providers import registry

SHIPPED = "shipped"


@dataclass(frozen=True, slots=True)
class Price:
    """One row; `pk` None: shipped with its provider, it can be overruled but not withdrawn."""

    pk: int | None
    provider: str
    region: str
    zone: str
    type: str
    tier: str
    account: int | None
    account_name: str
    item: str
    amount: Decimal
    per: str
    currency: str
    valid_from: datetime | None
    valid_to: datetime | None
    origin: str
    source: str
    source_date: str
    entered_by: str
    withdrawn_at: datetime | None

    @property
    def per_hour(self) -> Decimal:
        return self.amount * 3600 if self.per == "second" else self.amount

    def current(self, now: datetime) -> bool:
        begun = self.valid_from is None or self.valid_from <= now
        over = self.valid_to is not None and self.valid_to <= now
        return begun and not over and self.withdrawn_at is None


def _shipped() -> Iterator[Price]:
    for name in registry.PROVIDERS:
        for one in registry.dialect(name).entries():
            yield Price(
                None,
                one.provider,
                one.region,
                one.zone,
                one.type,
                one.tier,
                None,
                "",
                str(one.item),
                one.amount,
                str(one.per),
                one.currency,
                one.valid_from,
                one.valid_to,
                SHIPPED,
                one.source,
                one.source_date,
                "",
                None,
            )


def of(row: PriceEntry) -> Price:
    return Price(
        row.pk,
        row.provider,
        row.region,
        row.zone,
        row.type,
        row.tier,
        row.account_id,
        row.account.name if row.account else "",
        row.item,
        row.amount,
        row.per,
        row.currency,
        row.valid_from,
        row.valid_to,
        row.origin,
        row.source,
        "",
        row.entered_by,
        row.withdrawn_at,
    )


def prices(user: AnyUser, *, provider: str = "", origin: str = "", text: str = "") -> list[Price]:
    """Those that the reader sees, entered ones first, then by provider and scope."""
    rows = visible(PriceEntry, user).select_related("account")
    found = [*map(of, rows.order_by("-entered_at", "-pk")), *_shipped()]
    wanted = text.casefold()
    return [
        one
        for one in found
        if (not provider or one.provider == provider)
        and (not origin or one.origin == origin)
        and (not wanted or wanted in _words(one))
    ]


def _words(one: Price) -> str:
    parts = (one.region, one.zone, one.type, one.tier, one.item, one.account_name, one.source)
    return " ".join(parts).casefold()


@dataclass(frozen=True, slots=True)
class Missing:
    """A size that was used and has no price: a machine type, or (empty) vCPU and GiB of a class.

    `lives` began in the period; `seconds` of them are in no sum.
    """

    provider: str
    region: str
    zone: str
    type: str
    tier: str
    lives: int
    seconds: int


_SCOPE = ("provider", "region", "zone", "type", "tier")


def missing(user: AnyUser, start: date, end: date, now: datetime) -> list[Missing]:
    """The sizes without a price on these days, what runs now among them; most used first."""
    found = statement(user, Query(start, end, _SCOPE), now)
    rows = [
        Missing(
            **dict(zip(_SCOPE, row.keys, strict=True)),
            lives=row.figures.starts,
            seconds=row.figures.seconds,
        )
        for row in found.rows
        if not row.currency
    ]
    return sorted(rows, key=lambda one: (-one.seconds, one.provider, one.type))
