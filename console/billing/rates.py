"""What instances cost per hour by the team's own book: what their meters run at.

Posting keeps the shares of `billing.live` at the present price and size. An instance that no meter
has yet (it is seconds old, or not billed so far) is told at its list price. Units of shares: 1e-8.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal

from django.db.models import DecimalField, ExpressionWrapper, F, Q, QuerySet, Sum
from django.db.models.functions import Coalesce

from addons.models import PodRow
from console.billing.live import money
from console.billing.models import LiveMeter, LiveShare
from providers.models import Instance

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


def of_instances(rows: Iterable[Instance]) -> dict[int, tuple[Decimal | None, str]]:
    """Per hour and currency of each, by its number; None: it has no price."""
    found = {row.pk: (row.price_per_hour, row.currency) for row in rows}
    shares = list(LiveShare.objects.filter(pk__in=found).values_list("pk", "meter", "per_hour"))
    currencies = _currencies(meter for _, meter, _ in shares)
    for pk, meter, per_hour in shares:
        currency = currencies.get(meter, "")
        found[pk] = (money(per_hour), currency) if currency else (None, "")
    return found


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
