"""The simulated account: its groups, keys, network, knobs and everything that is counted."""

import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from ..groups.lifecycle import Lifecycle
from ..groups.model import Group
from ..groups.roster import Roster
from ..groups.store import Store
from . import network as networks
from . import packages
from .caches import Cache, Caches
from .components import Components
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


class KciCloud(Roster):
    """One account in one region. ``now`` is Unix time; ``rng`` makes ids and keys.

    ``clusters`` is the account's list of KCE clusters; the world replaces it. ``watch`` hears of
    every change of a group.
    """

    knobs: Knobs

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
        self.network = networks.build(region)
        super().__init__(store, now, self.network.subnets)
        self.region = region
        self.account_id = account_id
        self.speed = speed
        self.knobs = Knobs()
        self.buckets = Buckets()
        self.zones = [subnet.zone for subnet in self.network.subnets.values()]
        self.packages = packages.tables(self.zones)
        self.lifecycle = Lifecycle(lambda: self.knobs, self._place, speed, bill_creation=True)
        self.clusters: list[Cluster] = []
        self.watch: Callable[[Group], None] = unwatched
        self._rng = rng
        self._kept_ips: dict[tuple[str, str], tuple[str, float]] = {}
        self._restore()
        self.components = Components(self)

    @property
    def keyring(self) -> dict[str, Key]:
        """The account's keys by id, temporary ones too."""
        return self.keys.by_id

    def new_id(self) -> str:
        """Return a fresh id: a lower-case UUID."""
        return str(uuid.UUID(int=self._rng.getrandbits(128), version=4))

    def issue_temporary(self, seconds: float, like: Key | None = None) -> Key:
        """Make a temporary key with its token, as STS or the control plane of KCE does."""
        key = self.keys.make_temporary(self.now(), seconds, like)
        self.save_settings()
        return key

    def get(self, group_id: str) -> Group:
        """Return a group the API knows; raises ApiFault otherwise."""
        group = self.groups.get(group_id)
        if group is None:
            raise not_found("ContainerGroup", group_id)
        return group

    def reset(self) -> None:
        """Forget every instance and call, and put knobs, faults and key settings back."""
        self.clear()
        self._kept_ips.clear()
        self.caches.clear()
        self.buckets.refill()
        self.knobs = Knobs()
        self.packages = packages.tables(self.zones)
        for key in self.keys.lasting():
            key.disabled, key.denied_actions, key.projects = False, [], None
            key.permission = key.note != "no permission"
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

    def settle(self, group: Group) -> None:
        """Bring everything in line with a group that changed, and tell who watches."""
        super().settle(group)
        self.watch(group)

    def ended(self, group: Group) -> None:
        """Forget nothing: an ended group stays until it is deleted."""

    def _release(self, group: Group) -> None:
        if not group.released:
            self._keep_ip(group)
        super()._release(group)

    def _keep_ip(self, group: Group) -> None:
        if group.ip and group.request.get("RetainIp"):
            hours = float(group.request.get("RetainIpHours", 24))
            ended = group.deleted_at or group.ended_at or self.now()
            place = (group.vswitch_id, group.name)
            self._kept_ips[place] = (group.ip, ended + hours * 3600)

    def _restore(self) -> None:
        self.keys = Keys(self._rng, msgspec.convert(self.store.meta("keys") or [], list[Key]))
        if not self.keys.by_id:
            self.keys.make("full access", self.now())
            self.keys.make("no permission", self.now(), user="intern").permission = False
            self.save_settings()
        self.knobs = msgspec.convert(self.store.meta("knobs") or {}, Knobs)
        kept = msgspec.convert(self.store.meta("caches") or [], list[Cache])
        self.caches = Caches(kept, self._save_caches)
        for group in self.store.groups():
            if group.released:
                self._keep_ip(group)
            self.restore(group)


def unwatched(_group: Group) -> None:
    """Hear of a change that nobody follows."""
