"""Prices of ECI: those it publishes, from `prices.toml`, and those it quotes.

Source: ECI billing, "Billing of elastic container instances", prices of the regions of mainland
China as published in 2025; ECI developer reference, DescribeContainerGroupPrice. Other regions, ECS
types and spot have no published table that we hold: ask `Quote`.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from providers.errors import Unavailable
from providers.prices import Book, Place, shipped
from providers.told import Price, Size

_HOUR = 3600
ENTRIES = shipped(Path(__file__).with_name("prices.toml"))
_BOOK = Book(ENTRIES)


def list_price(size: Size, *, region: str) -> Price | None:
    """CNY per hour; None where no list price is known."""
    return _BOOK.listed(size, Place("eci", None, region))


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
