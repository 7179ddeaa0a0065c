"""What clouds say of the prices of sizes in use, checked against the book, kept where it differs.

A size without a price is asked for at once, also when all its instances ended meanwhile, any other
once a day, a spot size once an hour: its market price is that of a machine type in a zone. A quote
is the account's own price, for the whole size without charged storage; one that agrees with the
book is not stored. One process at a time, by a lease; when it last asked is remembered in the
process alone, so that a restart asks once more.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Count, Max, Min, Q

from addons.runtime.lease import acquire
from addons.runtime.loop import Runtime
from console.billing import book
from console.billing.book import NewPrice, book_of
from console.billing.models import PriceEntry
from providers.base import Price, Quote, Size
from providers.calendar import hour_start
from providers.errors import AccountTrouble, ProviderError
from providers.models import CloudAccount, Instance
from providers.prices import Book, Item, Per, Place, Rate

log = logging.getLogger(__name__)

SHARD = "quotes"
LEASE_SECONDS = 120.0
EVERY = timedelta(days=1)
SPOT_EVERY = timedelta(hours=1)
# An unpriced size that the cloud has no quote for is asked again after this.
AGAIN = timedelta(minutes=10)
# What ended is asked for so long, if it has no price.
ENDED = timedelta(days=2)
MOST = 60
_SPOT = "spot"
_SIZE = ("cpu", "memory", "gpu", "spec", "type", "tier")
_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A size in use: `since` is when the first instance of it began to cost, `until` when the last
    one ended (None: some cost now). `zone`: of spot."""

    account: int
    region: str
    zone: str
    size: Size
    since: datetime
    until: datetime | None = None

    @property
    def scope(self) -> tuple[object, ...]:
        return self.account, self.region, self.zone, self.size


_asked: dict[tuple[object, ...], datetime] = {}


async def look(runtime: Runtime) -> int:
    """Ask for what is due; how many prices were stored (0 also while someone else is at it)."""
    lease = await runtime.db(
        acquire, SHARD, holder=runtime.holder(), seconds=LEASE_SECONDS, clock=runtime.clock
    )
    if lease is None:
        return 0
    try:
        stored, silent = 0, set[int]()
        for wanted in (await runtime.db(due, runtime.clock.now()))[:MOST]:
            if wanted.account in silent:
                continue
            await runtime.db(lease.renew)
            try:
                stored += await _ask(runtime, wanted)
            except AccountTrouble as error:
                silent.add(wanted.account)
                log.info("account %s does not quote: %s", wanted.account, error)
            except ProviderError as error:
                log.info("no quote of %s: %s", wanted.size.label, error)
        return stored
    finally:
        await runtime.db(lease.release)


async def _ask(runtime: Runtime, wanted: Wanted) -> bool:
    now = runtime.clock.now()
    _asked[wanted.scope] = now
    client = await runtime.provider(wanted.account, wanted.region)
    if not isinstance(client, Quote):
        return False
    price = await client.price(wanted.size, zone=wanted.zone)
    return await runtime.db(take, wanted, price, now)


def due(now: datetime) -> list[Wanted]:
    """The sizes to ask for now: those without a price first, then what was asked longest ago."""
    never = datetime.min.replace(tzinfo=now.tzinfo)
    found: list[tuple[bool, datetime, Wanted]] = []
    for wanted in in_use(now):
        unpriced = gap(wanted, now) is not None
        if not unpriced and wanted.until is not None:
            continue
        every = SPOT_EVERY if wanted.size.tier == _SPOT else EVERY
        last = _asked.get(wanted.scope, never)
        if now - last >= (AGAIN if unpriced else every):
            found.append((not unpriced, last, wanted))
    return [wanted for *_, wanted in sorted(found, key=lambda one: one[:2])]


def in_use(now: datetime) -> Iterable[Wanted]:
    """The sizes of the instances that cost now or ended lately, each once for each account and
    region, spot for each zone."""
    rows = Instance.objects.filter(
        Q(billed_to=None) | Q(billed_to__gt=now - ENDED), billed_from__isnull=False
    )
    wanted: dict[tuple[object, ...], Wanted] = {}
    names = ("account", "region", "zone", *_SIZE)
    grouped = (
        rows.order_by()
        .values(*names)
        .annotate(
            since=Min("billed_from"),
            until=Max("billed_to"),
            run=Count("pk", filter=Q(billed_to=None)),
        )
    )
    for row in grouped:
        size = _size(row)
        if not (size.cpu or size.type):
            continue
        zone = row["zone"] if size.tier == _SPOT else ""
        until = None if row["run"] else row["until"]
        one = Wanted(row["account"], row["region"], zone, size, row["since"], until)
        wanted[one.scope] = _both(wanted.get(one.scope, one), one)
    return sorted(wanted.values(), key=lambda one: one.since)


def _size(row: Mapping[str, Any]) -> Size:
    return Size(
        cpu=row["cpu"] or _NOTHING,
        memory=row["memory"] or _NOTHING,
        label=row["spec"],
        gpu=row["gpu"],
        type=row["type"],
        tier=row["tier"],
    )


def _both(one: Wanted, other: Wanted) -> Wanted:
    """The same size of two zones."""
    ends = (one.until, other.until)
    until = None if None in ends else max(end for end in ends if end is not None)
    return replace(one, since=min(one.since, other.since), until=until)


def gap(wanted: Wanted, now: datetime) -> datetime | None:
    """Since when, of its use, it has no price; None: it has one all the time."""
    own, place = _book(wanted)
    end = wanted.until or now
    times = (wanted.since, *own.changes(wanted.size, place, wanted.since, end))
    return next((at for at in times if own.rate(wanted.size, place, at) is None), None)


def rate_of(wanted: Wanted, now: datetime) -> Rate | None:
    own, place = _book(wanted)
    return own.rate(wanted.size, place, now)


def _book(wanted: Wanted) -> tuple[Book, Place]:
    account = CloudAccount.objects.select_related("team").get(pk=wanted.account)
    place = Place(account.provider, account.pk, wanted.region, wanted.zone)
    return book_of(account.team), place


def take(wanted: Wanted, price: Price, now: datetime) -> bool:
    """Store a quote that differs from the price in the book; whether it did.

    Where the size had no price, it counts from then on; a later one from now on, of spot from the
    beginning of the hour.
    """
    account = CloudAccount.objects.select_related("team").get(pk=wanted.account)
    unpriced = gap(wanted, now)
    if unpriced is None and _known(account, wanted, price, now):
        return False
    later = hour_start(now) if wanted.size.tier == _SPOT else now
    new = NewPrice(
        provider=account.provider,
        item=Item.INSTANCE,
        amount=price.per_hour,
        per=Per.HOUR,
        currency=price.currency,
        valid_from=unpriced or max(later, wanted.since),
        region=wanted.region,
        zone=wanted.zone,
        type=wanted.size.type or wanted.size.label,
        tier=wanted.size.tier,
        account=account,
        source=price.source,
    )
    book.add_price(account.team, new, by="", now=now, origin=PriceEntry.Origin.QUOTE)
    return True


def _known(account: CloudAccount, wanted: Wanted, price: Price, now: datetime) -> bool:
    """Whether the book, or the newest quote of the size, which a person's price may outrank, says
    the same."""
    told = (price.per_hour, price.currency)
    rate = rate_of(wanted, now)
    if rate is not None and (rate.list_total, rate.currency) == told:
        return True
    rows = PriceEntry.objects.filter(
        account=account,
        origin=PriceEntry.Origin.QUOTE,
        region=wanted.region,
        zone=wanted.zone,
        type=wanted.size.type or wanted.size.label,
        tier=wanted.size.tier,
        withdrawn_at=None,
    )
    last = rows.order_by("-valid_from", "-pk").first()
    return last is not None and (last.amount, last.currency) == told
