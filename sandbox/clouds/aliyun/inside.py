"""What the add-ons of CS are inside a cluster.

A registered cluster gets objects in kube-system, the controller of ack-virtual-node among them; on
a managed Pro cluster the controller runs in the control plane, out of sight, and the parameters of
kube-apiserver take effect there.
"""

import json
from collections.abc import Mapping
from typing import Any, Protocol

from sandbox.cluster.cluster import Cluster
from sandbox.cluster.errors import ApiError

from ..eci.network import Network
from ..groups.errors import ApiFault
from . import addons, manifests
from .cs import Member
from .manifests import Made
from .state import Change

Json = dict[str, Any]
EXISTS = "AddonOperationFailed.ResourceExists"


class Plane(Protocol):
    """The control plane of one cluster, as far as add-ons run in it."""

    def run(self, image: str) -> None:
        """Run the managed controller of ack-virtual-node, or another version of it."""

    def stop(self) -> None:
        """Stop it; its nodes become NotReady, its instances stay."""

    @property
    def waits_for(self) -> str:
        """Why its nodes are not there yet, empty when they are."""

    def set_gates(self, gates: Mapping[str, bool]) -> None:
        """Set the API server's feature gates."""


class Addons:
    """``planes`` are the control planes by cluster id; ``networks`` the account's by region."""

    def __init__(self, planes: Mapping[str, Plane], networks: Mapping[str, Network]) -> None:
        self.planes = planes
        self.networks = networks

    async def apply(self, member: Member, change: Change, config: str) -> None:
        """Put an add-on into a cluster or change it; raises ApiFault."""
        if change.name == addons.API_SERVER:
            self.set_gates(member, config)
            return
        for made in self._objects(member, change.name, change.version, config):
            await _apply(member.cluster, made)
        if change.name == addons.VIRTUAL_NODE and member.type == addons.PRO:
            self.planes[member.id].run(manifests.image(member.spec.region, change.version))

    def resume(self, member: Member, name: str, version: str, config: str) -> None:
        """Let go on, after a restart of the world, what runs in a control plane."""
        if name == addons.API_SERVER:
            self.set_gates(member, config)
        elif name == addons.VIRTUAL_NODE and member.type == addons.PRO:
            self.planes[member.id].run(manifests.image(member.spec.region, version))

    def set_gates(self, member: Member, config: str) -> None:
        """Give the API server the gates of a configuration ``A=true,B=false``."""
        given = str(json.loads(config).get("featureGates", ""))
        pairs = (gate.partition("=") for gate in given.split(",") if gate.strip())
        gates = {name.strip(): value.strip().lower() == "true" for name, _, value in pairs}
        self.planes[member.id].set_gates(gates)

    async def remove(self, member: Member, name: str) -> None:
        """Take an add-on out of a cluster; nodes and instances stay."""
        if name == addons.VIRTUAL_NODE and member.type == addons.PRO:
            self.planes[member.id].stop()
        for made in reversed(self._objects(member, name, "", "{}")):
            meta = made.object["metadata"]
            try:
                await member.cluster.client.delete(
                    made.resource, meta["name"], meta.get("namespace")
                )
            except ApiError as error:
                if error.code != 404:
                    raise ApiFault("AddonOperationFailed", str(error)) from error

    def waits_for(self, member: Member, name: str) -> str:
        """Return what is not ready yet."""
        if name == addons.VIRTUAL_NODE and member.type == addons.PRO:
            return self.planes[member.id].waits_for
        for made in self._objects(member, name, "", "{}"):
            if made.resource != "deployments.apps":
                continue
            meta = made.object["metadata"]
            there = member.cluster.client.look(made.resource, meta["name"], meta["namespace"])
            if there is None or not _rolled_out(there):
                return f"deployment {meta['name']} is not available"
        return ""

    def resources(self, member: Member, name: str) -> list[dict[str, str]]:
        """Return the objects of an add-on."""
        return [made.reference() for made in self._objects(member, name, "", "{}")]

    def _objects(self, member: Member, name: str, version: str, config: str) -> list[Made]:
        if name == addons.VIRTUAL_NODE:
            network = self.networks[member.spec.region]
            hosted = member.type == addons.REGISTERED
            return manifests.virtual_node(member.spec, network, version, config, hosted=hosted)
        if name == addons.SCHEDULER:
            return manifests.scheduler(member.spec.region, version)
        return []


async def _apply(cluster: Cluster, made: Made) -> None:
    meta = made.object["metadata"]
    client, namespace = cluster.client, meta.get("namespace")
    try:
        if made.keeps and cluster.client.look(made.resource, meta["name"], namespace):
            return
        await client.patch(made.resource, meta["name"], namespace, made.object, kind="apply")
    except ApiError as error:
        raise ApiFault(EXISTS, str(error)) from error


def _rolled_out(deployment: Json) -> bool:
    status, wanted = deployment.get("status") or {}, deployment["spec"].get("replicas", 1)
    observed = status.get("observedGeneration") == deployment["metadata"].get("generation")
    names = ("replicas", "updatedReplicas", "availableReplicas")
    return observed and all(status.get(name, 0) == wanted for name in names)
