"""The ACS side of the world: instances, their stock, their meter, and who made what when."""

import ipaddress
import random
import string
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from ..eci import network as networks
from ..groups.errors import ApiFault
from ..groups.faults import Faults
from ..groups.network import Subnet
from .control import AcsControl
from .knobs import Knobs
from .model import Call, Instance
from .store import Store
from .wants import Want

if TYPE_CHECKING:
    from .extension import AcsCluster

Obj = dict[str, Any]
_ALPHABET = string.ascii_lowercase + string.digits


class AcsCloud:
    """A cloud of the world, reached only through the clusters it extends.

    ``now`` is Unix time; ``rng`` makes ids. The VPC is the account's own, shared with ECI.
    """

    name = "acs"

    def __init__(
        self,
        store: Store,
        *,
        now: Callable[[], float],
        rng: random.Random,
        region: str = "cn-hangzhou",
        account_id: str = "1234567890123456",
        speed: float = 1.0,
    ) -> None:
        self.store = store
        self.now = now
        self.region = region
        self.account_id = account_id
        self.speed = speed
        self.network = networks.build(region)
        self.faults = Faults()
        self.knobs = msgspec.convert(store.meta("knobs") or {}, Knobs)
        self.clusters: dict[str, AcsCluster] = {}
        self.instances: dict[str, Instance] = {}
        self._by_uid: dict[str, Instance] = {}
        self._used: Counter[tuple[str, str]] = Counter()
        self._rng = rng
        self._call_seq = store.last_call()
        self._seq = 0
        for instance in store.instances():
            self._seq = instance.seq
            self._take_in(instance)

    @classmethod
    def kept_in(cls, folder: Path, **settings: Any) -> "AcsCloud":
        """Return the cloud whose state is in a folder."""
        return cls(Store(folder / "acs.sqlite3"), **settings)

    async def start(self, _host: str, _port: int) -> None:
        """Nothing listens: ACS has no address of its own."""

    async def stop(self) -> None:
        """Write everything down."""
        self.store.close()

    def save(self) -> None:
        """Write all state down now."""
        self.store.commit()

    def routes(self) -> list[web.RouteDef]:
        """Return the control API of this cloud."""
        return AcsControl(self).routes()

    def describe(self) -> Obj:
        """Return this cloud's part of ``world.json``."""
        return {
            "region": self.region,
            "account_id": self.account_id,
            "clusters": list(self.clusters),
            "vpc_id": self.network.vpc_id,
            "security_group_id": self.network.default_security_group.id,
            "vswitches": [
                {"id": v.id, "zone": v.zone, "cidr": v.cidr, "free_ips": v.free}
                for v in self.network.vswitches.values()
            ],
        }

    def reset(self) -> None:
        """Forget ended instances and calls, put knobs and faults back. Pods and theirs stay."""
        self.faults.clear()
        self.store.wipe()
        living = list(self.living())
        self.instances.clear()
        self._by_uid.clear()
        self._used.clear()
        for instance in living:
            self._take_in(instance)
            self.store.put(instance)
        self.turn(Knobs())

    def turn(self, knobs: Knobs) -> None:
        """Set the knobs; pods that wait for stock are looked at again."""
        self.knobs = knobs
        self.store.put_meta("knobs", msgspec.to_builtins(knobs))
        self.store.commit()
        for cluster in self.clusters.values():
            cluster.retry()

    def living(self) -> Iterator[Instance]:
        """Yield the instances that are billed."""
        return (instance for instance in self.instances.values() if instance.alive)

    def of_pod(self, uid: str) -> Instance | None:
        """Return the instance of a pod, if it has one."""
        return self._by_uid.get(uid)

    def has_stock(self, zone: str, want: Want) -> bool:
        """Tell whether a zone has room for one more; GPU-HPN needs a reservation first."""
        if want.compute_class == "gpu-hpn" and not self.knobs.reserved_hpn:
            return False
        if not any(v.free > 0 for v in self.network.vswitches.values() if v.zone == zone):
            return False

        def used(name: str) -> int:
            return self._used[zone, name]

        return self.knobs.in_stock(zone, want.stock_names, used)

    def draw_fault(self, action: str, pod: Obj, zone: str) -> ApiFault | None:
        """Return what a planted fault answers to this call, if one is planted."""
        meta = pod["metadata"]
        flat = {"namespace": meta["namespace"], "pod": meta["name"], "zone": zone}
        fault = self.faults.draw(action, flat, 1)
        return fault.error() if fault else None

    def create(self, cluster: str, pod: Obj, want: Want, node: str, zone: str) -> Instance:
        """Make the instance of a pod and commit it; a pod that has one keeps it."""
        meta = pod["metadata"]
        known = self.of_pod(meta["uid"])
        if known:
            return known
        vswitch = next(v for v in self.network.vswitches.values() if v.zone == zone)
        self._seq += 1
        instance = Instance(
            id=f"acs-{self._random(20)}",
            seq=self._seq,
            cluster=cluster,
            namespace=meta["namespace"],
            pod=meta["name"],
            uid=meta["uid"],
            node=node,
            zone=zone,
            vswitch_id=vswitch.id,
            eni_id=f"eni-{self._random(20)}",
            ip=vswitch.take(_free_from_the_top(vswitch)),
            compute_class=want.compute_class,
            qos=want.qos,
            cpu=f"{want.size.cpu:f}",
            memory=f"{want.size.memory:f}",
            storage=want.storage,
            created_at=self.now(),
            client_token=str(self._uuid()),
            request_id=str(self._uuid()).upper(),
            model=want.model,
            cards=want.cards,
            labels=dict(meta.get("labels") or {}),
        )
        if (meta.get("annotations") or {}).get("network.alibabacloud.com/pod-with-eip") == "true":
            instance.eip_id = f"eip-{self._random(20)}"
            instance.eip = f"47.97.{instance.seq >> 8 & 255}.{instance.seq & 255}"
        self._take_in(instance)
        self.record("CreateInstance", pod, zone, instance)
        self.settle(instance)
        return instance

    def close(
        self, instance: Instance, *, status: str, at: float | None = None, reason: str = ""
    ) -> None:
        """Note the end of an instance at a time (0: now), or without one that its pod is gone."""
        if instance.alive:
            self._count(instance, -1)
            vswitch = self.network.vswitches.get(instance.vswitch_id)
            if vswitch:
                vswitch.release(instance.ip)
        if at is None:
            instance.deleted_at = self.now()
        else:
            instance.ended_at, instance.reason = at or self.now(), reason
        instance.status = status
        self.settle(instance)

    def settle(self, instance: Instance) -> None:
        """Commit an instance that changed."""
        self.store.put(instance)
        self.store.commit()

    def record(
        self, action: str, pod: Obj, zone: str, instance: Instance | None = None, code: str = ""
    ) -> None:
        """Write a line into the ledger."""
        self._call_seq += 1
        meta = pod["metadata"]
        moment = datetime.fromtimestamp(self.now(), UTC).isoformat(timespec="milliseconds")
        self.store.put_call(
            Call(
                action=action,
                namespace=meta["namespace"],
                pod=meta["name"],
                uid=meta["uid"],
                zone=zone,
                instance_id=instance.id if instance else "",
                code=code,
                request_id=instance.request_id if instance else str(self._uuid()).upper(),
                seq=self._call_seq,
                time=moment.replace("+00:00", "Z"),
            )
        )

    def _take_in(self, instance: Instance) -> None:
        self.instances[instance.id] = instance
        self._by_uid[instance.uid] = instance
        if instance.alive:
            self._count(instance, 1)
            vswitch = self.network.vswitches.get(instance.vswitch_id)
            if vswitch:
                vswitch.taken.add(instance.ip)

    def _count(self, instance: Instance, sign: int) -> None:
        size = instance.spec
        names = (f"{instance.compute_class}/{size}", instance.model, size, instance.qos)
        for name in {*names, instance.compute_class} - {""}:
            self._used[instance.zone, name] += sign

    def _random(self, length: int) -> str:
        return "".join(self._rng.choices(_ALPHABET, k=length))

    def _uuid(self) -> uuid.UUID:
        return uuid.UUID(int=self._rng.getrandbits(128), version=4)


def _free_from_the_top(vswitch: Subnet) -> str:
    """Return a free address, the highest first: ECI takes those of the same vSwitch from below."""
    first, taken = ipaddress.ip_network(vswitch.cidr)[-4], vswitch.taken
    for step in chain(range(len(taken), vswitch.capacity), range(len(taken))):
        address = str(first - step)
        if address not in taken:
            return address
    return ""
