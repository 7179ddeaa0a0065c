"""The simulated world as one process: clusters, the cloud, and the control API.

``World.start`` opens everything and writes ``world.json`` last and atomically, so that a reader who
finds the file finds everything answering. State lives in ``state_dir`` and survives a restart,
also after kill -9: the cloud commits before it answers, each cluster keeps a journal.
"""

import asyncio
import contextlib
import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .answers import answer, write_atomically
from .clouds.eci.cloud import EciCloud
from .clouds.eci.server import Gateway
from .clouds.eci.store import Store
from .cluster_control import ClusterControl, Clusters
from .control import ControlServer, EciControl

HOST = "127.0.0.1"
COMMIT_SECONDS = 2.0
CONTROL, ECI, CLUSTER = 0, 1, 16443 - 18080


@dataclass(frozen=True)
class Settings:
    """How a world is started. ``base_port`` None picks free ports."""

    state_dir: Path
    base_port: int | None = 18080
    clusters: tuple[str, ...] = ("ack-hangzhou",)
    region: str = "cn-hangzhou"
    speed: float = 1.0

    def port(self, offset: int) -> int:
        """Return the port at an offset from the base, 0 for a free one."""
        return 0 if self.base_port is None else self.base_port + offset


class World:
    """Everything outside the product."""

    def __init__(
        self,
        settings: Settings,
        *,
        now: Callable[[], float] = time.time,
        rng: random.Random | None = None,
    ) -> None:
        self.settings = settings
        settings.state_dir.mkdir(parents=True, exist_ok=True)
        self.store = Store(settings.state_dir / "eci.sqlite3")
        self.cloud = EciCloud(
            self.store,
            now=now,
            rng=rng or random.SystemRandom(),
            region=settings.region,
            speed=settings.speed,
        )
        self.gateway = Gateway(self.cloud)
        self.clusters = Clusters(
            settings.clusters, settings.state_dir, settings.region, settings.speed
        )
        self.control = ControlServer()
        self._saver: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Open everything, then write ``world.json``."""
        settings = self.settings
        await self.gateway.start(HOST, settings.port(ECI))
        await self.clusters.start(HOST, settings.port(CLUSTER))
        app = self.control.app
        app.add_routes(EciControl(self.cloud).routes())
        app.add_routes(ClusterControl(self.clusters).routes())
        app.router.add_post("/snapshot", self._on_snapshot)
        app.router.add_post("/reset", self._on_reset)
        await self.control.start(HOST, settings.port(CONTROL))
        write_atomically(settings.state_dir / "world.json", json.dumps(self.describe(), indent=1))
        self._saver = asyncio.create_task(self._commit_now_and_then())

    async def stop(self) -> None:
        """Save everything and close everything."""
        if self._saver:
            self._saver.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._saver
        await self.control.stop()
        await self.gateway.stop()
        await self.clusters.stop()
        self.store.close()

    def describe(self) -> dict[str, Any]:
        """Return what ``world.json`` says."""
        network = self.cloud.network
        return {
            "control_url": self.control.url,
            "clouds": {
                "eci": {
                    "endpoint": self.gateway.url,
                    "region": self.cloud.region,
                    "account_id": self.cloud.account_id,
                    "keys": [
                        {
                            "access_key_id": key.access_key_id,
                            "access_key_secret": key.access_key_secret,
                            "note": key.note,
                        }
                        for key in self.cloud.keys.values()
                    ],
                    "vpc_id": network.vpc_id,
                    "security_group_id": network.default_security_group.id,
                    "vswitches": [
                        {"id": v.id, "zone": v.zone, "cidr": v.cidr, "free_ips": v.free}
                        for v in network.vswitches.values()
                    ],
                }
            },
            "clusters": self.clusters.describe(),
        }

    def save(self) -> None:
        """Write all state down now."""
        self.store.commit()
        self.clusters.save()

    async def _commit_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(COMMIT_SECONDS)
            self.store.commit()

    async def _on_snapshot(self, _request: Any) -> Any:
        self.save()
        return answer({"saved": True})

    async def _on_reset(self, _request: Any) -> Any:
        self.cloud.reset()
        self.clusters.heal()
        return answer({"reset": True})
