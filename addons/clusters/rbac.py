"""What Spillway may do in a cluster: the list that is checked, and the ClusterRole that grants it.

The least that a kubelet of virtual nodes needs; nothing here may create workloads or read what no
pod on a virtual node refers to by intent (the API server has no finer rule for Secrets by node
without the node authorizer). Workloads are read one by one, when a person asks about them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import yaml

from kube import Access

NAME = "spillway"
NAMESPACE = "kube-system"


@dataclass(frozen=True, slots=True)
class Rule:
    group: str
    resource: str
    verbs: tuple[str, ...]
    why: str
    # Only these objects of kube-system (`resourceNames`; a list or watch by metadata.name counts).
    names: tuple[str, ...] = ()

    def accesses(self) -> Iterator[Access]:
        """Every permission in it as one question to the API server."""
        resource, _slash, subresource = self.resource.partition("/")
        for verb in self.verbs:
            whole = Access(verb, resource, self.group, subresource=subresource)
            if not self.names:
                yield whole
            for name in self.names:
                yield replace(whole, namespace=NAMESPACE, name=name)


RULES = (
    Rule("", "nodes", ("get", "list", "watch", "create", "patch", "delete"), "register nodes"),
    Rule("", "nodes/status", ("patch", "update"), "node conditions"),
    Rule("coordination.k8s.io", "leases", ("get", "create", "patch", "delete"), "heartbeats"),
    Rule("", "pods", ("get", "list", "watch", "patch", "delete"), "run the pods of its nodes"),
    Rule("", "pods/status", ("patch", "update"), "report the pods' state"),
    Rule("", "configmaps", ("get",), "variables and files of pods"),
    Rule(
        "",
        "configmaps",
        ("list", "watch"),
        "follow the profile of new pods and the cloud's temporary keys",
        names=("eci-profile", "user-temp-aksk"),
    ),
    Rule("", "secrets", ("get",), "variables, files and image pull secrets of pods"),
    Rule("", "serviceaccounts", ("get",), "image pull secrets of service accounts"),
    Rule("", "serviceaccounts/token", ("create",), "tokens mounted into pods"),
    Rule("", "services", ("get", "list"), "service variables and the cluster's DNS address"),
    Rule("", "namespaces", ("get",), "the identity of the cluster"),
    Rule("", "events", ("list", "create", "patch"), "say on the pod what was decided"),
    *(
        Rule(group, resource, ("get",), "say beforehand what the clouds do with a workload")
        for group, resource in (
            *(("apps", "deployments"), ("apps", "replicasets"), ("apps", "statefulsets")),
            *(("apps", "daemonsets"), ("batch", "jobs"), ("batch", "cronjobs")),
        )
    ),
)


def wanted() -> list[Access]:
    """Every permission as one question to the API server."""
    return [access for rule in RULES for access in rule.accesses()]


def _rules(lacking: Iterable[Access] | None) -> list[dict[str, list[str]]]:
    """As a ClusterRole lists them; all of them, or only what is lacking."""
    missing = None if lacking is None else set(lacking)
    result = []
    for rule in RULES:
        asked = [a for a in rule.accesses() if missing is None or a in missing]
        if asked:
            entry = {"apiGroups": [rule.group], "resources": [rule.resource]}
            if rule.names:
                entry["resourceNames"] = _unique(access.name for access in asked)
            result.append({**entry, "verbs": _unique(access.verb for access in asked)})
    return result


def _unique(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(texts))


def manifest(lacking: Iterable[Access] | None = None) -> str:
    """YAML to apply: ServiceAccount, ClusterRole, binding and a token Secret that does not expire.

    A legacy token Secret is asked for by name because a token of `kubectl create token` ends.
    """
    labels = {"app.kubernetes.io/name": NAME}
    account = {"name": NAME, "namespace": NAMESPACE, "labels": labels}
    documents = [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": NAME, "labels": labels},
            "rules": _rules(lacking),
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": NAME, "labels": labels},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": NAME,
            },
            "subjects": [{"kind": "ServiceAccount", "name": NAME, "namespace": NAMESPACE}],
        },
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/service-account-token",
            "metadata": {
                **account,
                "name": f"{NAME}-token",
                "annotations": {"kubernetes.io/service-account.name": NAME},
            },
        },
    ]
    return yaml.safe_dump_all(documents, sort_keys=False)
