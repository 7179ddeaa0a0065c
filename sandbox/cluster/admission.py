"""Admission: the built-in plugins in the real server's order, then webhooks, then quota.

Plugins: NamespaceLifecycle, ServiceAccount, LimitRanger (defaults), Priority,
DefaultTolerationSeconds, the service's ClusterIP and node ports, ResourceQuota.
"""

import ipaddress
import random
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol

from sandbox.cluster import errors, quota
from sandbox.cluster.quantity import parse
from sandbox.cluster.request import Request
from sandbox.cluster.resources import Resource
from sandbox.cluster.store import Store

if TYPE_CHECKING:
    from sandbox.cluster.webhooks import Webhooks

Obj = dict[str, Any]
_PROTECTED = ("default", "kube-system", "kube-public")
_UNSETTLED = ("not-ready", "unreachable")
_MIRROR = "kubernetes.io/config.mirror"
_SERVICES = ipaddress.ip_network("10.96.0.0/16")


@dataclass(frozen=True, slots=True)
class Attributes:
    """What admission decides on; ``obj`` is None for a DELETE, ``old`` for a CREATE."""

    operation: str
    resource: Resource
    namespace: str
    name: str
    obj: Obj | None
    old: Obj | None
    req: Request
    subresource: str = ""

    def replaced(self, obj: Obj) -> "Attributes":
        """Return the same with another object."""
        return replace(self, obj=obj)


class Plugin(Protocol):
    """What a vendor adds to admission, after the built-in defaults and before webhooks."""

    def mutate(self, attributes: Attributes, obj: Obj) -> None:
        """Change the object of a CREATE or UPDATE in place."""

    def validate(self, attributes: Attributes) -> None:
        """Raise ApiError to refuse."""


class Admission:
    """Runs the plugins; ``webhooks`` is set once the cluster has a server."""

    def __init__(self, store: Store, rng: random.Random) -> None:
        self.store = store
        self.webhooks: Webhooks | None = None
        self.plugins: list[Plugin] = []
        self._rng = rng

    def check_namespace(self, attributes: Attributes) -> None:
        """Refuse a create in a namespace that is missing (404) or being deleted (403)."""
        resource, namespace = attributes.resource, attributes.namespace
        if attributes.operation != "CREATE" or not resource.namespaced:
            return
        found = self.store.get("namespaces", "", namespace)
        if found is None:
            raise errors.not_found("namespaces", "", namespace)
        if "deletionTimestamp" in found.obj["metadata"]:
            why = (
                f"unable to create new content in namespace {namespace} because it is being "
                "terminated"
            )
            refused = errors.forbidden(resource.plural, resource.group, attributes.name, why)
            refused.details["causes"] = [
                errors.cause(
                    "NamespaceTerminating",
                    "metadata.namespace",
                    f"namespace {namespace} is being terminated",
                )
            ]
            raise refused

    async def mutate(self, attributes: Attributes) -> Obj:
        """Return the object as the mutating plugins and webhooks leave it."""
        self.check_namespace(attributes)
        obj = attributes.obj
        assert obj is not None
        if attributes.operation == "CREATE":
            self._defaults(attributes, obj)
        elif attributes.resource.name == "services":
            self._service(obj)
        for plugin in self.plugins:
            plugin.mutate(attributes, obj)
        if self.webhooks is not None:
            obj = await self.webhooks.mutate(attributes)
        return obj

    async def validate(self, attributes: Attributes) -> None:
        """Raise ApiError when a validating plugin, webhook or quota refuses."""
        self._protect(attributes)
        for plugin in self.plugins:
            plugin.validate(attributes)
        if self.webhooks is not None:
            await self.webhooks.validate(attributes)
        if attributes.operation == "CREATE":
            quota.check(self.store, attributes)

    def _protect(self, attributes: Attributes) -> None:
        resource, name = attributes.resource, attributes.name
        if (
            attributes.operation == "DELETE"
            and resource.name == "namespaces"
            and name in _PROTECTED
        ):
            raise errors.forbidden("namespaces", "", name, "this namespace may not be deleted")

    def _defaults(self, attributes: Attributes, obj: Obj) -> None:
        name = attributes.resource.name
        if name == "pods":
            self._limits(attributes.namespace, obj)
            self._account(attributes, obj)
            self._priority(attributes, obj)
            _tolerations(obj["spec"])
        elif name == "services":
            self._service(obj)
        elif name == "persistentvolumeclaims":
            self._storage_class(obj)

    def _limits(self, namespace: str, obj: Obj) -> None:
        for entry in self.store.entries("limitranges", namespace):
            for item in entry.obj["spec"].get("limits") or ():
                if item.get("type") == "Container":
                    for container in obj["spec"]["containers"]:
                        _limit_container(container, item)

    def _account(self, attributes: Attributes, obj: Obj) -> None:
        spec, meta = obj["spec"], obj["metadata"]
        if _MIRROR in (meta.get("annotations") or {}):
            return
        name = spec.setdefault("serviceAccountName", "default")
        spec["serviceAccount"] = name
        account = self.store.get("serviceaccounts", attributes.namespace, name)
        if account is None:
            if name == "default":
                return
            why = (
                f"error looking up service account {attributes.namespace}/{name}: serviceaccount "
                f'"{name}" not found'
            )
            shown = meta.get("name") or meta.get("generateName", "")
            raise errors.forbidden("pods", "", shown, why)
        if not spec.get("imagePullSecrets") and account.obj.get("imagePullSecrets"):
            spec["imagePullSecrets"] = [dict(s) for s in account.obj["imagePullSecrets"]]
        wanted = spec.get("automountServiceAccountToken")
        if wanted is None:
            wanted = account.obj.get("automountServiceAccountToken", True)
        if wanted:
            _mount_token(spec, self._rng)

    def _priority(self, attributes: Attributes, obj: Obj) -> None:
        spec = obj["spec"]
        table = "priorityclasses.scheduling.k8s.io"
        name = spec.get("priorityClassName")
        if name:
            entry = self.store.get(table, "", name)
            builtin = {"system-cluster-critical": 2000000000, "system-node-critical": 2000001000}
            if entry is None and name not in builtin:
                why = f"no PriorityClass with name {name} was found"
                raise errors.forbidden("pods", "", attributes.name, why)
            spec["priority"] = entry.obj["value"] if entry else builtin[name]
            policy = entry.obj.get("preemptionPolicy") if entry else None
            spec.setdefault("preemptionPolicy", policy or "PreemptLowerPriority")
            return
        spec.setdefault("priority", 0)
        spec.setdefault("preemptionPolicy", "PreemptLowerPriority")
        for entry in self.store.entries(table):
            if entry.obj.get("globalDefault"):
                spec["priorityClassName"] = entry.key[1]
                spec["priority"] = entry.obj["value"]

    def _service(self, obj: Obj) -> None:
        spec = obj["spec"]
        if spec.get("type") == "ExternalName":
            return
        if not spec.get("clusterIP"):
            spec["clusterIP"] = self._free_address()
        spec["clusterIPs"] = [spec["clusterIP"]]
        if spec.get("type") in ("NodePort", "LoadBalancer"):
            for port in spec.get("ports") or ():
                if not port.get("nodePort"):
                    port["nodePort"] = self._free_port()

    def _free_address(self) -> str:
        used = {e.obj["spec"].get("clusterIP") for e in self.store.entries("services")}
        while True:
            address = str(_SERVICES[self._rng.randrange(16, _SERVICES.num_addresses - 1)])
            if address not in used:
                return address

    def _free_port(self) -> int:
        used = {
            port.get("nodePort")
            for entry in self.store.entries("services")
            for port in entry.obj["spec"].get("ports") or ()
        }
        while (port := self._rng.randrange(30000, 32768)) in used:
            pass
        return port

    def _storage_class(self, obj: Obj) -> None:
        if "storageClassName" in obj["spec"]:
            return
        mark = "storageclass.kubernetes.io/is-default-class"
        for entry in self.store.entries("storageclasses.storage.k8s.io"):
            if (entry.obj["metadata"].get("annotations") or {}).get(mark) == "true":
                obj["spec"]["storageClassName"] = entry.key[1]


def _limit_container(container: Obj, item: Obj) -> None:
    resources = container.setdefault("resources", {})
    for kind, source in (("limits", "default"), ("requests", "defaultRequest")):
        for key, value in (item.get(source) or {}).items():
            resources.setdefault(kind, {}).setdefault(key, value)
    for key, value in (resources.get("limits") or {}).items():
        requests = resources.setdefault("requests", {})
        if parse(requests.get(key, value)) > parse(value):
            requests[key] = value
    over = [k for k, v in (item.get("max") or {}).items() if _asked(resources, k) > parse(v)]
    if over:
        key = over[0]
        why = (
            f"maximum {key} usage per Container is {item['max'][key]}, but limit is "
            f"{resources['limits'][key]}"
        )
        raise errors.forbidden("pods", "", container["name"], why)


def _asked(resources: Obj, key: str) -> Decimal:
    return parse((resources.get("limits") or {}).get(key, "0"))


def _mount_token(spec: Obj, rng: random.Random) -> None:
    path = "/var/run/secrets/kubernetes.io/serviceaccount"
    everyone = (spec.get("containers") or []) + (spec.get("initContainers") or [])
    bare = [
        c
        for c in everyone
        if not any(m.get("mountPath") == path for m in c.get("volumeMounts") or ())
    ]
    if not bare:
        return
    name = "kube-api-access-" + "".join(rng.choice("bcdfghjklmnpqrstvwxz2456789") for _ in range(5))
    for container in bare:
        mounts = container.setdefault("volumeMounts", [])
        mounts.append({"name": name, "readOnly": True, "mountPath": path})
    field = {"apiVersion": "v1", "fieldPath": "metadata.namespace"}
    authority = {"key": "ca.crt", "path": "ca.crt"}
    sources = [
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [authority]}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": field}]}},
    ]
    volume = {"name": name, "projected": {"sources": sources, "defaultMode": 420}}
    spec.setdefault("volumes", []).append(volume)


def _tolerations(spec: Obj) -> None:
    found = spec.get("tolerations") or []
    for word in _UNSETTLED:
        key = f"node.kubernetes.io/{word}"
        if not any(_covers(toleration, key) for toleration in found):
            found.append(
                {
                    "key": key,
                    "operator": "Exists",
                    "effect": "NoExecute",
                    "tolerationSeconds": 300,
                }
            )
    spec["tolerations"] = found


def _covers(toleration: Obj, key: str) -> bool:
    if toleration.get("key") not in (key, None, ""):
        return False
    return toleration.get("effect") in ("NoExecute", None, "")
