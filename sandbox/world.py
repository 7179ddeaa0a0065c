"""The simulated world as one process: clusters, clouds, and the control API.

``World.start`` opens everything and writes ``world.json`` last and atomically, so that a reader who
finds the file finds everything answering. State lives in ``state_dir`` and survives a restart,
also after kill -9: the clouds commit before they answer, each cluster keeps a journal.
"""

import asyncio
import contextlib
import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .answers import answer, write_atomically
from .clouds.acs.cloud import AcsCloud
from .clouds.aliyun.account import AliyunAccount
from .clouds.base import Cloud
from .clouds.eci.account import EciAccount
from .clouds.kci.account import KciAccount
from .clouds.kci.cloud import Cluster as KceCluster
from .cluster_control import ClusterControl, Clusters
from .control import ControlServer

if TYPE_CHECKING:
    from .cluster.cluster import Cluster
    from .cluster.extension import Extension
    from .cluster.vendors import ClusterSpec

HOST = "127.0.0.1"
COMMIT_SECONDS = 2.0
CONTROL, CLOUDS, CLUSTER = 0, 1, 16443 - 18080
CLUSTERS = ("ack-hangzhou", "idc-zhangjiakou", "kce-beijing", "acs-hangzhou")
SECOND_REGION = "cn-zhangjiakou"


@dataclass(frozen=True)
class Settings:
    """How a world is started. ``base_port`` None picks free ports."""

    state_dir: Path
    base_port: int | None = 18080
    clusters: tuple[str, ...] = CLUSTERS
    region: str = "cn-hangzhou"
    speed: float = 1.0

    def port(self, offset: int) -> int:
        """Return the port at an offset from the base, 0 for a free one."""
        return 0 if self.base_port is None else self.base_port + offset

    @property
    def regions(self) -> tuple[str, ...]:
        """The regions of the Alibaba Cloud account, the first one first."""
        return tuple(dict.fromkeys((self.region, SECOND_REGION)))


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
        rng = rng or random.SystemRandom()
        folder, speed = settings.state_dir, settings.speed
        self.kci = KciAccount(folder, now=now, rng=rng, speed=speed)
        self.acs = AcsCloud.kept_in(folder, now=now, rng=rng, region=settings.region, speed=speed)
        self.eci = EciAccount(folder, settings.regions, now=now, rng=rng, speed=speed)
        self.aliyun = AliyunAccount(folder, self.eci, now=now, rng=rng, speed=speed)
        self.aliyun.cloud.bills.acs = self.acs
        self.clouds: list[Cloud] = [self.eci, self.kci, self.acs, self.aliyun]
        self.clusters = Clusters(settings.clusters, folder, speed, self._extend)
        self.control = ControlServer()
        self._saver: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Open everything, then write ``world.json``."""
        settings = self.settings
        for index, cloud in enumerate(self.clouds):
            await cloud.start(HOST, settings.port(CLOUDS + index))
        await self.clusters.start(HOST, settings.port(CLUSTER))
        self.aliyun.open(*self.clusters.of_kind("ack-pro", "ack-registered"))
        self.kci.cloud.components.open({s.id: c for s, c in self.clusters.of_kind("kce")})
        self.kci.cloud.clusters = [_kce_cluster(*found) for found in self.clusters.of_kind("kce")]
        app = self.control.app
        for cloud in self.clouds:
            app.add_routes(cloud.routes())
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
        await self.aliyun.close()
        await self.kci.cloud.components.close()
        await self.clusters.stop()
        for cloud in self.clouds:
            await cloud.stop()

    def _extend(self, spec: "ClusterSpec") -> "list[Extension]":
        """What the cloud that a cluster belongs to does inside it."""
        from .clouds.acs.extension import AcsCluster
        from .clouds.kci.virtualnode import KciVirtualKubelet
        from .cluster.kce import ControlPlane
        from .cluster.virtualkubelet.extension import VirtualKubelets

        if spec.kind in {"ack-pro", "ack-registered"}:
            return [self.aliyun.plane(spec, self.acs, [KciVirtualKubelet(self.kci)])]
        if spec.kind == "acs":
            return [AcsCluster(self.acs, spec.name, spec.version)]
        if spec.kind == "kce":
            kubelets = VirtualKubelets([KciVirtualKubelet(self.kci)])
            return [ControlPlane(self.kci.cloud.issue_temporary), kubelets]
        return []

    def describe(self) -> dict[str, Any]:
        """Return what ``world.json`` says."""
        return {
            "control_url": self.control.url,
            "clouds": {cloud.name: cloud.describe() for cloud in self.clouds},
            "clusters": self.clusters.describe(),
        }

    def save(self) -> None:
        """Write all state down now."""
        for cloud in self.clouds:
            cloud.save()
        self.clusters.save()

    async def _commit_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(COMMIT_SECONDS)
            for cloud in self.clouds:
                cloud.save()

    async def _on_snapshot(self, _request: Any) -> Any:
        self.save()
        return answer({"saved": True})

    async def _on_reset(self, _request: Any) -> Any:
        for cloud in self.clouds:
            cloud.reset()
        self.clusters.heal()
        return answer({"reset": True})


def _kce_cluster(spec: "ClusterSpec", cluster: "Cluster") -> KceCluster:
    """The cluster as the API of KCE lists it."""
    return KceCluster(
        spec.id,
        spec.name,
        spec.version,
        cluster.kubeconfig(),
        nodes=2,
        pod_cidr="10.100.0.0/16",
        service_cidr="10.96.0.0/16",
    )
