"""The meter: billed seconds of ACS instances and their list price.

A second costs vCPU and GiB by class and quality (ACS billing page, CNY, mainland regions; the table
for other regions is not simulated), and storage beyond the free 30 GiB as an ESSD PL1 disk (ACS
user guide, "Add the EphemeralStorage"). The price of cards is not public, so GPU instances have
seconds and no cost. Billed from the pod's start time to the end of its last container, or to its
deletion; both ends are cut to whole seconds.
"""

from decimal import Decimal

from .model import Instance
from .sizes import FREE_STORAGE

RATES: dict[tuple[str, str], tuple[Decimal, Decimal]] = {
    ("general-purpose", "default"): (Decimal("0.0000167"), Decimal("0.00000833")),
    ("general-purpose", "best-effort"): (Decimal("0.0000033"), Decimal("0.00000167")),
    ("performance", "default"): (Decimal("0.0000217"), Decimal("0.00001083")),
    ("performance", "best-effort"): (Decimal("0.0000043"), Decimal("0.00000216")),
}
DISK_GIB_HOUR = Decimal("0.0021")


def extra_storage(instance: Instance) -> int:
    """Return the GiB that are billed."""
    return max(0, instance.storage - FREE_STORAGE)


def billed_to(instance: Instance) -> float | None:
    """Return when billing ended, None while it runs."""
    ends = [at for at in (instance.ended_at, instance.deleted_at) if at is not None]
    return min(ends) if ends else None


def billed_seconds(instance: Instance, now: float) -> int:
    """Return the whole seconds billed so far."""
    until = billed_to(instance)
    if instance.billed_from is None:
        return 0
    return max(0, int(now if until is None else until) - int(instance.billed_from))


def cost(instance: Instance, now: float) -> Decimal | None:
    """Return the list price so far in CNY, None where it is not public."""
    rate = RATES.get((instance.compute_class, instance.qos))
    if rate is None:
        return None
    second = Decimal(instance.cpu) * rate[0] + Decimal(instance.memory) * rate[1]
    second += extra_storage(instance) * DISK_GIB_HOUR / 3600
    return second * billed_seconds(instance, now)
