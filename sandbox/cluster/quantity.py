"""Kubernetes quantities: parsing and the canonical form the API server stores.

Rules from ``k8s.io/apimachinery/pkg/api/resource`` (Quantity): no fractional digits, the largest
suffix that keeps the number whole, and the suffix family (decimal or binary) of the input.
"""

import re
from decimal import ROUND_UP, Decimal
from functools import lru_cache

_PATTERN = re.compile(r"^([+-]?(?:\d+\.?\d*|\.\d+))(Ki|Mi|Gi|Ti|Pi|Ei|[numkMGTPE]|[eE][+-]?\d+)?$")
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_NANO = Decimal("1e-9")


class QuantityError(ValueError):
    """The text is not a quantity."""


def _split(text: str) -> tuple[Decimal, str]:
    found = _PATTERN.match(text.strip())
    if not found:
        raise QuantityError(
            "quantities must match the regular expression "
            "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
        )
    return Decimal(found.group(1)), found.group(2) or ""


def parse(text: str | float) -> Decimal:
    """Return the value in base units (cores, bytes, pieces); raises QuantityError."""
    number, suffix = _split(str(text))
    if suffix in _BINARY:
        return number * Decimal(1024 ** _BINARY[suffix])
    if suffix in _DECIMAL:
        return number.scaleb(_DECIMAL[suffix])
    return number.scaleb(int(suffix[1:]))


@lru_cache(maxsize=8192)
def canonical(text: str | float) -> str:
    """Return the canonical text, e.g. ``0.5`` -> ``500m``, ``1024Mi`` -> ``1Gi``."""
    _, suffix = _split(str(text))
    value = parse(text)
    if value == 0:
        return "0"
    if suffix in _BINARY and value == value.to_integral_value():
        return _binary(int(value))
    exponent = suffix[:1] in ("e", "E") and suffix != "E"
    return _decimal(value.quantize(_NANO, rounding=ROUND_UP), exponent=exponent)


def _binary(value: int) -> str:
    for suffix, power in reversed(_BINARY.items()):
        if value % 1024**power == 0:
            return f"{value // 1024**power}{suffix}"
    return str(value)


def _decimal(value: Decimal, *, exponent: bool) -> str:
    for suffix, power in sorted(_DECIMAL.items(), key=lambda item: -item[1]):
        scaled = value.scaleb(-power)
        if scaled == scaled.to_integral_value():
            number = int(scaled)
            return f"{number}e{power}" if exponent and power else f"{number}{suffix}"
    return str(value)


def total(values: list[str]) -> Decimal:
    """Return the sum of quantities."""
    return sum((parse(v) for v in values), Decimal(0))
