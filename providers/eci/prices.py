"""List prices of ECI, for an estimate before the cloud's own quote.

Source: ECI billing, "Billing of elastic container instances", prices of the regions of mainland
China as published in 2025: per second and vCPU CNY 0.000049 (0.000027 of the economy class), per
second and GiB CNY 0.00000613. Other regions, ECS types and spot have no published table that we
hold: ask `Quote`.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from providers.base import Price, Size
from providers.errors import Unavailable

_CPU_SECOND = {
    "": Decimal("0.000049"),
    "general": Decimal("0.000049"),
    "economy": Decimal("0.000027"),
}
_MEMORY_SECOND = Decimal("0.00000613")
_HOUR = 3600
SOURCE = "ECI list price, mainland China, 2025"


def list_price(size: Size, *, region: str) -> Price | None:
    """CNY per hour of a vCPU-and-memory size; None where no list price is known."""
    mainland = region.startswith("cn-") and region != "cn-hongkong"
    if size.type or size.tier not in _CPU_SECOND or not mainland:
        return None
    per_second = size.cpu * _CPU_SECOND[size.tier] + size.memory * _MEMORY_SECOND
    return Price((per_second * _HOUR).quantize(Decimal("0.00000001")), "CNY", SOURCE)


def quoted(body: Mapping[str, Any]) -> Price:
    """The answer of DescribeContainerGroupPrice, which is per second, as a price per hour."""
    price = (body.get("PriceInfo") or {}).get("Price") or {}
    amount = price.get("TradePrice")
    if amount is None:
        raise Unavailable(
            "the quote holds no price", code="NoPrice", request_id=str(body.get("RequestId") or "")
        )
    per_hour = (Decimal(str(amount)) * _HOUR).quantize(Decimal("0.00000001"))
    return Price(per_hour, str(price.get("Currency") or "CNY"), "DescribeContainerGroupPrice")


def quoted_spot(body: Mapping[str, Any], *, zone: str) -> Price:
    """The lowest spot price of `zone`, or of all zones without one; it is per hour already."""
    told = ((body.get("PriceInfo") or {}).get("SpotPrices") or {}).get("SpotPrice") or ()
    amounts = [
        Decimal(str(one["SpotPrice"]))
        for one in told
        if one.get("SpotPrice") is not None and (not zone or one.get("ZoneId") == zone)
    ]
    if not amounts:
        raise Unavailable(
            "the quote holds no spot price",
            code="NoPrice",
            request_id=str(body.get("RequestId") or ""),
        )
    currency = ((body.get("PriceInfo") or {}).get("Price") or {}).get("Currency")
    source = "DescribeContainerGroupPrice, spot"
    return Price(min(amounts).quantize(Decimal("0.00000001")), str(currency or "CNY"), source)
