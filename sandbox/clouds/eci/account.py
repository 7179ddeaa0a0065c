"""One Alibaba Cloud account in the world: its ECI in several regions, one endpoint for each."""

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from aiohttp import web

from ..groups.store import Store
from .cloud import EciCloud
from .control import EciControl
from .server import Gateway

PORT_STEP = 10


class EciAccount:
    """A cloud of the world. AccessKeys are the account's, everything else is a region's."""

    name = "eci"

    def __init__(
        self,
        state_dir: Path,
        regions: Sequence[str],
        *,
        now: Callable[[], float],
        rng: random.Random,
        speed: float = 1.0,
    ) -> None:
        self.regions: dict[str, EciCloud] = {}
        for region in regions:
            file = f"eci-{region}.sqlite3" if self.regions else "eci.sqlite3"
            cloud = EciCloud(Store(state_dir / file), now=now, rng=rng, region=region, speed=speed)
            self.regions[region] = cloud
            cloud.keys = self.first.keys
        self.gateways = {region: Gateway(cloud) for region, cloud in self.regions.items()}

    @property
    def first(self) -> EciCloud:
        """The region that is meant when none is named."""
        return next(iter(self.regions.values()))

    async def start(self, host: str, port: int) -> None:
        """Listen: the first region on ``port``, the next ten further; port 0 picks free ones."""
        for index, gateway in enumerate(self.gateways.values()):
            await gateway.start(host, port + PORT_STEP * index if port else 0)
        urls = {region: gateway.url for region, gateway in self.gateways.items()}
        for cloud in self.regions.values():
            cloud.endpoints.update(urls)

    async def stop(self) -> None:
        """Stop listening and write everything down."""
        for gateway in self.gateways.values():
            await gateway.stop()
        for cloud in self.regions.values():
            cloud.store.close()

    def save(self) -> None:
        """Write all state down now."""
        for cloud in self.regions.values():
            cloud.store.commit()

    def reset(self) -> None:
        """Forget instances, calls, faults and knobs in every region."""
        for cloud in self.regions.values():
            cloud.reset()

    def routes(self) -> list[web.RouteDef]:
        """Return the control API of this cloud."""
        return EciControl(self.regions).routes()

    def describe(self) -> dict[str, Any]:
        """Return this cloud's part of ``world.json``: the first region, then all of them."""
        regions = {region: self._region(region) for region in self.regions}
        return {
            **next(iter(regions.values())),
            "account_id": self.first.account_id,
            "keys": [
                {
                    "access_key_id": key.access_key_id,
                    "access_key_secret": key.access_key_secret,
                    "note": key.note,
                }
                for key in self.first.keys.values()
                if not key.user
            ],
            "regions": regions,
        }

    def _region(self, region: str) -> dict[str, Any]:
        network = self.regions[region].network
        return {
            "endpoint": self.gateways[region].url,
            "region": region,
            "vpc_id": network.vpc_id,
            "security_group_id": network.default_security_group.id,
            "vswitches": [
                {"id": v.id, "zone": v.zone, "cidr": v.cidr, "free_ips": v.free}
                for v in network.vswitches.values()
            ],
        }
