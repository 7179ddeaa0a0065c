"""What instances cost per hour by the team's own book: what their meters run at.

Posting keeps the shares of `billing.live` at the present price and size. An instance that no meter
has yet (it is seconds old, or not billed so far) is looked up in the book, one by one; sums count
it at its list price for those seconds. Units of shares: 1e-8.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal

from django.db.models import DecimalField, ExpressionWrapper, F, Q, QuerySet, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from addons.models import Cluster, PodRow
from console.billing.book import book_of
from console.billing.live import money
from console.billing.models import LiveMeter, LiveShare
from providers.lives import place_of
from providers.models import CloudAccount, Instance
from providers.observation import size_of
from providers.prices import Place
from providers.told import Price, Size

_SHARE = "instance__live_share__per_hour"
_DECIMAL: DecimalField[Decimal, Decimal] = DecimalField(max_digits=20, decimal_places=8)
_UNIT = Decimal("1e-8")
# Instances that cost money now, and those of them at a cost that nobody knows.
BILLED = Q(instance__billed_to=None) & ~Q(instance__billed_from=None)
UNPRICED = BILLED & (Q(**{_SHARE: 0}) | Q(**{_SHARE: None}, instance__price_per_hour=None))
# For ordering pods.
SORT = Coalesce(
    ExpressionWrapper(F(_SHARE) * _UNIT, output_field=_DECIMAL),
    F("instance__price_per_hour"),
    output_field=_DECIMAL,
)


def _currencies(meters: Iterable[str | None]) -> dict[str, str]:
    keys = {key for key in meters if key}
    found = LiveMeter.objects.filter(key__in=keys) if keys else LiveMeter.objects.none()
    return dict(found.values_list("key", "currency"))


def of_instances(rows: Iterable[Instance], now: datetime) -> dict[int, tuple[Decimal | None, str]]:
    """Per hour and currency of each, by its number; None: it has no price."""
    given = {row.pk: row for row in rows}
    found = {row.pk: (row.price_per_hour, row.currency) for row in given.values()}
    shares = list(LiveShare.objects.filter(pk__in=found).values_list("pk", "meter", "per_hour"))
    currencies = _currencies(meter for _, meter, _ in shares)
    for pk, meter, per_hour in shares:
        currency = currencies.get(meter, "")
        found[pk] = (money(per_hour), currency) if currency else (None, "")
    metered = {pk for pk, _, _ in shares}
    fresh = [
        row
        for pk, row in given.items()
        if pk not in metered and row.billed_to is None and (row.cpu or row.type)
    ]
    return found | _by_book(fresh, now)


def of_vendors(size: Size, place: Place, cluster: Cluster) -> Price | None:
    """What a size costs the cluster's team now, discounts taken off; see `vendor_prices.use`."""
    rate = book_of(cluster.team).rate(size, place, timezone.now())
    return Price(rate.total, rate.currency, rate.source) if rate else None


def _by_book(rows: Sequence[Instance], now: datetime) -> dict[int, tuple[Decimal | None, str]]:
    """Of those that the book has a price for."""
    if not rows:
        return {}
    accounts = CloudAccount.objects.select_related("team").in_bulk({row.account_id for row in rows})
    books = {team: book_of(team) for team in {one.team for one in accounts.values()}}
    rates = {
        row.pk: books[accounts[row.account_id].team].rate(size_of(row), place_of(row), now)
        for row in rows
    }
    return {pk: (rate.total, rate.currency) for pk, rate in rates.items() if rate}


def of_pods(pods: QuerySet[PodRow], by: str) -> dict[object, dict[str, Decimal]]:
    """What the billed instances of the pods cost per hour, by a column and by currency."""
    rows = list(
        pods.filter(BILLED)
        .order_by()
        .values_list(by, "instance__live_share__meter", "instance__currency")
        .annotate(Sum(_SHARE), Sum("instance__price_per_hour"))
    )
    currencies = _currencies(row[1] for row in rows)
    found: dict[object, dict[str, Decimal]] = defaultdict(dict)
    for key, meter, listed_in, share, listed in rows:
        currency = currencies.get(meter, "") if meter else listed_in
        amount = money(share) if meter else listed
        if currency and amount is not None:
            found[key][currency] = found[key].get(currency, Decimal(0)) + amount
    return found
