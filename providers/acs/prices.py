"""List prices of ACS: there is no price API.

Source: ACS product overview, "Billing": CNY per second of a vCPU and of a GiB, charged per second,
as published in 2025-2026. Prices of GPU cards are shown per model in the vendor's console only.
"""

from __future__ import annotations

from decimal import Decimal

from providers.base import Price, Size

_MAINLAND = {
    "general-purpose/default": ("0.0000167", "0.00000833"),
    "general-purpose/best-effort": ("0.0000033", "0.00000167"),
    "performance/default": ("0.0000217", "0.00001083"),
    "performance/best-effort": ("0.0000043", "0.00000216"),
}
_ABROAD = {
    "general-purpose/default": ("0.0000246", "0.00001231"),
    "general-purpose/best-effort": ("0.0000049", "0.00000247"),
}
_HOUR = 3600


def list_price(size: Size, *, region: str) -> Price | None:
    """CNY per hour; None for GPU pods and where no list price is known."""
    mainland = region.startswith("cn-") and region != "cn-hongkong"
    row = (_MAINLAND if mainland else _ABROAD).get(size.tier)
    if size.gpu or row is None:
        return None
    where = "mainland China" if mainland else "Hong Kong and abroad"
    per_second = size.cpu * Decimal(row[0]) + size.memory * Decimal(row[1])
    return Price(
        (per_second * _HOUR).quantize(Decimal("0.00000001")), "CNY", f"ACS list price, {where}"
    )
