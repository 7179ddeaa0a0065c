"""Which size KCI bills when vCPU and memory are asked for.

Source: KCI user guide, "KCI pod specification" (documents 43621 and 39317): both annotations beat
the containers; else limits, or requests, are summed per axis over all containers; nothing asked is
2 vCPU and 4 GiB; with one axis the smallest package that satisfies it; with both the nearest CPU
upwards, then the nearest memory, else the next larger memory at its least CPU.

The packages themselves are what DescribeKciPackages answers for a zone. `Packages` travels with a
spec in its settings (`PACKAGES`), so that a size follows the cloud's own table; without one a
placeholder is used, which agrees with every figure that the documents give.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import ROUND_CEILING, Decimal

from providers.base import Container, InstanceSpec, Size
from providers.errors import InvalidSpec
from providers.kci import options

PACKAGES = "kci-packages"
DEFAULT = (Decimal(2), Decimal(4))
# The largest values of the parameters Cpu and Memory (KCI API reference, CreateContainerGroup).
MOST = (Decimal(256), Decimal(512))
_STEP = Decimal("0.001")
_PLACEHOLDER = (
    "1:1,2,4;2:2,4,8,16;4:4,8,16,32;8:8,16,32,64;16:16,32,64,128;32:32,64,128,256;64:64,128,256,512"
)

Packages = Mapping[Decimal, tuple[Decimal, ...]]
Pair = tuple[Decimal, Decimal]


def parse(text: str) -> Packages:
    """`2:2,4,8;4:4,8`: memories in GiB by vCPU, both ascending."""
    rows = (row.partition(":") for row in text.split(";") if row)
    table = {
        Decimal(cpu): tuple(sorted(map(Decimal, memories.split(",")))) for cpu, _, memories in rows
    }
    return {cpu: table[cpu] for cpu in sorted(table)}


def encode(table: Mapping[Decimal, Iterable[Decimal]]) -> str:
    return ";".join(
        f"{number(cpu)}:{','.join(number(memory) for memory in sorted(table[cpu]))}"
        for cpu in sorted(table)
    )


PLACEHOLDER = parse(_PLACEHOLDER)


def number(value: Decimal) -> str:
    """`2`, `0.25`: no trailing zeros, no exponent."""
    return f"{value.normalize():f}"


def label(cpu: Decimal, memory: Decimal) -> str:
    """As Kingsoft writes sizes: `2C4G`."""
    return f"{number(cpu)}C{number(memory)}G"


def on_wire(value: Decimal) -> Decimal:
    """At most three decimals, upwards (KCI API reference, CreateContainerGroup)."""
    return value.quantize(_STEP, rounding=ROUND_CEILING).normalize()


def sums(containers: Iterable[Container]) -> Pair:
    """vCPU and GiB that the containers ask for together; init containers do not count."""
    counted = list(containers)
    cpu = sum((c.cpu or Decimal(0) for c in counted), Decimal(0))
    return cpu, sum((c.memory or Decimal(0) for c in counted), Decimal(0))


def asked(spec: InstanceSpec) -> Pair:
    """vCPU and GiB of the whole instance; zero: not asked.

    The annotations', else what the pod asks for as a whole, else the sums.
    """
    own = options.own_size(spec.options)
    if own is not None:
        return own
    cpu, memory = sums(spec.containers)
    return spec.pod_cpu or cpu, spec.pod_memory or memory


def fit(cpu: Decimal, memory: Decimal, table: Packages) -> Pair | None:
    """The package that holds both, by the rules above; None when the table has none."""
    if not cpu and not memory:
        return DEFAULT
    enough = [row for row in table if row >= cpu]
    if not enough:
        return None
    if cpu:
        fitting = [size for size in table[enough[0]] if size >= memory]
        if fitting:
            return enough[0], fitting[0]
    larger = [(size, row) for row in enough for size in table[row] if size >= memory]
    if not larger:
        return None
    size, row = min(larger)
    return row, size


def told(spec: InstanceSpec) -> Packages | None:
    """The cloud's own table, where the spec has it."""
    text = spec.settings.get(PACKAGES, "")
    return parse(text) if text else None


def billed_size(spec: InstanceSpec) -> Size:
    """The size that this spec is billed as, before the cloud has answered.

    Raises `InvalidSpec` when the cloud's table, or any table, is too small for it. What only the
    placeholder does not hold is given as asked, for the cloud to decide.
    """
    cpu, memory = (on_wire(value) for value in asked(spec))
    table = told(spec)
    found = fit(cpu, memory, PLACEHOLDER if table is None else table)
    if found is None:
        if table is not None or cpu > MOST[0] or memory > MOST[1]:
            raise too_large(cpu, memory, table)
        found = (cpu, memory)
    return Size(found[0], found[1], label(*found), gpu=spec.gpu)


def too_large(cpu: Decimal, memory: Decimal, table: Packages | None) -> InvalidSpec:
    largest = MOST
    if table:
        largest = (max(table), max(size for sizes in table.values() for size in sizes))
    return InvalidSpec(
        f"no KCI package holds {number(cpu)} vCPU and {number(memory)} GiB; the largest have "
        f"{number(largest[0])} vCPU and {number(largest[1])} GiB",
        code="SizeTooLarge",
    )


def sent(spec: InstanceSpec) -> tuple[Decimal | None, Decimal | None]:
    """Cpu and Memory as they are sent.

    By the cloud's own table the package itself; without it what was asked (the API fits it
    upwards), or the documented default.
    """
    cpu, memory = (on_wire(value) for value in asked(spec))
    if told(spec) is not None or not (cpu or memory):
        size = billed_size(spec)
        return size.cpu, size.memory
    return cpu or None, memory or None
