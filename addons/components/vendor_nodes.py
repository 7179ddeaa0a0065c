"""The virtual nodes of the vendors' own virtual kubelets, as their clusters have them now.

Nodes of our own workers are rows (`VirtualNode`); these are only looked at. Functions are
synchronous; `of` raises `kube.errors.KubeError` or `TimeoutError`, `of_all` tells of each
installation what it found, or the error.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from addons.components import release
from addons.components.base import Delivery, Json
from addons.components.kits import kit_of
from addons.components.steps.common import is_ready
from addons.models import Installation, VirtualNode
from addons.runtime.loop import Runtime, runtime
from kube import NODES
from kube.errors import KubeError

ANSWER_SECONDS = 8.0
_ZONE = "topology.kubernetes.io/zone"
_ROLE = "kubernetes.io/role"


@dataclass(frozen=True, slots=True)
class VendorNode:
    """What `kubectl get nodes` prints of it, and its zone; `created` is RFC 3339."""

    name: str
    ready: bool
    schedulable: bool
    role: str
    zone: str
    version: str
    created: str

    @property
    def status(self) -> str:
        """In the words of kubectl."""
        text = "Ready" if self.ready else "NotReady"
        return text if self.schedulable else f"{text},SchedulingDisabled"


def brings(installation: Installation) -> bool:
    """Whether a vendor's virtual kubelet may have nodes for it; ours are no business of this."""
    try:
        component = release.component_of(installation.component)
    except release.Unknown:
        return False
    return component.brings_nodes and installation.delivery != Delivery.HOSTED


def of(installation: Installation) -> list[VendorNode]:
    return runtime().run(_of(runtime(), installation), timeout=ANSWER_SECONDS)


def of_all(
    installations: Iterable[Installation],
) -> list[tuple[Installation, list[VendorNode] | KubeError | TimeoutError]]:
    rows = [row for row in installations if brings(row)]
    found = runtime().run(_of_all(runtime(), rows), timeout=2 * ANSWER_SECONDS)
    return list(zip(rows, found, strict=True))


async def _of_all(
    reach: Runtime, rows: list[Installation]
) -> list[list[VendorNode] | KubeError | TimeoutError]:
    async def one(row: Installation) -> list[VendorNode] | KubeError | TimeoutError:
        try:
            return await asyncio.wait_for(_of(reach, row), ANSWER_SECONDS)
        except (KubeError, TimeoutError) as error:
            return error

    return await asyncio.gather(*(one(row) for row in rows))


async def _of(reach: Runtime, installation: Installation) -> list[VendorNode]:
    if not brings(installation):
        return []
    kube = await reach.kube(installation.cluster_id)
    listing = await kube.list(NODES, labels="type=virtual-kubelet")
    return await reach.db(_owned, installation, listing.items)


def _owned(installation: Installation, nodes: list[Json]) -> list[VendorNode]:
    rows = VirtualNode.objects.filter(cluster=installation.cluster_id)
    ours = set(rows.values_list("name", flat=True))
    try:
        installed = release.installed(installation)
    except release.Unknown:
        return []
    kit = kit_of(installation.component)
    found = [
        node
        for node in nodes
        if node["metadata"]["name"] not in ours and kit.owns_node(installed, node)
    ]
    return sorted((_read(node) for node in found), key=lambda node: node.name)


def _read(node: Json) -> VendorNode:
    meta, labels = node["metadata"], node["metadata"].get("labels") or {}
    info = (node.get("status") or {}).get("nodeInfo") or {}
    return VendorNode(
        name=meta["name"],
        ready=is_ready(node),
        schedulable=not (node.get("spec") or {}).get("unschedulable"),
        role=labels.get(_ROLE, ""),
        zone=labels.get(_ZONE, ""),
        version=info.get("kubeletVersion", ""),
        created=meta.get("creationTimestamp", ""),
    )
