"""The little of KCE that finds a cluster and opens it: DescribeCluster, DownloadClusterConfig.

Error codes and the rule of ids: document 3362.
"""

import re

from ..cloud import Cluster
from ..errors import ApiFault
from ..wire import Filter, Json, Request
from .base import Call, Page

CLUSTER_ID = re.compile(r"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}")
MAX_PAGE = 20
_TIME = "2025-01-01 08:00:00"


class DescribeCluster(Page):
    """A cluster by id, or a part of a name."""

    cluster_id: str = ""
    search: str = ""
    filter: list[Filter] = []


class DownloadClusterConfig(Request):
    """Of which cluster; ``is_public`` false asks for the address inside the VPC."""

    cluster_id: str = ""
    is_public: bool = True


def describe(call: Call, asked: DescribeCluster) -> Json:
    """List the account's clusters."""
    rows = [
        cluster
        for cluster in call.cloud.clusters
        if asked.cluster_id in {"", cluster.id} and asked.search in cluster.name
    ]
    return asked.cut(rows, "ClusterSet", lambda c: _row(call, c), most=MAX_PAGE)


def _row(call: Call, cluster: Cluster) -> Json:
    network = call.cloud.network
    return {
        "ClusterId": cluster.id,
        "ClusterName": cluster.name,
        "ClusterManageMode": cluster.mode,
        "K8sVersion": cluster.version,
        "ClusterDesc": "",
        "PodCidr": cluster.pod_cidr,
        "ServiceCidr": cluster.service_cidr,
        "VpcId": network.vpc_id,
        "VpcCidr": network.cidr,
        "Status": "running",
        "NodeNum": cluster.nodes,
        "NormalNodeNum": cluster.nodes,
        "NetworkType": "Flannel",
        "MaxPodPerNode": 128,
        "CreateTime": _TIME,
        "UpdateTime": _TIME,
    }


def download(call: Call, asked: DownloadClusterConfig) -> Json:
    """Return a cluster's kubeconfig, which is as good as the cluster."""
    if not asked.cluster_id:
        raise ApiFault("ClusterIdRequired", "ClusterId is required.")
    if not CLUSTER_ID.fullmatch(asked.cluster_id):
        raise ApiFault("ClusterIdInvalid", "ClusterId is invalid.")
    for cluster in call.cloud.clusters:
        if cluster.id == asked.cluster_id:
            return {"Expose": bool(cluster.kubeconfig), "ClusterConfig": cluster.kubeconfig}
    raise ApiFault("ClusterNotFound", f"The cluster {asked.cluster_id} does not exist.")
