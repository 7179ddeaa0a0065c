"""What clouds say of the prices of sizes in use, checked against the book, kept where it differs.

A size without a price is asked for at once, any other once a day, a spot size once an hour: its
market price is that of a machine type in a zone. A quote is the account's own price, for the whole
size without charged storage; one that agrees with the book is not stored. One process at a time, by
a lease; when it last asked is remembered in the process alone, so that a restart asks once more.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from addons.runtime.lease import acquire
from addons.runtime.loop import Runtime
from console.billing import book
from console.billing.book import NewPrice, book_of
from console.billing.models import PriceEntry
from providers.base import Price, Quote, Size
from providers.calendar import hour_start
from providers.errors import AccountTrouble, ProviderError
from providers.models import CloudAccount, Instance
from providers.observation import size_of
from providers.prices import Item, Per, Place, Rate

log = logging.getLogger(__name__)

SHARD = "quotes"
LEASE_SECONDS = 120.0
EVERY = timedelta(days=1)
SPOT_EVERY = timedelta(hours=1)
# An unpriced size that the cloud has no quote for is asked again after this.
AGAIN = timedelta(minutes=10)
MOST = 60
_SPOT = "spot"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A size in use: `since` is when the first instance of it began to cost. `zone`: of spot."""

    account: int
    region: str
    zone: str
    size: Size
    since: datetime

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
    """The sizes to ask for now, those without a price first."""
    found: list[tuple[bool, Wanted]] = []
    for wanted in in_use():
        rate = rate_of(wanted, now)
        every = SPOT_EVERY if wanted.size.tier == _SPOT else EVERY
        if now - _asked.get(wanted.scope, datetime.min.replace(tzinfo=now.tzinfo)) >= (
            AGAIN if rate is None else every
        ):
            found.append((rate is not None, wanted))
    return [wanted for _, wanted in sorted(found, key=lambda one: one[0])]


def in_use() -> Iterable[Wanted]:
    """The sizes of the instances that cost now, each once for each account and region, spot for
    each zone."""
    rows = Instance.objects.filter(billed_from__isnull=False, billed_to=None)
    wanted: dict[tuple[object, ...], Wanted] = {}
    for row in rows.defer("seen", "labels").order_by("billed_from"):
        size = replace(size_of(row), storage=0)
        if row.billed_from is None or not (size.cpu or size.type):
            continue
        zone = row.zone if size.tier == _SPOT else ""
        one = Wanted(row.account_id, row.region, zone, size, row.billed_from)
        wanted.setdefault(one.scope, one)
    return wanted.values()


def rate_of(wanted: Wanted, now: datetime) -> Rate | None:
    account = CloudAccount.objects.select_related("team").get(pk=wanted.account)
    place = Place(account.provider, account.pk, wanted.region, wanted.zone)
    return book_of(account.team).rate(wanted.size, place, now)


def take(wanted: Wanted, price: Price, now: datetime) -> bool:
    """Store a quote that differs from the price in the book; whether it did.

    The first price of a size counts from when it was first used; a later one from now on, of spot
    from the beginning of the hour.
    """
    rate = rate_of(wanted, now)
    if rate is not None and (rate.list_total, rate.currency) == (price.per_hour, price.currency):
        return False
    account = CloudAccount.objects.select_related("team").get(pk=wanted.account)
    last = _last(account, wanted)
    if last is not None and (last.amount, last.currency) == (price.per_hour, price.currency):
        return False
    later = hour_start(now) if wanted.size.tier == _SPOT else now
    new = NewPrice(
        provider=account.provider,
        item=Item.INSTANCE,
        amount=price.per_hour,
        per=Per.HOUR,
        currency=price.currency,
        valid_from=min(wanted.since, now) if rate is None else max(later, wanted.since),
        region=wanted.region,
        zone=wanted.zone,
        type=wanted.size.type or wanted.size.label,
        tier=wanted.size.tier,
        account=account,
        source=price.source,
    )
    book.add_price(account.team, new, by="", now=now, origin=PriceEntry.Origin.QUOTE)
    return True


def _last(account: CloudAccount, wanted: Wanted) -> PriceEntry | None:
    """The newest quote of the size, which a person's price may outrank."""
    rows = PriceEntry.objects.filter(
        account=account,
        origin=PriceEntry.Origin.QUOTE,
        region=wanted.region,
        zone=wanted.zone,
        type=wanted.size.type or wanted.size.label,
        tier=wanted.size.tier,
        withdrawn_at=None,
    )
    return rows.order_by("-valid_from", "-pk").first()
