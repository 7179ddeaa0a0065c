"""What a simulated cluster is made of: its on-premises nodes and the pace of their kubelets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

KUBELET_VERSION = "v1.36.1"


@dataclass(frozen=True)
class NodeConfig:
    """One node with a kubelet; `capacity` and `reserved` are Kubernetes quantities by resource.

    A `virtual` node has exactly the given labels; it may have taints from the start.
    """

    name: str
    address: str
    capacity: Mapping[str, str]
    reserved: Mapping[str, str] = field(default_factory=lambda: {"cpu": "500m", "memory": "512Mi"})
    labels: Mapping[str, str] = field(default_factory=dict)
    control_plane: bool = False
    pod_cidr: str = ""
    version: str = KUBELET_VERSION
    os_image: str = "Alibaba Cloud Linux 3"
    kernel: str = "5.10.134-18.al8.x86_64"
    runtime: str = "containerd://2.0.5"
    provider_id: str = ""
    virtual: bool = False
    taints: tuple[Mapping[str, str], ...] = ()


@dataclass(frozen=True)
class Pace:
    """Seconds that simulated steps take; divided by the clock's speed."""

    sandbox: float = 0.3
    pull: float = 1.2
    stop: float = 0.6
    lease: float = 10.0


def machine(cpu: str, memory: str, **more: str) -> dict[str, str]:
    """The capacity of an ordinary node."""
    base = {"cpu": cpu, "memory": memory, "ephemeral-storage": "100Gi", "pods": "110"}
    return {**base, **more}


DEFAULT_NODES = (
    NodeConfig(
        name="idc-master-1",
        address="10.0.0.10",
        capacity=machine("4", "8Gi"),
        control_plane=True,
        pod_cidr="10.244.0.0/24",
    ),
    NodeConfig(
        name="idc-node-1",
        address="10.0.0.11",
        capacity=machine("6", "16Gi"),
        pod_cidr="10.244.1.0/24",
    ),
    NodeConfig(
        name="idc-node-2",
        address="10.0.0.12",
        capacity=machine("6", "16Gi"),
        pod_cidr="10.244.2.0/24",
    ),
)


@dataclass(frozen=True)
class Config:
    """The whole of it; `missing_images` are globs of images that no registry has.

    `objects` are created at the first start as (resource, object), after the namespaces.
    """

    nodes: tuple[NodeConfig, ...] = DEFAULT_NODES
    pace: Pace = Pace()
    missing_images: tuple[str, ...] = ("*does-not-exist*", "*no-such-*", "*nonexistent*")
    region: str = "cn-hangzhou"
    coredns_replicas: int = 2
    objects: tuple[tuple[str, dict[str, Any]], ...] = ()
    terminated_pods: int = 12_500
    node_grace: float = 40.0
    quarantine: float = 40.0
