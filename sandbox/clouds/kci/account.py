"""The Kingsoft Cloud account of the world: one region, one endpoint."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aiohttp import web

from ..groups.store import Store
from .cloud import KciCloud
from .control import KciControl
from .server import Gateway


class KciAccount:
    """A cloud of the world. ``cloud.clusters`` takes the account's KCE clusters."""

    name = "kci"

    def __init__(
        self,
        state_dir: Path,
        region: str = "cn-beijing-6",
        *,
        now: Callable[[], float],
        rng: random.Random,
        speed: float = 1.0,
    ) -> None:
        store = Store(state_dir / "kci.sqlite3")
        self.cloud = KciCloud(store, now=now, rng=rng, region=region, speed=speed)
        self.gateway = Gateway(self.cloud)

    async def start(self, host: str, port: int) -> None:
        """Listen; port 0 picks a free one."""
        await self.gateway.start(host, port)

    async def stop(self) -> None:
        """Stop listening and write everything down."""
        await self.gateway.stop()
        self.cloud.store.close()

    def save(self) -> None:
        """Write all state down now."""
        self.cloud.store.commit()

    def reset(self) -> None:
        """Forget instances, calls, faults and knobs."""
        self.cloud.reset()

    def routes(self) -> list[web.RouteDef]:
        """Return the control API of this cloud."""
        return KciControl(self.cloud).routes()

    def describe(self) -> dict[str, Any]:
        """Return this cloud's part of ``world.json``; temporary keys are not in it."""
        cloud, network = self.cloud, self.cloud.network
        return {
            "endpoint": self.gateway.url,
            "region": cloud.region,
            "account_id": cloud.account_id,
            "keys": [
                {
                    "access_key_id": key.access_key_id,
                    "access_key_secret": key.access_key_secret,
                    "note": key.note,
                }
                for key in cloud.keys.lasting()
            ],
            "vpc_id": network.vpc_id,
            "security_group_id": network.default_security_group.id,
            "subnets": [
                {"id": s.id, "zone": s.zone, "cidr": s.cidr, "free_ips": s.free}
                for s in network.subnets.values()
            ],
        }
