"""The control plane of an ACK cluster: feature gates, and the controllers that run in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sandbox.cluster.controllers.objects import node_of
from sandbox.cluster.virtualkubelet.extension import VirtualKubelets
from sandbox.cluster.virtualkubelet.vendor import Run, Vendor

from .acspods import AcsPods
from .admission import AckAdmission
from .virtualnode import ROLE, EciPods, EciVirtualNode, wants_acs

if TYPE_CHECKING:
    from sandbox.cluster.cluster import Cluster
    from sandbox.cluster.controllers import Manager
    from sandbox.cluster.controllers.loop import Controller

    from ..acs.cloud import AcsCloud

Obj = dict[str, Any]
OWNER = "control-plane"


class AckPlane(VirtualKubelets):
    """The extension of one ACK cluster; ``others`` are virtual kubelets of other clouds."""

    def __init__(self, eci: EciVirtualNode, acs: AcsCloud, others: Sequence[Vendor] = ()) -> None:
        super().__init__([eci, *others])
        self.gates: dict[str, bool] = {}
        self.eci = eci
        self.acs = acs

    def install(self, cluster: Cluster) -> None:
        """Hook into admission."""
        super().install(cluster)
        admission = AckAdmission(
            cluster.client, lambda: self.acs.knobs, self.gates, lambda: self.runs(self.eci)
        )
        cluster.admission.plugins.append(admission)

    def loops(self, manager: Manager) -> list[Controller[Any]]:
        """Run virtual kubelets, and pods of ACS on their nodes."""
        loops = super().loops(manager)
        assert self._runner
        pods = AcsPods(manager.context, self._runner.nodes, self.acs, self._of_acs)
        self._runner.also = pods
        return [*loops, pods]

    def _of_acs(self, pod: Obj) -> bool:
        if not wants_acs(pod) or self._runner is None:
            return False
        cloud = self._runner.cloud_of(node_of(pod))
        return isinstance(cloud, EciPods) and cloud.serves_acs

    def run(self, image: str) -> None:
        """Run the managed controller of ack-virtual-node, or another version of it."""
        self.begin(OWNER, Run(image, {"ECI_ROLE": ROLE}, ()))

    def stop(self) -> None:
        """Stop it; its nodes become NotReady, its instances stay."""
        self.end(OWNER)

    @property
    def waits_for(self) -> str:
        """Why its nodes are not there yet, empty when they are."""
        nodes = self.nodes_of(OWNER)
        client = self.eci.client
        missing = [name for name in nodes if not client or client.look("nodes", name) is None]
        return "" if nodes and not missing else "the virtual nodes are not registered"

    def set_gates(self, gates: Mapping[str, bool]) -> None:
        """Set the API server's feature gates."""
        self.gates.clear()
        self.gates.update(gates)
