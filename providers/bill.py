"""What a cloud's bill says of one billing day, instance by instance. Frozen, without behaviour.

Money is Decimal in the line's own currency; a day is one of `providers.calendar`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, slots=True)
class BillLine:
    """One item of one instance on one day.

    `cloud_id` is empty on lines that name no instance (refunds, rounding). `seconds` is how long
    the item was served, None where the bill does not tell. `list_amount` is before and `amount`
    after discounts, as it is payable. `key` tells the line from the other lines of the account: the
    same line heard again has the same key. `raw` is what came.
    """

    key: str
    cloud_id: str
    product: str
    item: str
    day: date
    list_amount: Decimal
    amount: Decimal
    currency: str
    region: str = ""
    zone: str = ""
    name: str = ""
    usage: Decimal | None = None
    usage_unit: str = ""
    seconds: int | None = None
    raw: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rounding:
    """How the cloud makes cents of what a cycle costs: `unit` is the smallest amount, and what is
    less than `least` is left out. A bill differs from the exact amount by less than one `unit` for
    each item and cycle of `cycle_seconds`."""

    unit: Decimal
    least: Decimal
    cycle_seconds: int = 3600


@dataclass(frozen=True, slots=True)
class Bill:
    """Every line of one day that the cloud has billed so far.

    `complete`: all of the day should be in it by the cloud's word on its delay. `final`: the cloud
    will not change it any more.
    """

    day: date
    lines: tuple[BillLine, ...]
    complete: bool
    final: bool
    rounding: Rounding
