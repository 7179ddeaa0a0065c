"""What an hourly bill says of stretches that were billed by the second.

Cycles are whole hours. Each item of an instance is added up within a cycle, then made cents; a
line that comes to less than ``least`` is left out. A cycle is billed ``delay`` seconds after its
end, or, when the bill is ``early``, as far as it got. Days are those of UTC+8.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from decimal import ROUND_HALF_UP, Decimal

CYCLE = 3600
BILLING = timezone(timedelta(hours=8))
CENT = Decimal("0.01")
EXACT = Decimal("0.000001")


@dataclass(frozen=True)
class Price:
    """``units`` of an item, each at ``second`` for one second."""

    units: Decimal
    second: Decimal


@dataclass(frozen=True)
class Stretch:
    """Billed seconds at one size; ``until`` None: it runs. Unix seconds, cut to whole ones."""

    since: int
    until: int | None
    prices: Mapping[str, Price]


@dataclass(frozen=True)
class Rules:
    """How a cloud settles a cycle: ``least`` is left out below, ``minimum`` is the smallest line.

    ``discount`` is the factor of the account's contract.
    """

    least: Decimal = Decimal(0)
    minimum: Decimal = Decimal(0)
    discount: Decimal = Decimal(1)
    delay: float = CYCLE
    early: bool = False


@dataclass
class Served:
    """What is charged for an item: seconds, units times seconds, and amounts before and after."""

    seconds: int = 0
    usage: Decimal = Decimal(0)
    gross: Decimal = Decimal(0)
    amount: Decimal = Decimal(0)
    since: int = 0
    until: int = 0

    def add(self, other: "Served") -> None:
        """Add another cycle, or another item."""
        self.since = min(self.since or other.since, other.since)
        self.until = max(self.until, other.until)
        self.seconds += other.seconds
        self.usage += other.usage
        self.gross += other.gross
        self.amount += other.amount


def day_of(at: int) -> date:
    """Return the billing day of Unix seconds."""
    return datetime.fromtimestamp(at, BILLING).date()


def settled(
    stretches: Iterable[Stretch], rules: Rules, now: float
) -> Iterator[tuple[int, str, Served]]:
    """Yield the cycles billed so far: when each began, the item, and what is charged."""
    cycles: dict[tuple[int, str], Served] = defaultdict(Served)
    for stretch in stretches:
        _add(cycles, stretch, int(now))
    for (begin, item), served in sorted(cycles.items()):
        if not rules.early and begin + CYCLE + rules.delay > now:
            continue
        amount = (served.gross * rules.discount).quantize(CENT, ROUND_HALF_UP)
        if served.gross * rules.discount < rules.least:
            continue
        served.amount = max(amount, rules.minimum)
        yield begin, item, served


def _add(cycles: dict[tuple[int, str], Served], stretch: Stretch, now: int) -> None:
    at, end = stretch.since, now if stretch.until is None else stretch.until
    while at < end:
        begin = at - at % CYCLE
        stop = min(end, begin + CYCLE)
        seconds = stop - at
        for item, price in stretch.prices.items():
            usage = price.units * seconds
            cycles[begin, item].add(
                Served(seconds, usage, usage * price.second, since=at, until=stop)
            )
        at = stop


@dataclass
class Daily:
    """Charges of one instance by day and item."""

    lines: dict[tuple[date, str], Served] = field(default_factory=dict)

    @classmethod
    def of(cls, stretches: Iterable[Stretch], rules: Rules, now: float) -> "Daily":
        """Add up the cycles billed so far."""
        made = cls()
        for begin, item, served in settled(stretches, rules, now):
            made.lines.setdefault((day_of(begin), item), Served()).add(served)
        return made
