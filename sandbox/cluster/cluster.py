"""One simulated cluster: store, API semantics, server, controllers, and where its state lives."""

import asyncio
import random
from pathlib import Path
from typing import Any

from sandbox.cluster.admission import Admission
from sandbox.cluster.client import Client
from sandbox.cluster.clock import Clock, SystemClock
from sandbox.cluster.faults import Faults
from sandbox.cluster.history import History
from sandbox.cluster.registry import Registry
from sandbox.cluster.request import Request
from sandbox.cluster.resources import Catalog
from sandbox.cluster.store import Store

Obj = dict[str, Any]
NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")


class Cluster:
    """A cluster called ``name``. ``kubelets`` maps a node name to its back end."""

    def __init__(
        self,
        name: str,
        *,
        state_dir: Path | None = None,
        clock: Clock | None = None,
        controllers: bool = True,
        seed: int | None = None,
    ) -> None:
        self.name = name
        self.state_dir = state_dir
        self.clock: Clock = clock or SystemClock()
        self.controllers = controllers
        self.faults = Faults()
        self.history = History()
        self.kubelets: dict[str, Any] = {}
        self.catalog = Catalog()
        self.store = Store(self.clock, self.history)
        self.admission = Admission(self.store)
        self.rng = random.Random(seed)
        self.registry = Registry(self.store, self.catalog, self.admission, self.clock, self.rng)
        self.client = Client(self.registry)
        self._tasks: list[asyncio.Task[Any]] = []

    async def bootstrap(self) -> None:
        """Create the objects every cluster has, where they are missing."""
        namespaces = self.catalog.named("namespaces")
        for name in NAMESPACES:
            if self.store.get("namespaces", "", name) is None:
                await self.registry.create(
                    Request(verb="create"), namespaces, "", {"metadata": {"name": name}}
                )
