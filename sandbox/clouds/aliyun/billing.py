"""What ECI and ACS charge the account, line by line (ECI help pages "Billing" and "Bills").

Bill items of ECI: ``cpu`` and ``mem``, or ``instance_type``, and ``systemdisk``. Hours are settled
to cents and what is less than half a cent is left out.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from ..acs import meter as acs_meter
from ..acs.model import Instance
from ..billing import Daily, Price, Rules, Served, Stretch
from ..eci import catalog
from ..eci.account import EciAccount
from ..eci.model import Group, is_spot
from .knobs import Knobs

if TYPE_CHECKING:
    from ..acs.cloud import AcsCloud

ECI, ACS = "eci", "acs"
NAMES = {"cpu": "vCPU", "mem": "内存", "instance_type": "实例规格", "systemdisk": "系统盘"}
UNITS = {"cpu": "核*秒", "mem": "GiB*秒", "instance_type": "秒", "systemdisk": "GiB*秒"}
LEAST = Decimal("0.005")
ONE = Decimal(1)


@dataclass(frozen=True)
class Charge:
    """One line: an item of an instance on a day."""

    day: date
    product: str
    instance: str
    item: str
    served: Served
    region: str = ""
    zone: str = ""
    name: str = ""
    spec: str = ""


@dataclass
class Account:
    """Everything that is charged to an account; ``knobs`` are read anew each time.

    ``acs`` is set by the world.
    """

    eci: EciAccount
    knobs: Callable[[], Knobs]
    acs: "AcsCloud | None" = None

    def charges(self, now: float) -> Iterator[Charge]:
        """Yield the lines billed so far, of every day."""
        missing = self.knobs().bill_missing
        for charge in self._all(now):
            if not any(fnmatchcase(charge.instance, pattern) for pattern in missing):
                yield charge
        for extra in self.knobs().bill_extra:
            yield _extra(extra)

    def _all(self, now: float) -> Iterator[Charge]:
        rules = self._rules
        for region, cloud in self.eci.regions.items():
            cloud.advance(now)
            for group in cloud.store.groups():
                lines = Daily.of(_of_group(group), rules, now).lines
                about = (region, group.zone, group.name, _spec(group))
                for (day, item), served in lines.items():
                    yield Charge(day, ECI, group.id, item, served, *about)
        if self.acs is None:
            return
        for pod in self.acs.store.instances():
            lines = Daily.of(_of_pod(pod), rules, now).lines
            about = (self.acs.region, pod.zone, pod.pod, pod.spec)
            for (day, item), served in lines.items():
                yield Charge(day, ACS, pod.id, item, served, *about)

    @property
    def _rules(self) -> Rules:
        knobs = self.knobs()
        return Rules(
            least=LEAST,
            discount=Decimal(knobs.bill_discount),
            delay=knobs.bill_delay_seconds,
            early=knobs.bill_early,
        )


def _extra(line: Mapping[str, str]) -> Charge:
    amount = Decimal(line["PretaxAmount"])
    served = Served(seconds=int(line.get("ServicePeriod", "0")), gross=amount, amount=amount)
    day = date.fromisoformat(line["BillingDate"])
    product, item = line.get("ProductCode", ECI), line.get("BillingItemCode", "cpu")
    return Charge(day, product, line["InstanceID"], item, served)


def _spec(group: Group) -> str:
    return group.instance_type or f"{group.cpu:g}-{group.memory:g}Gi"


def _of_group(group: Group) -> list[Stretch]:
    extra = Decimal(int(float(group.request.get("EphemeralStorage", 0))))
    economy = "economy" in group.request.get("ComputeCategory", [])
    found = []
    for segment in group.segments:
        prices = _sized(segment.cpu, segment.memory, economy)
        if kind := catalog.TYPES.get(segment.instance_type):
            hourly = kind.spot_hourly if is_spot(group) else kind.hourly
            prices = {"instance_type": Price(ONE, hourly / 3600)}
        if extra:
            prices["systemdisk"] = Price(extra, catalog.DISK_GIB_SECOND)
        found.append(_stretch(segment.since, segment.until, prices))
    return found


def _sized(cpu: float, memory: float, economy: bool) -> dict[str, Price]:
    vcpu = catalog.VCPU_SECOND_ECONOMY if economy else catalog.VCPU_SECOND
    return {
        "cpu": Price(Decimal(str(cpu)), vcpu),
        "mem": Price(Decimal(str(memory)), catalog.GIB_SECOND),
    }


def _of_pod(instance: Instance) -> list[Stretch]:
    rates = acs_meter.RATES.get((instance.compute_class, instance.qos))
    if rates is None or instance.billed_from is None:
        return []
    prices = {
        "cpu": Price(Decimal(instance.cpu), rates[0]),
        "mem": Price(Decimal(instance.memory), rates[1]),
    }
    if extra := acs_meter.extra_storage(instance):
        prices["systemdisk"] = Price(Decimal(extra), acs_meter.DISK_GIB_HOUR / 3600)
    return [_stretch(instance.billed_from, acs_meter.billed_to(instance), prices)]


def _stretch(since: float, until: float | None, prices: dict[str, Price]) -> Stretch:
    return Stretch(int(since), None if until is None else int(until), prices)
