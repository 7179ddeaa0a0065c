"""The ROA operations of CS 2015-12-15 about clusters, versions, roles and the service itself."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import yaml

from ..groups.errors import ApiFault
from . import addons
from .addons import parts
from .cs import Member
from .entrance import Call
from .rpc import stamp

Json = dict[str, Any]
_CREATED = "2025-01-01T00:00:00+08:00"
_SUPPORTED = ("1.36.1-aliyun.1", "1.35.2-aliyun.1", "1.34.3-aliyun.1")


def paged(call: Call, rows: Sequence[Json]) -> tuple[list[Json], Json]:
    """Return the page asked for and what is said about it."""
    page, size = call.number("page_number", 1), call.number("page_size", 50)
    info = {"page_number": page, "page_size": size, "total_count": len(rows)}
    return list(rows[(page - 1) * size : page * size]), info


def _row(call: Call, member: Member) -> Json:
    spec, registered = member.spec, member.type == addons.REGISTERED
    network = call.networks.get(spec.region) or next(iter(call.networks.values()))
    switches = list(network.vswitches)
    state = "disconnected" if member.cluster.faults.down and registered else "running"
    return {
        "cluster_id": member.id,
        "name": spec.name,
        "cluster_type": member.type,
        "cluster_spec": "" if registered else "ack.pro.small",
        "profile": "Default",
        "region_id": spec.region,
        "zone_id": network.default_vswitch.zone,
        "state": state,
        "created": _CREATED,
        "updated": _CREATED,
        "init_version": spec.version.removeprefix("v"),
        "current_version": spec.version.removeprefix("v"),
        "next_version": "",
        "deletion_protection": False,
        "size": len(list(member.cluster.client.peek("nodes"))),
        "vpc_id": network.vpc_id,
        "vswitch_ids": switches,
        "vswitch_id": ",".join(switches),
        "security_group_id": network.default_security_group.id,
        "container_cidr": "",
        "subnet_cidr": "10.80.0.0/16",
        "service_cidr": "10.96.0.0/16",
        "cluster_domain": "cluster.local",
        "master_url": json.dumps({"api_server_endpoint": member.cluster.url}),
        "meta_data": json.dumps({"Addons": _summary(call, member)}),
        "tags": [],
    }


def _summary(call: Call, member: Member) -> list[Json]:
    there = call.cs.state.instances[member.id].values()
    return [{"name": each.name, "version": each.version} for each in there]


def clusters_v1(call: Call) -> Json:
    """List clusters."""
    query = call.query
    rows = [
        _row(call, member)
        for member in call.cs.members.values()
        if query.get("cluster_id", member.id) == member.id
        and query.get("name", "") in member.spec.name
        and query.get("cluster_type", member.type) == member.type
        and query.get("region_id", member.spec.region) == member.spec.region
    ]
    page, info = paged(call, rows)
    return {"clusters": page, "page_info": info}


def detail(call: Call) -> Json:
    """Show a cluster."""
    return {**_row(call, call.member), "rrsa_config": {"enabled": False}, "parameters": {}}


def kubeconfig(call: Call) -> Json:
    """Return a kubeconfig, which is as good as the cluster."""
    minutes = call.number("TemporaryDurationMinutes", 4320)
    if not 15 <= minutes <= 4320:
        raise ApiFault("InvalidParameter", "TemporaryDurationMinutes is between 15 and 4320")
    expires = stamp(call.now + minutes * 60)
    return {"config": call.member.cluster.kubeconfig(), "expiration": expires}


def external_agent(call: Call) -> Json:
    """Return the manifest that joins a registered cluster."""
    if call.member.type != addons.REGISTERED:
        raise ApiFault("ErrorClusterType", f"{call.member.id} is not a registered cluster")
    mode = call.query.get("AgentMode") or "admin"
    role = "cluster-admin" if mode == "admin" else "ack-agent-role"
    documents = [_account(), _binding(role), _agent(call.member.id)]
    return {"config": yaml.safe_dump_all(documents, sort_keys=False)}


def _account() -> Json:
    meta = {"name": "ack", "namespace": "kube-system"}
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta}


def _binding(role: str) -> Json:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "ack-admin-binding"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": "ack", "namespace": "kube-system"}],
    }


def _agent(cluster_id: str) -> Json:
    labels = {"app": "ack-cluster-agent"}
    container = {
        "name": "agent",
        "image": "registry.cn-hangzhou.aliyuncs.com/acs/agent:v1.13.1.105-g46c2ed6-aliyun",
        "env": [{"name": "ALI_CLUSTER_ID", "value": cluster_id}],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "ack-cluster-agent", "namespace": "kube-system"},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"serviceAccountName": "ack", "containers": [container]},
            },
        },
    }


def versions(call: Call) -> list[Json]:
    """List the Kubernetes versions on offer."""
    wanted = call.query.get("KubernetesVersion")
    return [
        {
            "version": version,
            "capabilities": {},
            "images": [],
            "runtimes": [{"name": "containerd", "version": "2.0.5"}],
            "meta_data": {},
            "creatable": version == _SUPPORTED[0],
            "upgradable_versions": [v for v in _SUPPORTED if parts(v) > parts(version)],
        }
        for version in _SUPPORTED
        if wanted in {None, version}
    ]


def check_roles(call: Call) -> Json:
    """Tell which service roles the account has granted."""
    asked = [str(role.get("name", "")) for role in (call.body or {}).get("roles") or []]
    granted = set(call.cs.knobs.roles)
    rows = [
        {
            "name": name,
            "granted": name in granted,
            "message": "" if name in granted else f"The role {name} does not exist.",
        }
        for name in asked
    ]
    return {"roles": rows}


def open_service(call: Call) -> Json:
    """Open the container service; it is open here, so the order is empty."""
    if call.query.get("type") not in {"propayasgo", "edgepayasgo"}:
        raise ApiFault("InvalidParameter", "type is propayasgo or edgepayasgo")
    return {"order_id": "", "request_id": call.request_id}


_IN = r"/k8s/(?P<cluster>[^/]+)"
ROUTES: tuple[tuple[str, str, str, Callable[[Call], Any]], ...] = (
    ("GET", "/api/v1/clusters", "DescribeClustersV1", clusters_v1),
    ("GET", r"/clusters/(?P<cluster>[^/]+)", "DescribeClusterDetail", detail),
    ("GET", f"{_IN}/external/agent/deployment", "DescribeExternalAgent", external_agent),
    ("GET", f"{_IN}/user_config", "DescribeClusterUserKubeconfig", kubeconfig),
    ("GET", "/api/v1/metadata/versions", "DescribeKubernetesVersionMetadata", versions),
    ("POST", "/ram/check-service-role", "CheckServiceRole", check_roles),
    ("POST", "/service/open", "OpenAckService", open_service),
)
