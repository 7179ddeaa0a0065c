"""What a workload would cost on every cloud side by side, at the team's own prices. Pure.

Stands on the compatibility check: its verdicts have the billed size of one pod. Prices come from a
`Book`, so that contracts, entered and quoted prices count as they do in the statement.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from addons.compat.report import Outcome, Subject, Verdict
from providers.prices import ZERO, Book, Place, Rate
from providers.told import Price, Size

# Hours of an average month: 365 days x 24 / 12.
MONTH_HOURS = 730
_SHARE = Decimal("0.0001")
SPOT = "spot"
# (provider, region, size)
Ask = tuple[str, str, Size]


@dataclass(frozen=True, slots=True)
class Offer:
    """One cloud for one workload. Money per hour of all its pods; `rate` is that of one pod.

    `rate` None: the cloud refuses, bills an unknown size, or holds no price for it.
    `over` is the part of the price for what is billed beyond what the pod asks for.
    """

    provider: str
    title: str
    region: str
    node: str
    outcome: Outcome
    outcome_text: str
    reason: str
    replicas: int
    size: Size | None = None
    rate: Rate | None = None
    over: Decimal | None = None
    cheapest: bool = False
    # Where a price of one zone was taken: the cheapest one's.
    zone: str = ""
    # Whether the cloud takes it at all.
    runs: bool = False

    @property
    def priced(self) -> bool:
        return self.rate is not None

    @property
    def per_hour(self) -> Decimal | None:
        return self.rate.total * self.replicas if self.rate else None

    @property
    def per_day(self) -> Decimal | None:
        return self.per_hour * 24 if self.per_hour is not None else None

    @property
    def list_per_hour(self) -> Decimal | None:
        return self.rate.list_total * self.replicas if self.rate else None

    def for_hours(self, hours: int) -> Decimal | None:
        return self.per_hour * hours if self.per_hour is not None else None


@dataclass(frozen=True, slots=True)
class Priced:
    """One workload with its offers, in the order of the clouds."""

    subject: Subject
    offers: tuple[Offer, ...]


def priced(
    subject: Subject, book: Book, accounts: Mapping[tuple[str, str], int], now: datetime
) -> Priced:
    """`accounts`: (provider, region) -> the account whose contract prices count there."""
    offers = [_offer(subject, verdict, book, accounts, now) for verdict in subject.verdicts]
    return Priced(subject, tuple(_marked(offers)))


def _offer(
    subject: Subject,
    verdict: Verdict,
    book: Book,
    accounts: Mapping[tuple[str, str], int],
    now: datetime,
) -> Offer:
    runs = verdict.outcome in {Outcome.WORKS, Outcome.IGNORES}
    place = Place(
        verdict.provider, accounts.get((verdict.provider, verdict.region)), verdict.region
    )
    rate, zone = _lowest(book, verdict.size, place, now) if runs and verdict.size else (None, "")
    return Offer(
        provider=verdict.provider,
        title=verdict.title,
        region=verdict.region,
        node=verdict.node,
        outcome=verdict.outcome,
        outcome_text=verdict.outcome_text,
        reason=_reason(verdict),
        replicas=verdict.replicas,
        size=verdict.size,
        rate=rate,
        over=_over(subject, verdict.size, rate),
        zone=zone,
        runs=runs,
    )


def _lowest(book: Book, size: Size, place: Place, now: datetime) -> tuple[Rate | None, str]:
    """The price of the region; of what is sold by zone, such as spot, that of the cheapest zone."""
    rate = book.rate(size, place, now)
    if rate is not None and SPOT not in size.tier:
        return rate, ""
    found = [(rate, "")] if rate else []
    for zone in book.zones(place.provider):
        own = book.rate(size, replace(place, zone=zone), now)
        if own is not None:
            found.append((own, zone))
    return min(found, key=lambda one: (one[0].total, one[1]), default=(None, ""))


def with_quotes(one: Priced, quotes: Mapping[Ask, Price]) -> Priced:
    """The same with what clouds were asked for just now, where the book has no price."""
    offers = [
        replace(offer, rate=offer.rate or _asked(offer, quotes), cheapest=False)
        for offer in one.offers
    ]
    return Priced(one.subject, tuple(_marked(offers)))


def ask_of(offer: Offer) -> Ask | None:
    """What a cloud could be asked for it; None: the book tells, or there is nothing to ask."""
    if offer.rate is not None or offer.size is None or not offer.runs:
        return None
    return offer.provider, offer.region, offer.size


def _asked(offer: Offer, quotes: Mapping[Ask, Price]) -> Rate | None:
    ask = ask_of(offer)
    price = quotes.get(ask) if ask else None
    if price is None:
        return None
    whole = price.per_hour
    return Rate(price.currency, ZERO, ZERO, whole, ZERO, whole, price.source)


def _reason(verdict: Verdict) -> str:
    """Of a refusal: the first thing that stands against it."""
    if verdict.outcome is not Outcome.REFUSED:
        return ""
    return next((finding.text for finding in verdict.findings if finding.text), "")


def _over(subject: Subject, size: Size | None, rate: Rate | None) -> Decimal | None:
    """The part of the price for vCPU and GiB beyond what was asked for; None: nothing was asked."""
    if size is None or rate is None or not rate.total or rate.machine:
        return None
    if subject.cpu is None and subject.memory is None:
        return None
    wasted = _beyond(size.cpu, subject.cpu, rate.cpu) + _beyond(
        size.memory, subject.memory, rate.memory
    )
    return (wasted / rate.total).quantize(_SHARE)


def _beyond(billed: Decimal, asked: Decimal | None, price: Decimal) -> Decimal:
    if asked is None or not billed or billed <= asked:
        return ZERO
    return price * (billed - asked) / billed


def _marked(offers: Sequence[Offer]) -> list[Offer]:
    """The cheapest of each currency marked, where there is something to choose between."""
    least: dict[str, Decimal] = {}
    counted: dict[str, int] = {}
    for offer in offers:
        if offer.rate and offer.per_hour is not None:
            currency = offer.rate.currency
            counted[currency] = counted.get(currency, 0) + 1
            least[currency] = min(least.get(currency, offer.per_hour), offer.per_hour)
    return [
        replace(offer, cheapest=True)
        if offer.rate
        and counted[offer.rate.currency] > 1
        and offer.per_hour == least[offer.rate.currency]
        else offer
        for offer in offers
    ]
