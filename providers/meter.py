"""What the life of an instance costs, as lines of whole seconds. Pure: nothing is read or saved.

A line never spans a change of kind, size or price, nor midnight of the billing calendar. Its
amounts are quantised to eight places part by part; `clip` cuts lines by cumulative rounding, so
that the clips of a partition add up to the line, to the last digit.

What the cloud told is exact. Otherwise the line takes the upper bound, as if the instance had cost
as long as it may have, is `estimated`, and `bound` is by how many seconds the truth may be less.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from providers.prices import ZERO, Rate
from providers.told import Size

_HOUR = 3600


class Kind(StrEnum):
    """`starting` is before the first container ran; of a life that is over without one ever having
    run it is `failed`. `orphan`: no pod owned the instance."""

    RUNNING = "running"
    STARTING = "starting"
    FAILED = "failed"
    ORPHAN = "orphan"


@dataclass(frozen=True, slots=True)
class Stretch:
    """`size` from `start` on. In `bound` seconds it is not known which of both sizes was billed:
    the larger one has them (after `start` when this one is larger, else before)."""

    start: datetime
    size: Size
    bound: int = 0


@dataclass(frozen=True, slots=True)
class Life:
    """When an instance cost: `begin <= time < end` (None: it goes on).

    It may have begun up to `begin_bound` seconds later and ended up to `end_bound` seconds earlier.
    `started` is when its first container ran (None: none did so far). `orphaned` are intervals
    without an owner (end None: still). `over`: nothing more will happen. `unknown`: nobody ever saw
    whether it existed; if it did, then for at most so many seconds beyond `end`, which is `begin`.
    """

    begin: datetime
    sizes: tuple[Stretch, ...]
    begin_bound: int = 0
    end: datetime | None = None
    end_bound: int = 0
    started: datetime | None = None
    orphaned: tuple[tuple[datetime, datetime | None], ...] = ()
    over: bool = False
    unknown: int = 0


@dataclass(frozen=True, slots=True)
class Asked:
    """vCPU and GiB that the pod asked for; None: it did not say."""

    cpu: Decimal | None = None
    memory: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Amounts:
    """Figures that add up, under the names of the columns of `console.billing.models.Sums`."""

    seconds: int = 0
    cpu_seconds: Decimal = ZERO
    memory_seconds: Decimal = ZERO
    gpu_seconds: int = 0
    storage_seconds: int = 0
    over_cpu_seconds: Decimal = ZERO
    over_memory_seconds: Decimal = ZERO
    list_amount: Decimal = ZERO
    amount: Decimal = ZERO
    cpu_amount: Decimal = ZERO
    memory_amount: Decimal = ZERO
    machine_amount: Decimal = ZERO
    storage_amount: Decimal = ZERO
    over_amount: Decimal = ZERO
    bound_seconds: int = 0

    def __add__(self, other: Amounts) -> Amounts:
        return Amounts(**{n: getattr(self, n) + getattr(other, n) for n in FIGURES})

    def __sub__(self, other: Amounts) -> Amounts:
        return Amounts(**{n: getattr(self, n) - getattr(other, n) for n in FIGURES})

    def __neg__(self) -> Amounts:
        return Amounts() - self


FIGURES = tuple(field.name for field in fields(Amounts))


@dataclass(frozen=True, slots=True)
class Line:
    """`start <= time < end` of one kind, size, price and billing day; see the module.

    `rate` None: unpriced, all amounts are zero. An `estimated` line of no seconds stands for an
    instance that nobody saw: the truth may be up to `bound` seconds MORE.
    """

    start: datetime
    end: datetime
    day: date
    kind: Kind
    size: Size
    rate: Rate | None
    estimated: bool = False
    bound: int = 0
    list_amount: Decimal = ZERO
    amount: Decimal = ZERO
    cpu_amount: Decimal = ZERO
    memory_amount: Decimal = ZERO
    machine_amount: Decimal = ZERO
    storage_amount: Decimal = ZERO
    over_amount: Decimal = ZERO
    over_cpu: Decimal = ZERO
    over_memory: Decimal = ZERO

    @property
    def seconds(self) -> int:
        return _seconds(self.start, self.end)

    @property
    def amounts(self) -> Amounts:
        """All figures of the whole line."""
        seconds = self.seconds
        return Amounts(
            seconds=seconds,
            cpu_seconds=self.size.cpu * seconds,
            memory_seconds=self.size.memory * seconds,
            gpu_seconds=self.size.gpu * seconds,
            storage_seconds=self.size.storage * seconds,
            over_cpu_seconds=self.over_cpu * seconds,
            over_memory_seconds=self.over_memory * seconds,
            list_amount=self.list_amount,
            amount=self.amount,
            cpu_amount=self.cpu_amount,
            memory_amount=self.memory_amount,
            machine_amount=self.machine_amount,
            storage_amount=self.storage_amount,
            over_amount=self.over_amount,
            bound_seconds=self.bound,
        )


def _seconds(start: datetime, end: datetime) -> int:
    return int((end - start).total_seconds())
