"""Kubernetes objects of every component: short ways to write them, ways to read them back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from addons.components.base import Json

_RBAC = "rbac.authorization.k8s.io"


def rule(group: str, resources: Sequence[str], verbs: Sequence[str], **more: Any) -> Json:
    return {"apiGroups": [group], "resources": list(resources), "verbs": list(verbs), **more}


def service_account(name: str, namespace: str) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": name, "namespace": namespace},
    }


def cluster_role(name: str, rules: Iterable[Json]) -> Json:
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name},
        "rules": [dict(one) for one in rules],
    }


def cluster_role_binding(name: str, role: str, account: str, namespace: str) -> Json:
    subject = {"kind": "ServiceAccount", "name": account, "namespace": namespace}
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": role},
        "subjects": [subject],
    }


def secret(name: str, namespace: str, parts: Mapping[str, Json]) -> Json:
    """`parts` are references to keys (`addons.components.kit.key_part`), never keys."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "type": "Opaque",
        "data": dict(parts),
    }


def config_map(name: str, namespace: str, data: Mapping[str, str]) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace},
        "data": dict(data),
    }


def deployment(
    name: str,
    namespace: str,
    labels: Mapping[str, str],
    *,
    account: str,
    containers: Sequence[Json],
    replicas: int = 1,
) -> Json:
    pod = {"serviceAccountName": account, "containers": list(containers)}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace, "labels": dict(labels)},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": dict(labels)},
            "template": {"metadata": {"labels": dict(labels)}, "spec": pod},
        },
    }


def env(name: str, value: str) -> Json:
    return {"name": name, "value": str(value)}


def env_field(name: str, path: str) -> Json:
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


def env_secret(name: str, secret_name: str, key: str) -> Json:
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": secret_name, "key": key}}}


def containers(workload: Mapping[str, Any]) -> list[Json]:
    """Of a Deployment, DaemonSet or StatefulSet."""
    spec = ((workload.get("spec") or {}).get("template") or {}).get("spec") or {}
    return list(spec.get("containers") or ())


def plain_environment(container: Mapping[str, Any]) -> dict[str, str]:
    """Name -> value of the variables that are written out."""
    entries = container.get("env") or ()
    return {e["name"]: e.get("value", "") for e in entries if "valueFrom" not in e}


def identity(obj: Mapping[str, Any]) -> Json:
    """Enough of an object to find it again."""
    meta = obj["metadata"]
    place = {"name": meta["name"]}
    if meta.get("namespace"):
        place["namespace"] = meta["namespace"]
    return {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": place}
