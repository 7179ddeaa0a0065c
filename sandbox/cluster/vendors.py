"""Clusters as their vendors deliver them: nodes, versions, and what lies in kube-system.

ACK managed Pro: workers on ECS named ``<region>.<address>``, control plane out of sight. Registered
(ACK One): the user's own kubeadm machines. KCE: workers named by their address. ACS: no machines
at all. Versions carry the vendor's suffix where the vendor writes one.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from sandbox.cluster.controllers.config import Config, NodeConfig, machine

KINDS = {"ack": "ack-pro", "idc": "ack-registered", "kce": "kce", "acs": "acs"}
_KCE_REGIONS = {"beijing": "cn-beijing-6", "shanghai": "cn-shanghai-2"}
_ALIYUN = "v1.36.1-aliyun.1"
_PLAIN = "v1.36.1"
VERSIONS = {"ack-pro": _ALIYUN, "ack-registered": _PLAIN, "kce": _PLAIN, "acs": _ALIYUN}


@dataclass(frozen=True)
class ClusterSpec:
    """A cluster of the world; ``kind`` is ack-pro, ack-registered, kce or acs."""

    name: str
    kind: str
    region: str

    @property
    def id(self) -> str:
        """The vendor's id of the cluster: a UUID at KCE, ``c`` and 32 hex digits elsewhere."""
        digest = uuid.uuid5(uuid.NAMESPACE_DNS, self.name)
        return str(digest) if self.kind == "kce" else f"c{digest.hex}"

    @property
    def version(self) -> str:
        """What its API server and kubelets call themselves."""
        return VERSIONS[self.kind]


def spec_of(name: str) -> ClusterSpec:
    """Read ``<prefix>-<place>[-more]``, e.g. ``ack-hangzhou``; raises ValueError."""
    prefix, _, rest = name.partition("-")
    place = rest.partition("-")[0]
    if prefix not in KINDS or not place:
        known = ", ".join(f"{prefix}-<place>" for prefix in KINDS)
        raise ValueError(f"the cluster {name!r} is none of {known}")
    kind = KINDS[prefix]
    if kind == "kce":
        return ClusterSpec(name, kind, _KCE_REGIONS.get(place, _KCE_REGIONS["beijing"]))
    return ClusterSpec(name, kind, f"cn-{place}")


def config_of(spec: ClusterSpec) -> Config:
    """Return what a cluster of this kind is made of."""
    nodes = {"ack-pro": _ecs, "ack-registered": _on_premises, "kce": _kce, "acs": _none}
    return Config(
        nodes=nodes[spec.kind](spec),
        region=spec.region,
        coredns_replicas=0 if spec.kind == "acs" else 2,
    )


def _none(_spec: ClusterSpec) -> tuple[NodeConfig, ...]:
    return ()


def _ecs(spec: ClusterSpec) -> tuple[NodeConfig, ...]:
    """Two workers of a node pool, one per zone."""
    return tuple(
        NodeConfig(
            name=f"{spec.region}.192.168.1.{host}",
            address=f"192.168.1.{host}",
            capacity=machine("4", "8Gi"),
            reserved={"cpu": "100m", "memory": "1Gi"},
            labels=_ecs_labels(spec, letter),
            pod_cidr=f"10.80.{host}.0/24",
            version=spec.version,
            provider_id=f"{spec.region}.i-bp1spillwaydemo0{host}",
        )
        for host, letter in ((11, "j"), (12, "k"))
    )


def _ecs_labels(spec: ClusterSpec, letter: str) -> dict[str, str]:
    zone, kind = f"{spec.region}-{letter}", "ecs.c6.xlarge"
    return {
        "ack.aliyun.com": spec.id,
        "alibabacloud.com/nodepool-id": "np0spillwaydemo000000000000000001",
        "beta.kubernetes.io/instance-type": kind,
        "failure-domain.beta.kubernetes.io/region": spec.region,
        "failure-domain.beta.kubernetes.io/zone": zone,
        "node.kubernetes.io/instance-type": kind,
        "topology.diskplugin.csi.alibabacloud.com/zone": zone,
        "topology.kubernetes.io/zone": zone,
    }


def _on_premises(spec: ClusterSpec) -> tuple[NodeConfig, ...]:
    """A control plane and the one worker of 6 CPUs, of which two pods of 2 CPUs fit."""
    master = NodeConfig(
        name="idc-master-1",
        address="10.0.0.10",
        capacity=machine("4", "8Gi"),
        control_plane=True,
        pod_cidr="10.244.0.0/24",
        version=spec.version,
        os_image="Ubuntu 24.04.2 LTS",
        kernel="6.8.0-60-generic",
    )
    worker = NodeConfig(
        name="idc-node-1",
        address="10.0.0.11",
        capacity=machine("6", "16Gi"),
        pod_cidr="10.244.1.0/24",
        version=spec.version,
        os_image=master.os_image,
        kernel=master.kernel,
    )
    return master, worker


def _kce(spec: ClusterSpec) -> tuple[NodeConfig, ...]:
    return tuple(
        NodeConfig(
            name=f"10.0.96.{host}",
            address=f"10.0.96.{host}",
            capacity=machine("4", "8Gi"),
            labels={"topology.kubernetes.io/zone": f"{spec.region}{letter}"},
            pod_cidr=f"10.100.{host}.0/24",
            version=spec.version,
            os_image="Ubuntu 22.04.4 LTS",
            kernel="5.15.0-113-generic",
        )
        for host, letter in ((21, "a"), (22, "e"))
    )
