"""What the kubeconfig of an ACS cluster must allow, asked of the cluster's own authorizer.

Source: Kubernetes API reference, SelfSubjectAccessReview; "Using RBAC Authorization".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kube import Access
from providers.acs.key import NAMESPACE
from providers.base import Capability

NAME = "spillway-acs"
_RBAC = "rbac.authorization.k8s.io/v1"


@dataclass(frozen=True, slots=True)
class Rule:
    resource: str
    verbs: tuple[str, ...]
    cluster_wide: bool = False


RULES = (
    Rule("pods", ("create", "get", "list", "watch", "delete")),
    Rule("pods/log", ("get",)),
    Rule("secrets", ("create", "list", "patch", "delete")),
    Rule("events", ("list",)),
    Rule("namespaces", ("get", "create"), cluster_wide=True),
)


def wanted(namespace: str) -> tuple[Access, ...]:
    return tuple(
        Access(
            verb=verb,
            resource=rule.resource.partition("/")[0],
            subresource=rule.resource.partition("/")[2],
            namespace="" if rule.cluster_wide else namespace,
        )
        for rule in RULES
        for verb in rule.verbs
    )


def capability(access: Access, allowed: bool) -> Capability:
    action = str(access)
    if allowed:
        return Capability(action, True)
    where = f" in namespace {access.namespace}" if access.namespace else ""
    message = f"the identity of the kubeconfig may not {action}{where}"
    return Capability(action, False, "Forbidden", message, grant=action)


def policy() -> dict[str, Any]:
    """A `v1` List to apply to the ACS cluster: identity, least roles, bindings, and a token.

    A token Secret is asked for by name because a token of `kubectl create token` ends.
    """
    labels = {"app.kubernetes.io/name": "spillway"}
    place = {"name": NAME, "namespace": NAMESPACE, "labels": labels}
    token = {**place, "name": f"{NAME}-token"}
    return {
        "apiVersion": "v1",
        "kind": "List",
        "items": [
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": place},
            *_role("Role", place, cluster_wide=False),
            *_role("ClusterRole", {"name": NAME, "labels": labels}, cluster_wide=True),
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "type": "kubernetes.io/service-account-token",
                "metadata": {**token, "annotations": {"kubernetes.io/service-account.name": NAME}},
            },
        ],
    }


def _role(kind: str, meta: Mapping[str, Any], *, cluster_wide: bool) -> list[dict[str, Any]]:
    rules = [
        {"apiGroups": [""], "resources": [rule.resource], "verbs": list(rule.verbs)}
        for rule in RULES
        if rule.cluster_wide is cluster_wide
    ]
    group = _RBAC.partition("/")[0]
    return [
        {"apiVersion": _RBAC, "kind": kind, "metadata": dict(meta), "rules": rules},
        {
            "apiVersion": _RBAC,
            "kind": f"{kind}Binding",
            "metadata": dict(meta),
            "roleRef": {"apiGroup": group, "kind": kind, "name": NAME},
            "subjects": [{"kind": "ServiceAccount", "name": NAME, "namespace": NAMESPACE}],
        },
    ]
