"""What the simulated cloud sells: machine packages of vCPU and GiB, and how a request is fitted.

The table is a placeholder: Kingsoft publishes its packages only through DescribeKciPackages. It
satisfies what the documents do say (default 2 vCPU 4 GiB; no 7.8 GiB, 8 GiB starts at 2 vCPU; at
most 256 vCPU and 512 GiB as parameters). Fitting: document 43621, "KCI Pod 规格".
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from .errors import ApiFault, invalid

HOURLY, SPOT = "HourlyInstantSettlement", "Spot"
CHARGE_TYPES = (HOURLY, SPOT)
Table = Mapping[int, tuple[int, ...]]
_FULL: Table = {
    1: (1, 2, 4),
    2: (2, 4, 8, 16),
    4: (4, 8, 16, 32),
    8: (8, 16, 32, 64),
    16: (16, 32, 64, 128),
    32: (32, 64, 128, 256),
    64: (64, 128, 256, 512),
}
_SPOT: Table = {cpu: sizes for cpu, sizes in _FULL.items() if 2 <= cpu <= 32}
FAMILIES = ("N3", "S6", "X7")
_RATIOS = {1: "A", 2: "B", 4: "C", 8: "D"}
_TYPE = re.compile(r"(?P<family>[A-Z][A-Z0-9]*)\.(?P<cpu>\d+)(?P<ratio>[A-D])")
MAX_CPU, MAX_MEMORY = Decimal(256), Decimal(512)
DEFAULT = (2, 4)


@dataclass(frozen=True)
class Package:
    """A machine package: its name, vCPU and GiB."""

    name: str
    cpu: int
    memory: int


def tables(zones: list[str]) -> dict[tuple[str, str], Table]:
    """Return what is sold at first, by zone and charge type."""
    sold = {HOURLY: _FULL, SPOT: _SPOT}
    return {(zone, charge): table for zone in zones for charge, table in sold.items()}


def quantity(text: str | None, name: str, most: Decimal) -> Decimal:
    """Read a number of cores or GiB: at most three decimals, zero when not given."""
    if text is None:
        return Decimal(0)
    try:
        value = Decimal(text)
    except InvalidOperation as exc:
        raise invalid(name, "A number is expected.") from exc
    if not value.is_finite() or not 0 <= value <= most or value != round(value, 3):
        raise invalid(name, f"Expected 0 to {most} with at most three decimals.")
    return value


def fit(cpu: Decimal, memory: Decimal, table: Table, family: str = FAMILIES[0]) -> Package:
    """Return the smallest package of ``table`` that holds ``cpu`` vCPU and ``memory`` GiB.

    Nothing asked gives the default. Both asked: the least vCPU that suffices, with its least memory
    that suffices; when all of its memories are too small, the next larger memory sold at all, with
    the least vCPU that has it. Raises ApiFault PackageNotSupported.
    """
    if not cpu and not memory:
        return package(family, *DEFAULT)
    enough = [count for count in sorted(table) if count >= cpu]
    if cpu and enough:
        inside = [size for size in sorted(table[enough[0]]) if size >= memory]
        if inside:
            return package(family, enough[0], inside[0])
    larger = sorted((size, count) for count in enough for size in table[count] if size >= memory)
    if not larger:
        raise ApiFault("PackageNotSupported", f"No package holds {cpu:f} vCPU and {memory:f} GiB.")
    size, count = larger[0]
    return package(family, count, size)


def package(family: str, cpu: int, memory: int) -> Package:
    """Name a package, e.g. N3.4B: family, vCPU, letter of the ratio of vCPU to GiB."""
    return Package(f"{family}.{cpu}{_RATIOS.get(memory // cpu, 'X')}", cpu, memory)


def named(name: str, table: Table) -> Package:
    """Return a package by name; raises ApiFault PackageNotSupported when it is not sold."""
    found = _TYPE.fullmatch(name)
    if found and found["family"] in FAMILIES:
        cpu = int(found["cpu"])
        ratio = next(r for r, letter in _RATIOS.items() if letter == found["ratio"])
        if cpu * ratio in table.get(cpu, ()):
            return Package(name, cpu, cpu * ratio)
    raise ApiFault("PackageNotSupported", f"The package {name} is not sold here.")


def family(wanted: str) -> str:
    """Return the first family of a comma list that is sold; raises ApiFault when none is."""
    names = [name.strip() for name in wanted.split(",") if name.strip()]
    sold = [name for name in names if name in FAMILIES]
    if names and not sold:
        raise ApiFault("PackageNotSupported", f"None of the families {wanted} is sold here.")
    return sold[0] if sold else FAMILIES[0]
