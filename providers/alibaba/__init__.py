"""What the providers of Alibaba Cloud share: the virtual node they serve.

Source: ACK user guide, "Virtual nodes" (names, labels, taint and version of the nodes that
ack-virtual-node registers, one of which serves ECI and ACS alike).
"""

from __future__ import annotations

from providers.base import NodeProfile

_PROVIDER_TAINT = {
    "key": "virtual-kubelet.io/provider",
    "value": "alibabacloud",
    "effect": "NoSchedule",
}


# No quota of cards is told; the scheduler shall let a GPU pod come, the stock decides then.
GPUS = "1000"


def node_name(zone: str) -> str:
    return f"virtual-kubelet-{zone}"


def node_version(kubernetes_version: str) -> str:
    """`v1.31.1-aliyun.1` in a cluster of v1.31.1 or v1.31.1-aliyun.1: nodes follow their server."""
    base = kubernetes_version.removeprefix("v").split("-")[0].split("+")[0]
    return f"v{base}-aliyun.1"


def node_profile(*, region: str, zone: str, node: str) -> NodeProfile:
    return NodeProfile(
        name=node,
        labels={
            "kubernetes.io/arch": "amd64",
            "kubernetes.io/hostname": node,
            "kubernetes.io/os": "linux",
            "kubernetes.io/role": "agent",
            "service.alibabacloud.com/exclude-node": "true",
            "topology.diskplugin.csi.alibabacloud.com/zone": zone,
            "topology.kubernetes.io/region": region,
            "topology.kubernetes.io/zone": zone,
            "type": "virtual-kubelet",
        },
        taints=(_PROVIDER_TAINT,),
        resources={"nvidia.com/gpu": GPUS},
    )
