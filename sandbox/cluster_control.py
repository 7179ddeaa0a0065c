"""Clusters of the world: starting, saving and bending them."""

from http import HTTPStatus
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web


class Clusters:
    """The simulated clusters by name."""

    def __init__(self, names: tuple[str, ...], speed: float) -> None:
        self.names = names
        self.speed = speed
        self.running: dict[str, Any] = {}

    async def start(self, state_dir: Path, host: str, first_port: int) -> None:
        """Restore and start every cluster, and write its kubeconfig."""

    async def stop(self, state_dir: Path) -> None:
        """Save and stop every cluster."""

    def save(self, state_dir: Path) -> None:
        """Write every cluster's state down."""

    def heal(self) -> None:
        """Take every fault away."""

    def describe(self, state_dir: Path, region: str) -> list[dict[str, Any]]:
        """Return the ``clusters`` part of ``world.json``."""
        return []


class ClusterControl:
    """The part of the control API that is about clusters."""

    def __init__(self, clusters: Clusters, region: str) -> None:
        self.clusters = clusters
        self.region = region

    def routes(self) -> list[web.RouteDef]:
        """Return the routes under ``/clusters``."""
        return [web.get("/clusters", self.index)]

    async def index(self, _request: web.Request) -> web.Response:
        """Return the clusters."""
        rows = self.clusters.describe(Path(), self.region)
        return web.Response(body=msgspec.json.encode(rows), status=HTTPStatus.OK)
