"""Clusters of the world: starting, saving and bending them."""

import asyncio
from collections.abc import Callable, Sequence
from http import HTTPStatus
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import web

from .answers import MAX_ROWS, answer, body_of, refuse, write_atomically

if TYPE_CHECKING:
    from .cluster.cluster import Cluster
    from .cluster.extension import Extension
    from .cluster.kce import ControlPlane
    from .cluster.vendors import ClusterSpec

Extend = Callable[["ClusterSpec"], Sequence["Extension"]]


class Clusters:
    """The simulated clusters by name; each keeps its own state below ``state_dir``.

    ``extend`` gives what the clouds of the world add to a cluster of a kind.
    """

    def __init__(
        self,
        names: tuple[str, ...],
        state_dir: Path,
        speed: float,
        extend: Extend = lambda _spec: (),
    ) -> None:
        self.names = names
        self.state_dir = state_dir
        self.speed = speed
        self.extend = extend
        self.specs: dict[str, ClusterSpec] = {}
        self.running: dict[str, Cluster] = {}

    async def start(self, host: str, first_port: int) -> None:
        """Start every cluster and write its kubeconfig; port 0 picks free ones."""
        if not self.names:
            return
        from .cluster.clock import SystemClock
        from .cluster.cluster import Cluster
        from .cluster.vendors import config_of, spec_of

        for index, name in enumerate(self.names):
            folder = self.state_dir / "clusters" / name
            folder.mkdir(parents=True, exist_ok=True)
            spec = self.specs[name] = spec_of(name)
            cluster = Cluster(
                name,
                state_dir=folder,
                clock=SystemClock(self.speed),
                config=config_of(spec),
                version=spec.version,
                extensions=self.extend(spec),
            )
            await cluster.start(host, first_port + index if first_port else 0)
            self.running[name] = cluster
            write_atomically(self._kubeconfig(name), cluster.kubeconfig())

    async def stop(self) -> None:
        """Stop every cluster."""
        await asyncio.gather(*(cluster.stop() for cluster in self.running.values()))
        self.running.clear()

    def save(self) -> None:
        """Write a snapshot of every cluster beside its journal."""
        for name, cluster in self.running.items():
            cluster.snapshot(self.state_dir / "clusters" / f"{name}.snapshot")

    def heal(self) -> None:
        """Take every fault away."""
        for cluster in self.running.values():
            cluster.faults.clear()

    def of_kind(self, *kinds: str) -> "list[tuple[ClusterSpec, Cluster]]":
        """Return the running clusters of some kinds."""
        specs = (spec for spec in self.specs.values() if spec.kind in kinds)
        return [(spec, self.running[spec.name]) for spec in specs]

    def describe(self) -> list[dict[str, Any]]:
        """Return the ``clusters`` part of ``world.json``."""
        return [
            {
                "id": self.specs[name].id,
                "name": name,
                "kind": self.specs[name].kind,
                "server": cluster.url,
                "kubeconfig": str(self._kubeconfig(name)),
                "region": self.specs[name].region,
            }
            for name, cluster in self.running.items()
        ]

    def _kubeconfig(self, name: str) -> Path:
        return (self.state_dir / f"{name}.kubeconfig").absolute()


class ClusterControl:
    """The part of the control API that is about clusters."""

    def __init__(self, clusters: Clusters) -> None:
        self.clusters = clusters

    def routes(self) -> list[web.RouteDef]:
        """Return the routes under ``/clusters``."""
        return [
            web.get("/clusters", self.index),
            web.get("/clusters/{name}/faults", self.faults),
            web.put("/clusters/{name}/faults", self.set_faults),
            web.delete("/clusters/{name}/faults", self.clear_faults),
            web.get("/clusters/{name}/history", self.history),
            web.get("/clusters/{name}/temporary-keys", self.temporary_keys),
            web.put("/clusters/{name}/temporary-keys", self.set_temporary_keys),
        ]

    async def index(self, _request: web.Request) -> web.Response:
        """Return the clusters as ``world.json`` does."""
        return answer(self.clusters.describe())

    async def faults(self, request: web.Request) -> web.Response:
        """Return a cluster's faults."""
        return answer(self._named(request).faults.document())

    async def set_faults(self, request: web.Request) -> web.Response:
        """Set the faults that are given; the others keep their value."""
        cluster = self._named(request)
        cluster.faults.set(await body_of(request))
        return answer(cluster.faults.document())

    async def clear_faults(self, request: web.Request) -> web.Response:
        """Take a cluster's faults away."""
        cluster = self._named(request)
        cluster.faults.clear()
        return answer(cluster.faults.document())

    async def history(self, request: web.Request) -> web.Response:
        """Return the writes after ``since``, oldest first."""
        since = int(request.query.get("since", 0))
        limit = int(request.query.get("limit", MAX_ROWS))
        if limit < 0:
            return refuse(HTTPStatus.BAD_REQUEST, "limit is not negative")
        writes = islice(self._named(request).history.since(since), min(limit, MAX_ROWS))
        return answer([write.document() for write in writes])

    async def temporary_keys(self, request: web.Request) -> web.Response:
        """Return how the control plane of a KCE cluster keeps its temporary keys."""
        return answer(self._plane(request).settings)

    async def set_temporary_keys(self, request: web.Request) -> web.Response:
        """Change what is given; unless paused, a new key is written at once."""
        return answer(self._plane(request).change(await body_of(request)))

    def _plane(self, request: web.Request) -> "ControlPlane":
        from .cluster.kce import ControlPlane

        for extension in self._named(request).extensions:
            if isinstance(extension, ControlPlane):
                return extension
        raise KeyError(f"{request.match_info['name']} keeps no temporary keys")

    def _named(self, request: web.Request) -> "Cluster":
        return self.clusters.running[request.match_info["name"]]
