"""Figures of money and use that add up, and how the database adds them exactly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any, Self

from django.db import connection
from django.db.models import Aggregate, Case, F, Field, Model, Value, When
from django.db.models.expressions import Combinable

from console.billing.models import Sums, UsageLine, UsageSum
from providers.meter import FIGURES, Amounts

ZERO = Decimal(0)
_HOUR = 3600


@dataclass(frozen=True, slots=True)
class Figures(Amounts):
    """`Amounts` and three counts: lives that began, lines, and those of them that are estimated.

    Money is in one currency, which stands beside it. Figures of usage without a price have zero
    amounts: their currency is empty and they are told apart as unpriced.
    """

    starts: int = 0
    lines: int = 0
    estimated_lines: int = 0

    def __add__(self, other: Amounts) -> Self:
        return type(self)(*(a + b for a, b in zip(values(self), values(other), strict=True)))

    def __sub__(self, other: Amounts) -> Self:
        return type(self)(*(a - b for a, b in zip(values(self), values(other), strict=True)))

    def __neg__(self) -> Self:
        return type(self)(*(-value for value in values(self)))

    @property
    def cpu_hours(self) -> Decimal:
        return self.cpu_seconds / _HOUR

    @property
    def memory_hours(self) -> Decimal:
        """GiB-hours."""
        return self.memory_seconds / _HOUR

    @property
    def gpu_hours(self) -> Decimal:
        return Decimal(self.gpu_seconds) / _HOUR

    @property
    def hours(self) -> Decimal:
        """Hours of instances."""
        return Decimal(self.seconds) / _HOUR

    @property
    def per_hour(self) -> Decimal | None:
        """The amount of an average hour of one instance; None without any."""
        return self.amount / self.hours if self.seconds else None

    @property
    def over_share(self) -> Decimal | None:
        """The part of the amount that went beyond what was asked for, 0 to 1."""
        return self.over_amount / self.amount if self.amount else None


NAMES = tuple(field.name for field in fields(Figures))
COUNTS = ("starts", "lines", "estimated_lines")
NOTHING = Figures()


def values(figures: Amounts) -> tuple[Any, ...]:
    """In the order of `NAMES`."""
    return tuple(getattr(figures, name, 0) for name in NAMES)


def of(amounts: Amounts | Sums, *, starts: int = 0, lines: int = 1, estimated: int = 0) -> Figures:
    """Of one line."""
    same = {name: getattr(amounts, name) for name in FIGURES}
    return Figures(**same, starts=starts, lines=lines, estimated_lines=estimated)


class ExactSum(Aggregate):
    """SUM without rounding. SQLite keeps decimals as floats: there, as a whole number of the last
    decimal place, which `figures` scales back."""

    function = "SUM"

    def __init__(self, expression: str | Combinable, places: int = 0) -> None:
        super().__init__(expression, output_field=Field())
        self.places = places

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        if self.places:
            extra["template"] = f"SUM(CAST(ROUND(%(expressions)s * {10**self.places}) AS INTEGER))"
        return super().as_sql(compiler, connection, **extra)


def _places(name: str) -> int:
    return getattr(Sums._meta.get_field(name), "decimal_places", 0) if name in FIGURES else 0


PLACES = {name: _places(name) for name in NAMES}


def _sign(**only: Any) -> Case:
    """One for each line, less one for each that takes one back; zero for others than `only`."""
    return Case(
        When(**only, takes_back=None, then=Value(1)),
        When(**only, takes_back__isnull=False, then=Value(-1)),
        default=Value(0),
    )


def sums(model: type[Model]) -> dict[str, ExactSum]:
    """The aggregates of all figures, named `sum_*`, of the sums or of the lines themselves."""
    source: dict[str, Any] = {name: F(name) for name in NAMES}
    if model is UsageLine:
        source |= {"lines": _sign(), "estimated_lines": _sign(estimated=True)}
    else:
        assert model is UsageSum
    return {f"sum_{name}": ExactSum(source[name], PLACES[name]) for name in NAMES}


def figures(row: Mapping[str, Any]) -> Figures:
    """From what `sums` gave."""
    exact = connection.vendor != "sqlite"
    return Figures(*(_value(row[f"sum_{name}"] or 0, PLACES[name], exact) for name in NAMES))


def _value(found: Any, places: int, exact: bool) -> Any:
    if not places:
        return int(found)
    return Decimal(found) if exact else Decimal(int(found)).scaleb(-places)


def scaled(found: Figures) -> list[int]:
    """In the order of `NAMES`, each in whole units of its last decimal place."""
    return [
        int(value.scaleb(PLACES[name])) if PLACES[name] else int(value)
        for name, value in zip(NAMES, values(found), strict=True)
    ]


def unscaled(found: Sequence[int]) -> Figures:
    own: list[Any] = [
        Decimal(value).scaleb(-PLACES[name]) if PLACES[name] else value
        for name, value in zip(NAMES, found, strict=True)
    ]
    return Figures(*own)
