"""What components take in a cluster beyond `addons.clusters.rbac.RULES`.

`RULES` is what the components of the catalogue need together, for a cluster into which Spillway
puts them; `wanted` what one change needs beside the objects that it applies.

Source of `bind` and `escalate`: Kubernetes documentation, "Using RBAC Authorization", privilege
escalation prevention. Whoever writes a role must hold what it grants, or may `escalate` it; whoever
binds one must hold it, or may `bind` it. The vendors' roles are wider than ours.
"""

from __future__ import annotations

from collections.abc import Iterator

from addons.clusters import rbac
from addons.clusters.rbac import NAMESPACE, Rule
from addons.components.base import Delivery
from addons.components.kit import Kit
from addons.components.kits import ack_virtual_node, co_scheduler, rbkci
from kube import Access
from kube.resources import BY_KIND

NAME = "spillway-components"
LEASE_NAMESPACE = "kube-node-lease"
_RBAC = "rbac.authorization.k8s.io"
_WRITE = ("create", "patch", "delete")
_ROLES = (rbkci.NAME, ack_virtual_node.ROLE, co_scheduler.NAME)
RULES = (
    *(
        Rule("", kind, _WRITE, "objects of components", namespace=NAMESPACE)
        for kind in ("serviceaccounts", "configmaps")
    ),
    Rule(
        "",
        "secrets",
        ("list", *_WRITE),
        "keys and release records of components",
        namespace=NAMESPACE,
    ),
    Rule("apps", "deployments", _WRITE, "controllers of components", namespace=NAMESPACE),
    Rule("", "pods/log", ("get",), "logs of components", namespace=NAMESPACE),
    Rule("apps", "deployments", ("list",), "find what others installed"),
    Rule(_RBAC, "clusterroles", ("get", *_WRITE), "roles of components"),
    Rule(_RBAC, "clusterrolebindings", ("get", *_WRITE), "roles of components"),
    Rule(_RBAC, "clusterroles", ("escalate",), "roles wider than its own", names=_ROLES),
    Rule(_RBAC, "clusterroles", ("bind",), "roles wider than its own", ("cluster-admin", *_ROLES)),
    Rule(
        "apiextensions.k8s.io",
        "customresourcedefinitions",
        ("get", *_WRITE),
        "kinds that components bring",
    ),
    Rule(co_scheduler.GROUP, "resourcepolicies", ("list",), "keep a kind that is in use"),
    Rule(
        "admissionregistration.k8s.io",
        "mutatingwebhookconfigurations",
        ("get", "delete"),
        "take away what a controller made by itself",
        names=(ack_virtual_node.WEBHOOK,),
    ),
)


def manifest() -> str:
    """YAML to apply beside `rbac.manifest()`, for the same ServiceAccount."""
    return rbac.dumped(rbac.roles(NAME, RULES))


def wanted(kit: Kit, delivery: str, action: str, namespace: str, *, nodes: bool) -> list[Access]:
    """What the action does in the cluster beside the objects that it applies or deletes.

    `nodes`: whether the component brings virtual nodes.
    """
    found: list[Access] = []
    if delivery == Delivery.IN_CLUSTER:
        found += _records(action, namespace)
    if nodes and delivery != Delivery.MANAGED and action not in {"adopt", "repair"}:
        found += _leaving(kit, delivery) if action == "uninstall" else _canary(namespace)
        found += _nodes()
    return found


def _records(action: str, namespace: str) -> Iterator[Access]:
    """Release records, as Helm keeps them."""
    verbs = ("list", "delete") if action == "uninstall" else ("list", "create", "patch")
    for verb in verbs:
        yield Access(verb, "secrets", namespace=namespace)


def _canary(namespace: str) -> Iterator[Access]:
    for verb in ("get", "create", "delete"):
        yield Access(verb, "pods", namespace=namespace)


def _nodes() -> Iterator[Access]:
    """Nodes that nobody keeps alive any more are emptied and go."""
    for verb in ("list", "patch", "delete"):
        yield Access(verb, "nodes")
    yield Access("delete", "leases", "coordination.k8s.io", namespace=LEASE_NAMESPACE)


def _leaving(kit: Kit, delivery: str) -> Iterator[Access]:
    yield Access("list", "pods")
    yield Access("delete", "pods")
    yield Access("create", "pods", subresource="eviction")
    for obj in kit.leftovers if delivery == Delivery.IN_CLUSTER else ():
        resource = BY_KIND[obj["apiVersion"], obj["kind"]]
        for verb in ("get", "delete"):
            yield Access(verb, resource.plural, resource.group, name=obj["metadata"]["name"])
