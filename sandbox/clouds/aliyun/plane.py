"""The control plane of an ACK cluster: feature gates, and the controllers that run in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sandbox.cluster.cluster import Cluster
    from sandbox.cluster.controllers import Manager
    from sandbox.cluster.controllers.config import Config
    from sandbox.cluster.controllers.loop import Controller


class AckPlane:
    """The extension of one ACK cluster."""

    replaces: frozenset[str] = frozenset()

    def __init__(self) -> None:
        self.gates: dict[str, bool] = {}
        self.image = ""

    def configure(self, config: Config) -> Config:
        """Nothing else is different."""
        return config

    def install(self, cluster: Cluster) -> None:
        """Nothing is hooked in."""

    def loops(self, _manager: Manager) -> list[Controller[Any]]:
        """No loops of its own."""
        return []

    def run(self, image: str) -> None:
        """Run the managed controller of ack-virtual-node, or another version of it."""
        self.image = image

    def end(self) -> None:
        """Stop it."""
        self.image = ""

    @property
    def waits_for(self) -> str:
        """Why its nodes are not there yet, empty when they are."""
        return ""

    def set_gates(self, gates: Mapping[str, bool]) -> None:
        """Set the API server's feature gates."""
        self.gates = dict(gates)
