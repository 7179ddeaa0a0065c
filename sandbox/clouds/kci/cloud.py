"""The simulated account: its groups, keys, network, knobs and everything that is counted."""

import random
import uuid
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from ..agenda import Agenda
from ..groups.faults import Faults
from ..groups.lifecycle import Lifecycle
from ..groups.model import BILLED, TERMINAL, Group
from ..groups.sessions import Sessions
from ..groups.store import Call, Store
from . import network as networks
from . import packages
from .caches import Cache, Caches
from .errors import not_found
from .keys import Key, Keys
from .knobs import Knobs
from .limits import Buckets

COMMIT_SECONDS = 0.25
DEFAULT_PROJECT = 0


@dataclass(frozen=True)
class Cluster:
    """A KCE cluster of the account, as DescribeCluster and DownloadClusterConfig show it."""

    id: str
    name: str
    version: str
    kubeconfig: str
    mode: str = "ManagedCluster"
    nodes: int = 1
    pod_cidr: str = "172.20.0.0/16"
    service_cidr: str = "10.254.0.0/16"


class KciCloud:
    """One account in one region. ``now`` is Unix time; ``rng`` makes ids and keys.

    ``clusters`` is the account's list of KCE clusters; the world replaces it.
    """

    def __init__(
        self,
        store: Store,
        *,
        now: Callable[[], float],
        rng: random.Random,
        region: str = "cn-beijing-6",
        account_id: str = "73400001",
        speed: float = 1.0,
    ) -> None:
        self.store = store
        self.now = now
        self.region = region
        self.account_id = account_id
        self.speed = speed
        self.knobs = Knobs()
        self.faults = Faults()
        self.buckets = Buckets()
        self.sessions = Sessions()
        self.network = networks.build(region)
        self.zones = [subnet.zone for subnet in self.network.subnets.values()]
        self.packages = packages.tables(self.zones)
        self.lifecycle = Lifecycle(lambda: self.knobs, self._place, speed, bill_creation=True)
        self.agenda = Agenda(now, self._due)
        self.clusters: list[Cluster] = []
        self.groups: dict[str, Group] = {}
        self.used_cpu = 0.0
        self._rng = rng
        self._by_seq: dict[int, Group] = {}
        self._order: list[int] = []
        self._kept_ips: dict[tuple[str, str], tuple[str, float]] = {}
        self._next_seq = 1
        self._call_seq = 0
        self._restore()

    def new_id(self) -> str:
        """Return a fresh id: a lower-case UUID."""
        return str(uuid.UUID(int=self._rng.getrandbits(128), version=4))

    def issue_temporary(self, seconds: float, like: Key | None = None) -> Key:
        """Make a temporary key with its token, as STS or the control plane of KCE does."""
        key = self.keys.make_temporary(self.now(), seconds, like)
        self.save_settings()
        return key

    def add(self, group: Group) -> None:
        """Take a new group in and start its life."""
        group.seq = self._next_seq
        self._next_seq += 1
        self._index(group)
        self.used_cpu += group.cpu
        self.lifecycle.begin(group)
        self.lifecycle.advance(group, group.created_at)
        self.settle(group)

    def get(self, group_id: str) -> Group:
        """Return a group the API knows; raises ApiFault otherwise."""
        group = self.groups.get(group_id)
        if group is None:
            raise not_found("ContainerGroup", group_id)
        return group

    def ordered(self) -> Iterator[Group]:
        """Yield every group the API knows, oldest first."""
        return (self._by_seq[seq] for seq in self._order)

    def settle(self, group: Group) -> None:
        """Bring indexes, timers and the store in line with a group that changed."""
        if group.gone and group.id in self.groups:
            self._unindex(group)
        elif group.status in TERMINAL:
            self._release(group)
        if group.steps:
            self.agenda.push(group.steps[0][0], group.id)
        self.store.put_group(group)

    def advance(self, now: float) -> None:
        """Bring every group to ``now``."""
        self.agenda.run_due(now)

    def record(self, line: Call, now: float) -> None:
        """Write a line into the ledger; its number and time are filled in here."""
        self._call_seq += 1
        moment = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds")
        line.seq, line.time = self._call_seq, moment.replace("+00:00", "Z")
        self.store.put_call(line)

    def reset(self) -> None:
        """Forget every instance and call, and put knobs, faults and key settings back."""
        for group in list(self.groups.values()):
            self._unindex(group)
        self._kept_ips.clear()
        self.caches.clear()
        self.agenda.clear()
        self.faults.clear()
        self.buckets.refill()
        self.knobs = Knobs()
        self.packages = packages.tables(self.zones)
        for key in self.keys.lasting():
            key.disabled, key.denied_actions, key.projects = False, [], None
            key.permission = key.note != "no permission"
        self.store.wipe()
        self.save_settings()

    def save_settings(self) -> None:
        """Keep keys and knobs."""
        self.store.put_meta("keys", msgspec.to_builtins(list(self.keys.by_id.values())))
        self.store.put_meta("knobs", msgspec.to_builtins(self.knobs))
        self.store.commit()

    def _save_caches(self, caches: list[Cache]) -> None:
        self.store.put_meta("caches", msgspec.to_builtins(caches))

    def in_stock(self, zone: str, group: Group) -> bool | str:
        """Tell whether a zone has room for a group: True, False or "late"."""
        specs = [group.instance_type, f"{group.cpu:g}-{group.memory:g}Gi"]
        return self.knobs.in_stock(zone, specs)

    def _place(self, group: Group, at: float) -> bool:
        for subnet_id in group.vswitches:
            subnet = self.network.subnets[subnet_id]
            if self.in_stock(subnet.zone, group) is not True or subnet.free < 1:
                continue
            kept, until = self._kept_ips.get((subnet_id, group.name), ("", 0.0))
            group.ip = subnet.take(kept if at <= until else "")
            group.zone, group.vswitch_id, group.vpc_id = subnet.zone, subnet.id, subnet.vpc_id
            group.eni_id = self.new_id()
            if group.request.get("EipAllocationId") or group.request.get("MultiEipAllocationId"):
                group.internet_ip = f"120.92.{group.seq >> 8 & 255}.{group.seq & 255}"
            return True
        return False

    def _due(self, group_id: str, now: float) -> None:
        group = self.groups.get(group_id)
        if group is not None and self.lifecycle.advance(group, now):
            self.settle(group)

    def _release(self, group: Group) -> None:
        subnet = self.network.subnets.get(group.vswitch_id)
        if group.ip and subnet and not group.released:
            subnet.release(group.ip)
        if not group.released:
            group.released = True
            self.used_cpu -= group.cpu
            self._keep_ip(group)

    def _keep_ip(self, group: Group) -> None:
        if group.ip and group.request.get("RetainIp"):
            hours = float(group.request.get("RetainIpHours", 24))
            ended = group.deleted_at or group.ended_at or self.now()
            place = (group.vswitch_id, group.name)
            self._kept_ips[place] = (group.ip, ended + hours * 3600)

    def _index(self, group: Group) -> None:
        self.groups[group.id] = group
        self._by_seq[group.seq] = group
        self._order.insert(bisect_right(self._order, group.seq), group.seq)

    def _unindex(self, group: Group) -> None:
        self._release(group)
        del self.groups[group.id]
        del self._by_seq[group.seq]
        self._order.pop(bisect_left(self._order, group.seq))

    def _restore(self) -> None:
        self.keys = Keys(self._rng, msgspec.convert(self.store.meta("keys") or [], list[Key]))
        if not self.keys.by_id:
            self.keys.make("full access", self.now())
            self.keys.make("no permission", self.now(), user="intern").permission = False
            self.save_settings()
        self.knobs = msgspec.convert(self.store.meta("knobs") or {}, Knobs)
        kept = msgspec.convert(self.store.meta("caches") or [], list[Cache])
        self.caches = Caches(kept, self._save_caches)
        self._call_seq = self.store.last_seq()
        for group in self.store.groups():
            self._restore_group(group)

    def _restore_group(self, group: Group) -> None:
        self._next_seq = max(self._next_seq, group.seq + 1)
        if group.released:
            self._keep_ip(group)
        if group.gone:
            return
        self._index(group)
        if not group.released:
            self.used_cpu += group.cpu
        if group.status in BILLED and group.vswitch_id in self.network.subnets:
            self.network.subnets[group.vswitch_id].taken.add(group.ip)
        if group.steps:
            self.agenda.push(group.steps[0][0], group.id)
