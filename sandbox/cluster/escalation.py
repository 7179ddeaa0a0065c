"""Nobody grants what he does not hold himself, but by the verbs ``escalate`` and ``bind``.

Source: Kubernetes documentation, "Using RBAC Authorization", privilege escalation prevention;
``pkg/registry/rbac`` (policybased storage) for the order of the questions and the message.
"""

from collections.abc import Iterator
from itertools import product
from typing import Any

from sandbox.cluster import errors
from sandbox.cluster.admission import Attributes
from sandbox.cluster.rbac import BINDINGS, CLUSTER_BINDINGS, CLUSTER_ROLES, GROUP, ROLES, Authorizer
from sandbox.cluster.request import User

Obj = dict[str, Any]
_KINDS = {"Role": "roles", "ClusterRole": "clusterroles"}


class Escalation:
    """An admission plugin: refuses roles and bindings that give more than the user has."""

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    def mutate(self, attributes: Attributes, obj: Obj) -> None:
        """Nothing is changed."""

    def validate(self, attributes: Attributes) -> None:
        """Raise ApiError 403 for a role or binding that grants more than the user holds."""
        obj, old = attributes.obj, attributes.old
        if obj is None:
            return
        storage = attributes.resource.storage
        before = old or {}
        if storage in (ROLES, CLUSTER_ROLES) and before.get("rules") != obj.get("rules"):
            self._role(attributes, obj)
        if storage in (BINDINGS, CLUSTER_BINDINGS) and before.get("subjects") != obj.get(
            "subjects"
        ):
            self._binding(attributes, obj)

    def _role(self, attributes: Attributes, role: Obj) -> None:
        plural = attributes.resource.plural
        if not self._may(attributes, "escalate", plural, attributes.name):
            self._covered(attributes, list(role.get("rules") or ()))

    def _binding(self, attributes: Attributes, binding: Obj) -> None:
        reference = binding["roleRef"]
        plural = _KINDS[reference["kind"]]
        if self._may(attributes, "bind", plural, reference["name"]):
            return
        if self._authorizer.role(reference, attributes.namespace) is None:
            raise errors.not_found(plural, GROUP, reference["name"])
        self._covered(attributes, self._authorizer.referred(reference, attributes.namespace))

    def _may(self, attributes: Attributes, verb: str, plural: str, name: str) -> bool:
        return self._authorizer.allows(
            attributes.req.user, verb, GROUP, plural, namespace=attributes.namespace, name=name
        )

    def _covered(self, attributes: Attributes, rules: list[Obj]) -> None:
        user = attributes.req.user
        held = self._authorizer.rules(user, attributes.namespace)
        lacking = [one for rule in rules for one in _atoms(rule) if not _holds(held, one)]
        if lacking:
            raise errors.forbidden(
                attributes.resource.plural, GROUP, attributes.name, _sentence(user, lacking)
            )


def _sentence(user: User, lacking: list[Obj]) -> str:
    groups = " ".join(f'"{group}"' for group in user.groups)
    listed = "\n".join(
        "{" + ", ".join(f"{key[0].upper()}{key[1:]}:{value}" for key, value in one.items()) + "}"
        for one in lacking
    )
    return (
        f'user "{user.name}" (groups=[{groups}]) is attempting to grant RBAC permissions not '
        f"currently held:\n{listed}"
    )


def _atoms(rule: Obj) -> Iterator[Obj]:
    """One verb on one resource, or path, each."""
    verbs = rule.get("verbs") or ()
    for verb, url in product(verbs, rule.get("nonResourceURLs") or ()):
        yield {"nonResourceURLs": [url], "verbs": [verb]}
    groups, resources = rule.get("apiGroups") or (), rule.get("resources") or ()
    for verb, group, resource in product(verbs, groups, resources):
        atom = {"apiGroups": [group], "resources": [resource], "verbs": [verb]}
        for name in rule.get("resourceNames") or [""]:
            yield {**atom, "resourceNames": [name]} if name else atom


def _holds(held: list[Obj], atom: Obj) -> bool:
    return any(
        all(_within(rule.get(key) or (), atom[key][0], key) for key in atom)
        and not (rule.get("resourceNames") and "resourceNames" not in atom)
        for rule in held
    )


def _within(values: Any, wanted: str, key: str) -> bool:
    if key == "resourceNames" and not values:
        return True
    _, slash, sub = wanted.partition("/")
    return "*" in values or wanted in values or bool(slash and f"*/{sub}" in values)
