"""Kubernetes quantities as exact decimals.

Source: Kubernetes API reference, "Quantity": sign, digits, then a binary suffix (Ki..Ei), a
decimal suffix (n, u, m, k..E) or a decimal exponent.
"""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, Decimal

_BINARY = {s: Decimal(1024) ** (i + 1) for i, s in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"))}
_DECIMAL = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "": Decimal(1),
    "k": Decimal("1e3"),
    "M": Decimal("1e6"),
    "G": Decimal("1e9"),
    "T": Decimal("1e12"),
    "P": Decimal("1e15"),
    "E": Decimal("1e18"),
}
_SUFFIXES = _BINARY | _DECIMAL
_QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:[eE]([+-]?\d+)|([KMGTPE]i|[numkMGTPE]?))")
GIB = _BINARY["Gi"]


class BadQuantity(ValueError):
    """Not a quantity; the API server would have refused the object."""


def parse(text: str | int | float) -> Decimal:
    """`"1500m"` -> 1.5, `"2Gi"` -> 2147483648, `"1e3"` -> 1000."""
    match = _QUANTITY.fullmatch(str(text).strip())
    if match is None:
        raise BadQuantity(f"{text!r} is not a quantity")
    number, exponent, suffix = match.groups()
    scale = Decimal(10) ** int(exponent) if exponent is not None else _SUFFIXES[suffix]
    return Decimal(number) * scale


def gib(text: str | int | float) -> Decimal:
    """Bytes as GiB."""
    return parse(text) / GIB


def spelled(value: Decimal, *, cpu: bool = False) -> str:
    """Exactly `value`: thousandths of a vCPU as `1500m`, bytes in the largest whole unit."""
    if cpu:
        milli = value * 1000
        return f"{value.normalize():f}" if milli % 1000 == 0 else f"{milli.normalize():f}m"
    for suffix, unit in reversed(_BINARY.items()):
        if value and value % unit == 0:
            return f"{int(value / unit)}{suffix}"
    return f"{value.normalize():f}"


def in_units(value: Decimal, divisor: Decimal) -> str:
    """As the kubelet prints a resourceFieldRef: the value in `divisor` units, rounded up."""
    return str(int((value / (divisor or Decimal(1))).to_integral_value(ROUND_CEILING)))
