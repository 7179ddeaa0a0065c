"""The nodes of virtual kubelets: registered, with a status and a Lease while somebody runs them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sandbox.cluster.controllers.kubelet.nodes import Nodes

if TYPE_CHECKING:
    from sandbox.cluster.controllers.config import NodeConfig
    from sandbox.cluster.controllers.context import Context


class VirtualNodes(Nodes):
    """Nodes by claim: of several owners of a name the newest one counts, without any it is dead."""

    name = "virtual-kubelet"
    manager = "virtual-kubelet"

    def __init__(self, context: Context) -> None:
        self._claims: dict[str, dict[str, NodeConfig]] = {}
        super().__init__(context, configs=())

    def claim(self, owner: str, configs: Sequence[NodeConfig]) -> bool:
        """Have these nodes alive for an owner, and what it had; tells whether that is news."""
        new = {**self._claims.get(owner, {}), **{config.name: config for config in configs}}
        if self._claims.get(owner) == new:
            return False
        if owner not in self._claims:
            self._registered -= new.keys()
        self._claims[owner] = new
        self._settle()
        return True

    def release(self, owner: str) -> None:
        """Let the nodes of an owner die, unless another owner has them."""
        if self._claims.pop(owner, None) is not None:
            self._settle()

    def owner_of(self, node: str) -> str:
        """Return whose node it is, empty for nobody's."""
        return next((owner for owner in reversed(self._claims) if node in self._claims[owner]), "")

    def _settle(self) -> None:
        self.configs = {name: c for claim in self._claims.values() for name, c in claim.items()}
        for name in self.configs:
            self.queue.add(name)
