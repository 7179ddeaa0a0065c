"""The virtual kubelets of one cluster: one per running container with a vendor's image.

A container whose virtual kubelet cannot work ends with its reason as the last line of its log, so
that its pod is in CrashLoopBackOff. What was made at the cloud stays when a container stops.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from sandbox.cluster.controllers.informer import Key, Obj, key_of
from sandbox.cluster.controllers.kubelet.environment import Missing
from sandbox.cluster.controllers.kubelet.machine import FOREVER, Machine
from sandbox.cluster.controllers.kubelet.program import Ending, Line, command_of
from sandbox.cluster.controllers.loop import Controller
from sandbox.cluster.controllers.objects import node_of

from .backend import VirtualBackend
from .nodes import VirtualNodes
from .pods import VirtualPods
from .vendor import Cloud, Run, Unusable, Vendor

if TYPE_CHECKING:
    from sandbox.cluster.cluster import Cluster
    from sandbox.cluster.controllers import Manager
    from sandbox.cluster.controllers.config import Config
    from sandbox.cluster.controllers.kubelet.pods import Pods

LOOK = 1.0
CRASH_AFTER = 1.0


class VirtualKubelets:
    """The extension of a cluster. ``vendors`` are told by the image of a container."""

    replaces: frozenset[str] = frozenset()

    def __init__(self, vendors: Sequence[Vendor]) -> None:
        self.vendors = vendors
        self._cluster: Cluster | None = None
        self._runner: Runner | None = None
        self._waiting: dict[str, Run] = {}

    def configure(self, config: Config) -> Config:
        """Nothing else is different."""
        return config

    def install(self, cluster: Cluster) -> None:
        """Introduce the vendors."""
        self._cluster = cluster
        for vendor in self.vendors:
            vendor.join(cluster)

    def loops(self, manager: Manager) -> list[Controller[Any]]:
        """Follow the containers, run the nodes and their pods."""
        assert self._cluster
        self._runner = Runner(manager, self._cluster, self)
        for owner, run in self._waiting.items():
            self._runner.begin(owner, run)
        manager.pods.environment.programs = self.program
        return [self._runner.nodes, self._runner.pods, self._runner]

    def vendor_of(self, image: str) -> Vendor | None:
        """Return whose virtual kubelet an image is."""
        for vendor in self.vendors:
            if any(fnmatchcase(image, glob) for glob in vendor.images):
                return vendor
        return None

    def program(self, container: Obj, machine: Machine) -> Iterator[Line | Ending] | None:
        """Return what a container prints and how it ends, None when it is no virtual kubelet."""
        image = container.get("image", "")
        vendor = self.vendor_of(image)
        return _program(vendor, run_of(container, machine)) if vendor else None

    def begin(self, owner: str, run: Run) -> None:
        """Run a virtual kubelet outside the cluster's nodes, or another version of it."""
        self._waiting[owner] = run
        if self._runner:
            self._runner.begin(owner, run)

    def end(self, owner: str) -> None:
        """Stop it."""
        self._waiting.pop(owner, None)
        if self._runner:
            self._runner.end(owner)

    def nodes_of(self, owner: str) -> list[str]:
        """Return the names of the nodes that an owner runs."""
        return self._runner.nodes_of(owner) if self._runner else []

    def runs(self, vendor: Vendor) -> bool:
        """Tell whether a vendor's virtual kubelet runs."""
        return self._runner is not None and vendor in self._runner.vendors


def run_of(container: Obj, machine: Machine) -> Run:
    """Return a container as its virtual kubelet sees it."""
    return Run(container.get("image", ""), machine.env, command_of(container))


def _program(vendor: Vendor, run: Run) -> Iterator[Line | Ending]:
    yield Line(0.0, 1, f"starting virtual kubelet {run.tag}")
    try:
        vendor.check(run)
        names = [node.name for node in vendor.nodes(run)]
    except Unusable as reason:
        yield Line(CRASH_AFTER, 2, f"fatal: {reason}")
        yield Ending(CRASH_AFTER, 1)
        return
    yield Line(0.1, 1, f"registered nodes: {', '.join(names)}")
    yield Ending(FOREVER, 0)


class Runner(Controller[Key]):
    """Starts and stops virtual kubelets; keys are (namespace, name) of the pods that are one.

    ``also`` is another sync loop that takes pods of these nodes.
    """

    name = "virtual-kubelets"
    manager = "virtual-kubelet"

    def __init__(self, manager: Manager, cluster: Cluster, kubelets: VirtualKubelets) -> None:
        self._kubelets = kubelets
        self._cluster = cluster
        self._environment = manager.pods.environment
        self._down = manager.nodes.down
        self._clouds: dict[str, Cloud] = {}
        self._runs: dict[str, tuple[Vendor, Run]] = {}
        self.also: Pods | None = None
        self.nodes = VirtualNodes(manager.context)
        self.pods = VirtualPods(manager.context, self.nodes, self.cloud_of)
        super().__init__(manager.context)

    def setup(self) -> None:
        self._all = self.context.informer("pods")
        self._all.on_change(self._on_pod)
        self.context.informer("configmaps").on_change(self._on_profile)

    def cloud_of(self, node: str) -> Cloud | None:
        """Return what runs the pods of a node."""
        return self._clouds.get(self.nodes.owner_of(node))

    @property
    def vendors(self) -> list[Vendor]:
        """Whose virtual kubelets run."""
        return [vendor for vendor, _ in self._runs.values()]

    def nodes_of(self, owner: str) -> list[str]:
        """Return the names of the nodes that an owner runs."""
        return [name for name in self.nodes.configs if self.nodes.owner_of(name) == owner]

    def begin(self, owner: str, run: Run) -> None:
        """Be a virtual kubelet, or another version of it."""
        vendor = self._kubelets.vendor_of(run.image)
        assert vendor, run.image
        if self._runs.get(owner) != (vendor, run):
            self._runs[owner] = (vendor, run)
            self._clouds[owner] = vendor.cloud(run)
        self._claim(owner)

    def end(self, owner: str) -> None:
        """Stop being it: nodes are no longer kept alive."""
        self._runs.pop(owner, None)
        self._clouds.pop(owner, None)
        self.nodes.release(owner)

    def _claim(self, owner: str) -> None:
        vendor, run = self._runs[owner]
        try:
            configs = vendor.nodes(run)
        except Unusable:
            configs = []
        if not self.nodes.claim(owner, configs):
            return
        for config in configs:
            if not isinstance(self._cluster.kubelets.get(config.name), VirtualBackend):
                self._cluster.kubelets[config.name] = VirtualBackend(
                    config.name, self._environment, self.clock, self.cloud_of
                )
            self._wake(config.name)

    def _wake(self, node: str) -> None:
        """Look at every pod of a node: somebody runs it now."""
        for pod in self._all:
            if node_of(pod) == node:
                self.pods.queue.add(key_of(pod))
                if self.also:
                    self.also.queue.add(key_of(pod))

    def _on_profile(self, new: Obj | None, old: Obj | None) -> None:
        meta = (new or old or {})["metadata"]
        if meta["namespace"] == "kube-system" and meta["name"].endswith("-profile"):
            for owner in list(self._runs):
                self._claim(owner)

    def _on_pod(self, new: Obj | None, old: Obj | None) -> None:
        pod = new or old or {}
        if any(self._kubelets.vendor_of(c.get("image", "")) for c in pod["spec"]["containers"]):
            self.queue.add(key_of(pod))

    async def reconcile(self, key: Key) -> float | None:
        """Run what runs in a pod, stop what does not."""
        pod, prefix = self._all.get(key), f"{key[0]}/{key[1]}/"
        wanted = dict(self._wanted(pod, prefix)) if pod else {}
        for owner in [o for o in self._runs if o.startswith(prefix) and o not in wanted]:
            self.end(owner)
        for owner, run in wanted.items():
            self.begin(owner, run)
        return LOOK if wanted else None

    def _wanted(self, pod: Obj, prefix: str) -> Iterator[tuple[str, Run]]:
        if node_of(pod) in self._down:
            return
        states = {s["name"]: s for s in (pod.get("status") or {}).get("containerStatuses") or []}
        for container in pod["spec"]["containers"]:
            state = states.get(container["name"]) or {}
            vendor = self._kubelets.vendor_of(container.get("image", ""))
            if vendor is None or "running" not in (state.get("state") or {}):
                continue
            try:
                run = run_of(container, self._environment.machine(pod, container))
                vendor.check(run)
            except (Missing, Unusable):
                continue
            yield f"{prefix}{state.get('containerID', '')}", run
