"""The objects that add-ons put into kube-system of a registered cluster."""

import json
from dataclasses import dataclass
from typing import Any

from sandbox.cluster.vendors import ClusterSpec

from ..eci.network import Network
from . import addons

Json = dict[str, Any]
NAMESPACE = "kube-system"
CONTROLLER = "ack-virtual-node-controller"
KEYS_IN = "alibaba-addon-secret"
_RBAC_GROUP = "rbac.authorization.k8s.io"
_RBAC = f"{_RBAC_GROUP}/v1"
_SCHEDULING, _POLICIES = "scheduling.alibabacloud.com", "resourcepolicies"
_ANYTHING: dict[str, Any] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
_ALL = ["get", "list", "watch", "create", "update", "patch", "delete"]
_READ = ["get", "list", "watch"]
_RULES: list[Json] = [
    {"apiGroups": [""], "resources": ["pods", "nodes"], "verbs": _ALL},
    {"apiGroups": [""], "resources": ["pods/status", "nodes/status"], "verbs": ["update", "patch"]},
    {"apiGroups": [""], "resources": ["pods/binding"], "verbs": ["create"]},
    {"apiGroups": [""], "resources": ["events"], "verbs": ["create", "patch"]},
    {
        "apiGroups": [""],
        "resources": ["configmaps", "secrets", "services", "namespaces", "persistentvolumeclaims"],
        "verbs": _READ,
    },
    {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": _ALL},
    {
        "apiGroups": ["admissionregistration.k8s.io"],
        "resources": ["mutatingwebhookconfigurations"],
        "verbs": _ALL,
    },
]


@dataclass(frozen=True)
class Made:
    """An object and its resource; one that ``keeps`` is created and then left to the user."""

    resource: str
    object: Json
    keeps: bool = False

    def reference(self) -> dict[str, str]:
        """Return group, version, kind, namespace and name."""
        group, _, version = self.object["apiVersion"].rpartition("/")
        meta = self.object["metadata"]
        return {
            "group": group,
            "version": version,
            "kind": self.object["kind"],
            "namespace": meta.get("namespace", ""),
            "name": meta["name"],
        }


def image(region: str, version: str) -> str:
    """Return the image of a version of the controller."""
    return f"registry-{region}-vpc.ack.aliyuncs.com/acs/virtual-nodes-eci:{version}"


def virtual_node(
    spec: ClusterSpec, network: Network, version: str, config: str, *, hosted: bool
) -> list[Made]:
    """Return the ConfigMap of ack-virtual-node, and its controller where the cluster runs it."""
    profile = Made("configmaps", _profile(network, json.loads(config)), keeps=True)
    if not hosted:
        return [profile]
    container = {
        "name": "virtual-node",
        "image": image(spec.region, version),
        "env": [
            {"name": "ECI_REGION", "value": spec.region},
            _secret("ECI_ACCESS_KEY", "access-key-id"),
            _secret("ECI_SECRET_KEY", "access-key-secret"),
        ],
    }
    name = "ack-virtual-node"
    return [
        _account(f"{name}-controller"),
        _role(f"{name}-clusterrole", _RULES),
        _binding(f"{name}-clusterrolebinding", f"{name}-clusterrole", f"{name}-controller"),
        profile,
        _deployment(CONTROLLER, f"{name}-controller", container),
    ]


def scheduler(region: str, version: str) -> list[Made]:
    """Return the objects of ack-co-scheduler, the kind ResourcePolicy first."""
    name = addons.SCHEDULER
    container = {"name": name, "image": f"registry-{region}.ack.aliyuncs.com/acs/{name}:{version}"}
    kind = Made("customresourcedefinitions.apiextensions.k8s.io", _resource_policy())
    return [kind, _account(name), _deployment(name, name, container)]


def _resource_policy() -> Json:
    spec = {
        "type": "object",
        "required": ["strategy", "units"],
        "properties": {
            "strategy": {"type": "string", "enum": ["prefer", "required"]},
            "units": {"type": "array", "items": _ANYTHING},
        },
        "x-kubernetes-preserve-unknown-fields": True,
    }
    version = {
        "name": "v1alpha1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}},
    }
    names = {"kind": "ResourcePolicy", "plural": _POLICIES, "singular": "resourcepolicy"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{_POLICIES}.{_SCHEDULING}"},
        "spec": {
            "group": _SCHEDULING,
            "scope": "Namespaced",
            "names": names,
            "versions": [version],
        },
    }


def _profile(network: Network, config: Json) -> Json:
    data = {
        "enableClusterIp": "true",
        "enableHybridMode": str(config.get("enableHybridMode", False)).lower(),
        "enablePrivateZone": str(config.get("enablePrivateZone", False)).lower(),
        "securityGroupId": config.get("securityGroupId") or network.default_security_group.id,
        "selectors": "",
        "vSwitchIds": config.get("vSwitchIds") or ",".join(network.vswitches),
        "vpcId": network.vpc_id,
    }
    meta = {"name": "eci-profile", "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}


def _secret(name: str, key: str) -> Json:
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": KEYS_IN, "key": key}}}


def _account(name: str) -> Made:
    meta = {"name": name, "namespace": NAMESPACE}
    body = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta}
    return Made("serviceaccounts", body)


def _role(name: str, rules: list[Json]) -> Made:
    body = {"apiVersion": _RBAC, "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules}
    return Made(f"clusterroles.{_RBAC_GROUP}", body)


def _binding(name: str, role: str, account: str) -> Made:
    body = {
        "apiVersion": _RBAC,
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": _RBAC_GROUP, "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": NAMESPACE}],
    }
    return Made(f"clusterrolebindings.{_RBAC_GROUP}", body)


def _deployment(name: str, account: str, container: Json) -> Made:
    labels = {"app": name}
    body = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"serviceAccountName": account, "containers": [container]},
            },
        },
    }
    return Made("deployments.apps", body)
