"""CS, RAM, STS and BSS of the account as a cloud of the world."""

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import web

from ..eci.account import EciAccount
from ..groups.store import Store
from .control import AliyunControl
from .core import Aliyun
from .cs import Member
from .server import Gateway

if TYPE_CHECKING:
    from sandbox.cluster.cluster import Cluster
    from sandbox.cluster.vendors import ClusterSpec
    from sandbox.cluster.virtualkubelet.vendor import Vendor

    from ..acs.cloud import AcsCloud
    from .plane import AckPlane


class AliyunAccount:
    """One gateway answers for ``cs.<region>``, ``ram`` and ``sts.<region>``.

    The addresses of ECI answer for them too: an account is often known by one address only.
    """

    name = "aliyun"

    def __init__(
        self,
        state_dir: Path,
        eci: EciAccount,
        *,
        now: Callable[[], float],
        rng: random.Random,
        speed: float = 1.0,
    ) -> None:
        store = Store(state_dir / "aliyun.sqlite3")
        self.cloud = Aliyun(store, eci, now=now, rng=rng, speed=speed)
        self.gateway = Gateway(self.cloud)
        for gateway in eci.gateways.values():
            gateway.neighbour = self.gateway
        self._planes: dict[str, AckPlane] = {}

    def plane(
        self, spec: "ClusterSpec", acs: "AcsCloud", others: "Sequence[Vendor]" = ()
    ) -> "AckPlane":
        """Return what the account adds to a cluster; the world calls it before it runs.

        ``others`` are virtual kubelets of other clouds that may run in the cluster.
        """
        from .plane import AckPlane
        from .virtualnode import EciVirtualNode

        eci = EciVirtualNode(self.cloud, spec, acs.region)
        plane = self._planes[spec.id] = AckPlane(eci, acs, others)
        return plane

    def open(self, *members: "tuple[ClusterSpec, Cluster]") -> None:
        """Take over the clusters of the world; the world calls it once they run."""
        from .inside import Addons

        inside = Addons(self._planes, self.cloud.networks)
        self.cloud.inside = inside
        self.cloud.cs.open([Member(*member) for member in members], inside)

    async def start(self, host: str, port: int) -> None:
        """Listen; port 0 picks a free one."""
        await self.gateway.start(host, port)

    async def close(self) -> None:
        """Stop listening and the tasks, before the clusters and the rest of the account stop."""
        await self.gateway.stop()
        await self.cloud.cs.close()
        self.cloud.keep()

    async def stop(self) -> None:
        """Close the file; everything is written down."""
        self.cloud.store.close()

    def save(self) -> None:
        """Write all state down now."""
        self.cloud.store.commit()

    def reset(self) -> None:
        """Forget calls, faults and knobs."""
        self.cloud.reset()

    def routes(self) -> list[web.RouteDef]:
        """Return the control API of this cloud."""
        return AliyunControl(self.cloud).routes()

    def describe(self) -> dict[str, Any]:
        """Return this cloud's part of ``world.json``; the keys are those of ``eci``."""
        url, eci = self.gateway.url, self.cloud.eci.describe()
        return {
            "cs_endpoint": url,
            "ram_endpoint": url,
            "sts_endpoint": url,
            "bss_endpoint": url,
            "region": eci["region"],
            "account_id": eci["account_id"],
            "keys": eci["keys"],
        }
