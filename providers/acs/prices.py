"""List prices of ACS, from `prices.toml`: there is no price API.

Source: ACS product overview, "Billing": CNY per second of a vCPU and of a GiB, charged per second,
as published in 2025-2026. Prices of GPU cards are shown per model in the vendor's console only.
"""

from __future__ import annotations

from pathlib import Path

from providers.prices import Book, Place, shipped
from providers.told import Price, Size

ENTRIES = shipped(Path(__file__).with_name("prices.toml"))
_BOOK = Book(ENTRIES)


def list_price(size: Size, *, region: str) -> Price | None:
    """CNY per hour; None for GPU pods and where no list price is known."""
    return _BOOK.listed(size, Place("acs", None, region))
