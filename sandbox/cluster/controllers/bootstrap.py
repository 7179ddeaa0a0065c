"""What a new cluster holds before its first user: namespaces, services, DNS, priority classes."""

from __future__ import annotations

from sandbox.cluster.errors import ApiError

from .context import Context
from .informer import Obj

NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")
_DNS = {"k8s-app": "kube-dns"}


_MOVABLE = "run in the cluster, but can be moved to another node if necessary"


def priority_classes() -> list[Obj]:
    """The two that every cluster has."""
    return [
        {
            "metadata": {"name": name},
            "value": value,
            "globalDefault": False,
            "preemptionPolicy": "PreemptLowerPriority",
            "description": f"Used for system critical pods that must {rule}.",
        }
        for name, value, rule in (
            ("system-node-critical", 2_000_001_000, "not be moved from their current node"),
            ("system-cluster-critical", 2_000_000_000, _MOVABLE),
        )
    ]  # fmt: skip


def kubernetes_service() -> Obj:
    """The API server's own Service."""
    return {
        "metadata": {
            "name": "kubernetes",
            "namespace": "default",
            "labels": {"component": "apiserver", "provider": "kubernetes"},
        },
        "spec": {
            "type": "ClusterIP",
            "clusterIP": "10.96.0.1",
            "ports": [{"name": "https", "port": 443, "targetPort": 6443, "protocol": "TCP"}],
        },
    }


def dns_service() -> Obj:
    """The cluster DNS Service."""
    return {
        "metadata": {
            "name": "kube-dns",
            "namespace": "kube-system",
            "labels": {
                **_DNS,
                "kubernetes.io/cluster-service": "true",
                "kubernetes.io/name": "CoreDNS",
            },
        },
        "spec": {
            "type": "ClusterIP",
            "clusterIP": "10.96.0.10",
            "selector": dict(_DNS),
            "ports": [
                {"name": "dns", "port": 53, "protocol": "UDP", "targetPort": 53},
                {"name": "dns-tcp", "port": 53, "protocol": "TCP", "targetPort": 53},
                {"name": "metrics", "port": 9153, "protocol": "TCP", "targetPort": 9153},
            ],
        },
    }  # fmt: skip


def coredns(replicas: int) -> Obj:
    """The CoreDNS Deployment as kubeadm installs it, without its volumes' contents."""
    container = {
        "name": "coredns",
        "image": "registry.k8s.io/coredns/coredns:v1.12.0",
        "args": ["-conf", "/etc/coredns/Corefile"],
        "resources": {
            "limits": {"memory": "170Mi"},
            "requests": {"cpu": "100m", "memory": "70Mi"},
        },
        "ports": [{"containerPort": 53, "name": "dns", "protocol": "UDP"}],
        "volumeMounts": [{"name": "config-volume", "mountPath": "/etc/coredns", "readOnly": True}],
    }
    return {
        "metadata": {"name": "coredns", "namespace": "kube-system", "labels": dict(_DNS)},
        "spec": {
            "replicas": replicas,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}},
            "selector": {"matchLabels": dict(_DNS)},
            "template": {
                "metadata": {"labels": dict(_DNS)},
                "spec": {
                    "priorityClassName": "system-cluster-critical",
                    "serviceAccountName": "coredns",
                    "nodeSelector": {"kubernetes.io/os": "linux"},
                    "tolerations": [
                        {"key": "CriticalAddonsOnly", "operator": "Exists"},
                        {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"},
                    ],
                    "containers": [container],
                    "volumes": [{"name": "config-volume", "configMap": {"name": "coredns"}}],
                },
            },
        },
    }


_COREFILE = """.:53 {
    errors
    health
    kubernetes cluster.local in-addr.arpa ip6.arpa
    forward . /etc/resolv.conf
    cache 30
}
"""


async def bootstrap(context: Context) -> None:
    """Create what is missing; existing objects are left as they are."""
    for name in NAMESPACES:
        await _ensure(context, "namespaces", {"metadata": {"name": name}})
    for priority in priority_classes():
        await _ensure(context, "priorityclasses.scheduling.k8s.io", priority)
    await _ensure(context, "services", kubernetes_service())
    await _publish_address(context)
    for resource, obj in context.config.objects:
        await _ensure(context, resource, obj)
    if not context.config.coredns_replicas:
        return
    system = {"namespace": "kube-system", "name": "coredns"}
    await _ensure(context, "serviceaccounts", {"metadata": dict(system)})
    corefile = {"Corefile": _COREFILE}
    await _ensure(context, "configmaps", {"metadata": dict(system), "data": corefile})
    await _ensure(context, "services", dns_service())
    await _ensure(context, "deployments.apps", coredns(context.config.coredns_replicas))


async def _publish_address(context: Context) -> None:
    """Endpoints of the `kubernetes` Service follow the address that the server listens on."""
    host, _, port = context.address.rpartition(":")
    if not host:
        return
    subset = {
        "addresses": [{"ip": host}],
        "ports": [{"name": "https", "port": int(port), "protocol": "TCP"}],
    }
    meta = {"name": "kubernetes", "namespace": "default"}
    await _ensure(context, "endpoints", {"metadata": meta, "subsets": [subset]})
    body = {"subsets": [subset]}
    await context.client.patch("endpoints", "kubernetes", "default", body, kind="merge")


async def _ensure(context: Context, resource: str, obj: Obj) -> None:
    meta = obj["metadata"]
    if context.client.look(resource, meta["name"], meta.get("namespace")) is not None:
        return
    try:
        await context.client.create(resource, obj, meta.get("namespace"))
    except ApiError as error:
        if error.code != 409:
            raise
