"""RBAC: which rules a user has, and whether one allows a request.

Semantics of ``rbac.authorization.k8s.io/v1``: ClusterRoleBindings count everywhere, RoleBindings in
their namespace; ``*`` matches all; ``pods/log`` and ``*/scale`` name subresources; aggregated
ClusterRoles take the rules of the roles their selectors match. Group ``system:masters`` may do all.
"""

from collections.abc import Iterator
from typing import Any

from sandbox.cluster import errors
from sandbox.cluster.request import User
from sandbox.cluster.route import Target
from sandbox.cluster.selectors import label_selector
from sandbox.cluster.store import Entry, Event, Store

Obj = dict[str, Any]
GROUP = "rbac.authorization.k8s.io"
ROLES, CLUSTER_ROLES = f"roles.{GROUP}", f"clusterroles.{GROUP}"
BINDINGS, CLUSTER_BINDINGS = f"rolebindings.{GROUP}", f"clusterrolebindings.{GROUP}"
SUPERUSERS = "system:masters"


class Authorizer:
    """Decides what a user may do; answers are cached until an RBAC object changes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._cache: dict[tuple[User, str], list[Obj]] = {}
        for table in (ROLES, CLUSTER_ROLES, BINDINGS, CLUSTER_BINDINGS):
            store.listen(table, self._forget)

    def _forget(self, _: Event) -> None:
        self._cache.clear()

    def reset(self) -> None:
        """Drop what is cached; call after objects were loaded without events."""
        self._cache.clear()

    def rules(self, user: User, namespace: str) -> list[Obj]:
        """Return the PolicyRules that hold for a user in a namespace ("" for cluster scope)."""
        found = self._cache.get((user, namespace))
        if found is None:
            found = self._cache[user, namespace] = list(self._collect(user, namespace))
        return found

    def _collect(self, user: User, namespace: str) -> Iterator[Obj]:
        for entry in self._store.entries(CLUSTER_BINDINGS):
            if _binds(entry.obj, user, ""):
                yield from self.referred(entry.obj["roleRef"], "")
        if namespace:
            for entry in self._store.entries(BINDINGS, namespace):
                if _binds(entry.obj, user, namespace):
                    yield from self.referred(entry.obj["roleRef"], namespace)

    def referred(self, reference: Obj, namespace: str) -> list[Obj]:
        """Return the rules of the role that a binding's ``roleRef`` names."""
        entry = self.role(reference, namespace)
        return self.role_rules(entry.obj) if entry else []

    def role(self, reference: Obj, namespace: str) -> Entry | None:
        """Return the role that a binding's ``roleRef`` names."""
        if reference["kind"] == "Role":
            return self._store.get(ROLES, namespace, reference["name"])
        return self._store.get(CLUSTER_ROLES, "", reference["name"])

    def role_rules(self, role: Obj) -> list[Obj]:
        """Return the rules of a role, aggregated ones included."""
        aggregation = role.get("aggregationRule")
        if not aggregation:
            return list(role.get("rules") or ())
        tests = [label_selector(s) for s in aggregation.get("clusterRoleSelectors") or ()]
        rules: list[Obj] = []
        for entry in self._store.ordered(CLUSTER_ROLES):
            labels = entry.obj["metadata"].get("labels") or {}
            if entry.obj is not role and any(test(labels) for test in tests):
                rules += self.role_rules(entry.obj)
        return rules

    def allows(
        self, user: User, verb: str, group: str, resource: str, *, namespace: str, name: str
    ) -> bool:
        """Return whether a user may; ``resource`` includes the subresource: ``pods/log``."""
        if SUPERUSERS in user.groups:
            return True
        rules = self.rules(user, namespace)
        return any(_matches(rule, verb, group, resource, name) for rule in rules)

    def allows_path(self, user: User, verb: str, path: str) -> bool:
        """Return whether a user may use a non-resource path."""
        if SUPERUSERS in user.groups:
            return True
        return any(_matches_path(rule, verb, path) for rule in self.rules(user, ""))

    def check(self, user: User, verb: str, target: Target) -> None:
        """Raise ApiError 403 when the request is not allowed."""
        resource = target.resource
        full = f"{resource.plural}/{target.subresource}" if target.subresource else resource.plural
        namespace = target.namespace
        if resource.name == "namespaces" and target.name:
            namespace = target.name
        if self.allows(user, verb, resource.group, full, namespace=namespace, name=target.name):
            return
        where = (
            f'in the namespace "{target.namespace}"'
            if target.namespace
            else ("at the cluster scope")
        )
        why = (
            f'User "{user.name}" cannot {verb} resource "{full}" in API group '
            f'"{resource.group}" {where}'
        )
        raise errors.forbidden(resource.plural, resource.group, target.name, why)

    def check_path(self, user: User, verb: str, path: str) -> None:
        """Raise ApiError 403 when a non-resource path is not allowed."""
        if not self.allows_path(user, verb, path):
            message = f'forbidden: User "{user.name}" cannot {verb} path "{path}"'
            raise errors.ApiError(403, "Forbidden", message)


def _binds(binding: Obj, user: User, namespace: str) -> bool:
    return any(_is_subject(s, user, namespace) for s in binding.get("subjects") or ())


def _is_subject(subject: Obj, user: User, namespace: str) -> bool:
    if subject["kind"] == "User":
        return bool(subject["name"] == user.name)
    if subject["kind"] == "Group":
        return subject["name"] in user.groups
    where = subject.get("namespace") or namespace
    return user.name == f"system:serviceaccount:{where}:{subject['name']}"


def _has(values: list[str], wanted: str) -> bool:
    return "*" in values or wanted in values


def _matches(rule: Obj, verb: str, group: str, resource: str, name: str) -> bool:
    if not _has(rule.get("verbs") or [], verb) or not _has(rule.get("apiGroups") or [], group):
        return False
    listed = rule.get("resources") or []
    _, slash, sub = resource.partition("/")
    if not _has(listed, resource) and not (slash and f"*/{sub}" in listed):
        return False
    names = rule.get("resourceNames")
    return not names or name in names


def _matches_path(rule: Obj, verb: str, path: str) -> bool:
    if not _has(rule.get("verbs") or [], verb):
        return False
    return any(
        url in ("*", path) or (url.endswith("*") and path.startswith(url[:-1]))
        for url in rule.get("nonResourceURLs") or ()
    )
