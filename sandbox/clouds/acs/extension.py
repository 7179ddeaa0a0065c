"""What ACS adds to a cluster: admission, virtual nodes, its scheduler, instances behind pods."""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sandbox.cluster.controllers.config import Config, NodeConfig

from .admission import AcsAdmission
from .eviction import Evictions
from .host import AcsHost
from .scheduler import ZONE, AcsScheduler
from .wants import GPU

if TYPE_CHECKING:
    from sandbox.cluster.cluster import Cluster
    from sandbox.cluster.controllers import Manager
    from sandbox.cluster.controllers.loop import Controller

    from .cloud import AcsCloud

Obj = dict[str, Any]
_CAPACITY = {
    "cpu": "100000",
    "memory": "400Ti",
    "ephemeral-storage": "10Pi",
    "pods": "50000",
    GPU: "10000",
}


class AcsCluster:
    """The extension of one ACS cluster."""

    replaces = frozenset({AcsScheduler.name})

    def __init__(self, cloud: AcsCloud, name: str, version: str) -> None:
        self.cloud = cloud
        self.version = version
        self.scheduler: AcsScheduler | None = None
        self.evictions: Evictions | None = None
        cloud.clusters[name] = self

    def configure(self, config: Config) -> Config:
        """Give it a virtual node per zone and the profile of its pods."""
        nodes = virtual_nodes(self.cloud, self.version)
        return replace(config, nodes=nodes, objects=(*config.objects, profile(self.cloud)))

    def install(self, cluster: Cluster) -> None:
        """Hook into admission."""
        cluster.admission.plugins.append(AcsAdmission(lambda: self.cloud.knobs))

    def loops(self, manager: Manager) -> list[Controller[Any]]:
        """Put instances behind the pods; schedule by stock."""
        manager.pods.host = AcsHost(manager.context, manager.nodes, self.cloud)
        self.scheduler = AcsScheduler(manager.context, self.cloud)
        self.evictions = Evictions(manager.context, self.cloud)
        return [self.scheduler, self.evictions]

    def retry(self) -> None:
        """Look at every waiting pod again."""
        if self.scheduler:
            self.scheduler.retry()


def virtual_nodes(cloud: AcsCloud, version: str) -> tuple[NodeConfig, ...]:
    """One node per zone that has a vSwitch, with the labels of a virtual node."""
    return tuple(
        NodeConfig(
            name=f"virtual-kubelet-{vswitch.zone}",
            address=str(ipaddress.ip_network(vswitch.cidr)[-3]),
            capacity=_CAPACITY,
            reserved={},
            labels=_labels(cloud.region, vswitch.zone),
            pod_cidr=vswitch.cidr,
            version=version,
            virtual=True,
            os_image="",
            kernel="",
            runtime="",
        )
        for vswitch in cloud.network.vswitches.values()
    )


def _labels(region: str, zone: str) -> dict[str, str]:
    return {
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": f"virtual-kubelet-{zone}",
        "kubernetes.io/os": "linux",
        "kubernetes.io/role": "agent",
        "service.alibabacloud.com/exclude-node": "true",
        "topology.diskplugin.csi.alibabacloud.com/zone": zone,
        "topology.kubernetes.io/region": region,
        ZONE: zone,
        "type": "virtual-kubelet",
    }


def profile(cloud: AcsCloud) -> tuple[str, Obj]:
    """The ConfigMap with the defaults of the cluster's pods (ACS help page on eci-profile)."""
    network = cloud.network
    data = {
        "enablePrivateZone": "false",
        "securityGroupId": network.default_security_group.id,
        "selectors": "",
        "vSwitchIds": ",".join(network.vswitches),
        "vpcId": network.vpc_id,
    }
    meta = {"name": "acs-profile", "namespace": "kube-system"}
    return "configmaps", {"metadata": meta, "data": data}
