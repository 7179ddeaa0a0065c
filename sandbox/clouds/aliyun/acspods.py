"""The ACS instances of pods on the virtual nodes of ACK clusters."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sandbox.cluster.controllers.informer import Key, Obj
from sandbox.cluster.controllers.kubelet.pods import Pods
from sandbox.cluster.controllers.objects import node_of

from ..acs.host import AcsHost

if TYPE_CHECKING:
    from sandbox.cluster.controllers.context import Context
    from sandbox.cluster.virtualkubelet.nodes import VirtualNodes

    from ..acs.cloud import AcsCloud

Takes = Callable[[Obj], bool]


class AckHost(AcsHost):
    """Instances stay when the virtual node of their pod is not run by anybody."""

    def _observe(self, new: Obj | None, old: Obj | None) -> None:
        pod = new or old or {}
        if node_of(pod) in self.nodes.configs:
            super()._observe(new, old)

    def _close_lost(self) -> None:
        """What was left when the add-on was removed stays, as at the vendor."""


class AcsPods(Pods):
    """The sync loop of those pods that ``takes`` says are of ACS."""

    name = "virtual-kubelet-acs"
    manager = "virtual-kubelet"

    def __init__(
        self, context: Context, nodes: VirtualNodes, cloud: AcsCloud, takes: Takes
    ) -> None:
        self._takes = takes
        super().__init__(context, nodes)
        self.host = AckHost(context, nodes, cloud)

    def _on_pod(self, new: Obj | None, old: Obj | None) -> None:
        if new is not None and self._takes(new):
            super()._on_pod(new, old)

    async def reconcile(self, key: Key) -> float | None:
        """Take a pod of ACS one step further; deleted pods go when the instance is stopped."""
        pod = self.pods.get(key)
        if pod is None or not self._takes(pod):
            return None
        return await super().reconcile(key)
