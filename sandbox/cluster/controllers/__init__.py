"""The control loops of a simulated cluster.

`start` gives a cluster its controllers, its scheduler and the kubelets of its on-premises nodes.
Loops keep no state outside the objects, so a cluster restored from a snapshot goes on where it was.
Virtual nodes are not run here: whoever registers them is their kubelet, and the node lifecycle loop
judges them by their Leases like all others.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from sandbox.cluster.errors import ApiError

from .bootstrap import bootstrap
from .config import Config
from .context import Context
from .cronjob import CronJobs
from .daemonset import DaemonSets
from .deployment import Deployments
from .disruption import DisruptionBudgets
from .endpoints import Endpoints
from .eventttl import EventExpiry
from .garbage import GarbageCollector
from .hpa import Autoscalers
from .job import Jobs
from .kubelet.backend import NodeBackend
from .kubelet.nodes import Nodes
from .kubelet.pods import Pods
from .loop import Controller
from .namespace import Namespaces
from .nodelifecycle import NodeLifecycle
from .podgc import PodGarbage
from .replicaset import ReplicaSets
from .resourcequota import ResourceQuotas
from .scheduler import Scheduler
from .serviceaccount import ServiceAccounts
from .statefulset import StatefulSets
from .tainteviction import TaintEviction
from .tokens import Tokens
from .volumes import Volumes

if TYPE_CHECKING:
    from sandbox.cluster.cluster import Cluster

log = logging.getLogger(__name__)

LOOPS: tuple[type[Controller[Any]], ...] = (
    Namespaces,
    ServiceAccounts,
    Tokens,
    Deployments,
    ReplicaSets,
    StatefulSets,
    DaemonSets,
    Jobs,
    CronJobs,
    Autoscalers,
    Scheduler,
    NodeLifecycle,
    TaintEviction,
    PodGarbage,
    Endpoints,
    DisruptionBudgets,
    Volumes,
    ResourceQuotas,
    GarbageCollector,
    EventExpiry,
)


class Manager:
    """The loops of one cluster, built but not yet running."""

    def __init__(self, cluster: Cluster, config: Config | None = None) -> None:
        self.config = config or Config()
        for extension in cluster.extensions:
            self.config = extension.configure(self.config)
        self.context = Context(
            name=cluster.name,
            client=cluster.client,
            catalog=cluster.catalog,
            store=cluster.store,
            clock=cluster.clock,
            config=self.config,
            ca_certificate=cluster.identity.authority.certificate.decode(),
            address=cluster.address,
            issue_token=cluster.authenticator.issue,
        )
        self.nodes = Nodes(self.context)
        self.pods = Pods(self.context, self.nodes)
        replaced = {name for extension in cluster.extensions for name in extension.replaces}
        kept = [loop for loop in LOOPS if loop.name not in replaced]
        self.loops: list[Controller[Any]] = [loop(self.context) for loop in kept]
        self.loops += [self.nodes, self.pods]
        for extension in cluster.extensions:
            self.loops += extension.loops(self)
        for node in self.config.nodes:
            cluster.kubelets[node.name] = NodeBackend(
                node.name, self.pods.environment, cluster.clock, self.nodes.down
            )

    async def run(self, loop: Controller[Any], ready: asyncio.Event) -> None:
        """Run one loop once the cluster is bootstrapped."""
        await ready.wait()
        await loop.run()

    async def supervise(self, ready: asyncio.Event) -> None:
        """Bootstrap, let the loops go, unsubscribe at the end."""
        try:
            await self._bootstrap()
            ready.set()
            await asyncio.Event().wait()
        finally:
            self.context.close()

    async def _bootstrap(self) -> None:
        while True:
            try:
                await bootstrap(self.context)
            except ApiError as error:
                log.warning("bootstrap of %s: %s", self.context.name, error)
                await self.context.clock.sleep(1.0)
            else:
                return

    def start(self) -> list[asyncio.Task[None]]:
        """One task per loop and one that supervises; cancel them all to stop."""
        ready = asyncio.Event()
        tasks = [asyncio.create_task(self.supervise(ready), name="bootstrap")]
        tasks += [asyncio.create_task(self.run(loop, ready), name=loop.name) for loop in self.loops]
        return tasks

    @property
    def settled(self) -> bool:
        """Nothing is ready or in flight in any loop; delayed keys do not count."""
        return all(loop.queue.idle for loop in self.loops)


def start(cluster: Cluster, config: Config | None = None) -> list[asyncio.Task[None]]:
    """Start every loop of `cluster`; `config` describes its nodes."""
    return Manager(cluster, config).start()
