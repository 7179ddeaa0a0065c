"""What Spillway may do in a cluster: the list that is checked, and the roles that grant it.

`RULES` is the least that a kubelet of virtual nodes needs: it may create no pod but the canary, and
read nothing that no pod on a virtual node refers to by intent (the API server has no finer rule for
Secrets by node without the node authorizer). Workloads are read one by one, when a person asks
about them.

Components that are put into the cluster bring objects and roles of their own. What that takes is
apart, in `addons.components.rights`, for clusters where it is wanted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import yaml

from kube import Access

NAME = "spillway"
NAMESPACE = "kube-system"
_LABEL = "app.kubernetes.io/name"
_RBAC = "rbac.authorization.k8s.io"


@dataclass(frozen=True, slots=True)
class Rule:
    group: str
    resource: str
    verbs: tuple[str, ...]
    why: str
    # Only these objects (`resourceNames`; a list or watch by metadata.name counts).
    names: tuple[str, ...] = ()
    # Only there: it is granted by a Role.
    namespace: str = ""

    def accesses(self) -> Iterator[Access]:
        """Every permission in it as one question to the API server."""
        resource, _slash, subresource = self.resource.partition("/")
        for verb in self.verbs:
            whole = Access(
                verb, resource, self.group, namespace=self.namespace, subresource=subresource
            )
            if not self.names:
                yield whole
            for name in self.names:
                yield replace(whole, name=name)


RULES = (
    Rule("", "nodes", ("get", "list", "watch", "create", "patch", "delete"), "register nodes"),
    Rule("", "nodes/status", ("patch", "update"), "node conditions"),
    Rule("coordination.k8s.io", "leases", ("get", "create", "patch", "delete"), "heartbeats"),
    Rule("", "pods", ("get", "list", "watch", "patch", "delete"), "run the pods of its nodes"),
    Rule("", "pods/status", ("patch", "update"), "report the pods' state"),
    Rule("", "pods/eviction", ("create",), "empty a node by its disruption budgets"),
    Rule("", "pods", ("create",), "the canary on a new node", namespace=NAMESPACE),
    Rule("", "configmaps", ("get",), "variables and files of pods"),
    Rule(
        "",
        "configmaps",
        ("list", "watch"),
        "follow the profile of new pods and the cloud's temporary keys",
        names=("eci-profile", "user-temp-aksk"),
        namespace=NAMESPACE,
    ),
    Rule("", "persistentvolumeclaims", ("get",), "volumes of pods"),
    Rule("", "persistentvolumes", ("get",), "volumes of pods"),
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
    Rule("apps", "daemonsets", ("list",), "say which would be bound to virtual nodes"),
)


def wanted(rules: Iterable[Rule] = RULES) -> list[Access]:
    """Every permission as one question to the API server."""
    return [access for rule in rules for access in rule.accesses()]


def _listed(rules: Iterable[Rule], lacking: Iterable[Access] | None) -> list[dict[str, list[str]]]:
    """As a role lists them; all of them, or only what is lacking."""
    missing = None if lacking is None else set(lacking)
    result = []
    for rule in rules:
        asked = [a for a in rule.accesses() if missing is None or a in missing]
        if asked:
            entry = {"apiGroups": [rule.group], "resources": [rule.resource]}
            if rule.names:
                entry["resourceNames"] = _unique(access.name for access in asked)
            result.append({**entry, "verbs": _unique(access.verb for access in asked)})
    return result


def _unique(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(texts))


def roles(
    name: str, rules: Sequence[Rule], lacking: Iterable[Access] | None = None
) -> list[dict[str, Any]]:
    """ClusterRole, Roles and their bindings to our ServiceAccount; a role without rules is left
    out."""
    lacking = None if lacking is None else list(lacking)
    made: list[dict[str, Any]] = []
    for space in dict.fromkeys(("", *(rule.namespace for rule in rules))):
        found = _listed([rule for rule in rules if rule.namespace == space], lacking)
        if found:
            made += _bound(name, space, found)
    return made


def _bound(name: str, space: str, rules: list[dict[str, list[str]]]) -> list[dict[str, Any]]:
    kind = "Role" if space else "ClusterRole"
    place = {"namespace": space} if space else {}
    meta = {"name": name, **place, "labels": {_LABEL: NAME}}
    return [
        {"apiVersion": f"{_RBAC}/v1", "kind": kind, "metadata": meta, "rules": rules},
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": f"{kind}Binding",
            "metadata": meta,
            "roleRef": {"apiGroup": _RBAC, "kind": kind, "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": NAME, "namespace": NAMESPACE}],
        },
    ]


def manifest(lacking: Iterable[Access] | None = None) -> str:
    """YAML to apply: ServiceAccount, roles, bindings and a token Secret that does not expire.

    A legacy token Secret is asked for by name because a token of `kubectl create token` ends.
    """
    account = {"name": NAME, "namespace": NAMESPACE, "labels": {_LABEL: NAME}}
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/service-account-token",
        "metadata": {
            **account,
            "name": f"{NAME}-token",
            "annotations": {"kubernetes.io/service-account.name": NAME},
        },
    }
    documents = [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account},
        *roles(NAME, RULES, lacking),
        secret,
    ]
    return dumped(documents)


def dumped(documents: Iterable[dict[str, Any]]) -> str:
    return yaml.dump_all(documents, Dumper=_Plain, sort_keys=False)


class _Plain(yaml.SafeDumper):
    """Writes what is used twice twice: a person reads it."""

    def ignore_aliases(self, _data: Any) -> bool:
        return True
