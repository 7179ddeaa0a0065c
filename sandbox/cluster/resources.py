"""The resources the server knows: built-in kinds as a table, custom ones added by CRDs.

A resource's ``name`` is what kubectl prints (``pods``, ``deployments.apps``) and is the key of its
table in the store. Facts (short names, categories, subresources) are those of
``kubectl api-resources`` on Kubernetes 1.36.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sandbox.cluster.errors import ApiError, no_such_path, qualified

Obj = dict[str, Any]
ALL_VERBS = (
    "create",
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "update",
    "watch",
)


@dataclass(frozen=True, slots=True)
class Resource:
    """One served resource in one version."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    short: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    singular: str = ""
    table: str = ""
    custom: bool = False
    list_kind: str = ""
    schema: Any = field(default=None, compare=False, hash=False)

    @property
    def name(self) -> str:
        """Return ``plural.group``, or the plural for the core group."""
        return qualified(self.plural, self.group)

    @property
    def storage(self) -> str:
        """Return the store's table name; two versions or aliases share one."""
        return self.table or self.name

    @property
    def api_version(self) -> str:
        """Return ``group/version``."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def has_status(self) -> bool:
        """Return whether status is written through its own subresource."""
        return "status" in self.subresources

    def path(self, namespace: str = "", name: str = "") -> str:
        """Return the REST path of a collection or an object."""
        base = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        parts = [base]
        if namespace and self.namespaced:
            parts.append(f"namespaces/{namespace}")
        parts.append(self.plural)
        if name:
            parts.append(name)
        return "/".join(parts)


def _r(api: str, plural: str, kind: str, **more: Any) -> Resource:
    group, _, version = api.rpartition("/")
    more.setdefault("singular", kind.lower())
    return Resource(group, version, plural, kind, **more)


_ALL = ("all",)
_STATUS = ("status",)
_SCALED = ("scale", "status")
_CREATE = ("create",)
_EVENTS = {"short": ("ev",), "table": "events"}
_POD_SUBS = (
    "attach",
    "binding",
    "ephemeralcontainers",
    "eviction",
    "exec",
    "log",
    "portforward",
    "resize",
    "status",
)
_EXT = {"categories": ("api-extensions",), "namespaced": False}

_CORE = (
    _r("v1", "bindings", "Binding", verbs=_CREATE),
    _r(
        "v1",
        "componentstatuses",
        "ComponentStatus",
        namespaced=False,
        short=("cs",),
        verbs=("get", "list"),
    ),
    _r("v1", "configmaps", "ConfigMap", short=("cm",)),
    _r("v1", "endpoints", "Endpoints", short=("ep",), singular="endpoints"),
    _r("v1", "events", "Event", **_EVENTS),
    _r("v1", "limitranges", "LimitRange", short=("limits",)),
    _r(
        "v1",
        "namespaces",
        "Namespace",
        namespaced=False,
        short=("ns",),
        subresources=("finalize", "status"),
        verbs=tuple(v for v in ALL_VERBS if v != "deletecollection"),
    ),
    _r("v1", "nodes", "Node", namespaced=False, short=("no",), subresources=("proxy", "status")),
    _r(
        "v1",
        "persistentvolumeclaims",
        "PersistentVolumeClaim",
        short=("pvc",),
        subresources=_STATUS,
    ),
    _r(
        "v1",
        "persistentvolumes",
        "PersistentVolume",
        namespaced=False,
        short=("pv",),
        subresources=_STATUS,
    ),
    _r("v1", "pods", "Pod", short=("po",), categories=_ALL, subresources=_POD_SUBS),
    _r("v1", "podtemplates", "PodTemplate"),
    _r(
        "v1",
        "replicationcontrollers",
        "ReplicationController",
        short=("rc",),
        categories=_ALL,
        subresources=_SCALED,
    ),
    _r("v1", "resourcequotas", "ResourceQuota", short=("quota",), subresources=_STATUS),
    _r("v1", "secrets", "Secret"),
    _r("v1", "serviceaccounts", "ServiceAccount", short=("sa",), subresources=("token",)),
    _r(
        "v1",
        "services",
        "Service",
        short=("svc",),
        categories=_ALL,
        subresources=("proxy", "status"),
    ),
)

_WORKLOADS = (
    _r("apps/v1", "controllerrevisions", "ControllerRevision"),
    _r(
        "apps/v1",
        "daemonsets",
        "DaemonSet",
        short=("ds",),
        categories=_ALL,
        subresources=_STATUS,
    ),
    _r(
        "apps/v1",
        "deployments",
        "Deployment",
        short=("deploy",),
        categories=_ALL,
        subresources=_SCALED,
    ),
    _r(
        "apps/v1",
        "replicasets",
        "ReplicaSet",
        short=("rs",),
        categories=_ALL,
        subresources=_SCALED,
    ),
    _r(
        "apps/v1",
        "statefulsets",
        "StatefulSet",
        short=("sts",),
        categories=_ALL,
        subresources=_SCALED,
    ),
    _r(
        "batch/v1",
        "cronjobs",
        "CronJob",
        short=("cj",),
        categories=_ALL,
        subresources=_STATUS,
    ),
    _r("batch/v1", "jobs", "Job", categories=_ALL, subresources=_STATUS),
    _r(
        "autoscaling/v2",
        "horizontalpodautoscalers",
        "HorizontalPodAutoscaler",
        short=("hpa",),
        categories=_ALL,
        subresources=_STATUS,
    ),
    _r(
        "policy/v1",
        "poddisruptionbudgets",
        "PodDisruptionBudget",
        short=("pdb",),
        subresources=_STATUS,
    ),
)

_POLICY = (
    _r("coordination.k8s.io/v1", "leases", "Lease"),
    _r("discovery.k8s.io/v1", "endpointslices", "EndpointSlice"),
    _r("events.k8s.io/v1", "events", "Event", **_EVENTS),
    _r("networking.k8s.io/v1", "ingresses", "Ingress", short=("ing",), subresources=_STATUS),
    _r(
        "networking.k8s.io/v1",
        "ingressclasses",
        "IngressClass",
        namespaced=False,
    ),
    _r("networking.k8s.io/v1", "networkpolicies", "NetworkPolicy", short=("netpol",)),
    _r("node.k8s.io/v1", "runtimeclasses", "RuntimeClass", namespaced=False),
    _r(
        "scheduling.k8s.io/v1",
        "priorityclasses",
        "PriorityClass",
        namespaced=False,
        short=("pc",),
    ),
    _r("storage.k8s.io/v1", "csidrivers", "CSIDriver", namespaced=False),
    _r("storage.k8s.io/v1", "csinodes", "CSINode", namespaced=False),
    _r("storage.k8s.io/v1", "csistoragecapacities", "CSIStorageCapacity"),
    _r("storage.k8s.io/v1", "storageclasses", "StorageClass", namespaced=False, short=("sc",)),
    _r(
        "storage.k8s.io/v1",
        "volumeattachments",
        "VolumeAttachment",
        namespaced=False,
        subresources=_STATUS,
    ),
    _r(
        "rbac.authorization.k8s.io/v1",
        "clusterrolebindings",
        "ClusterRoleBinding",
        namespaced=False,
    ),
    _r("rbac.authorization.k8s.io/v1", "clusterroles", "ClusterRole", namespaced=False),
    _r("rbac.authorization.k8s.io/v1", "rolebindings", "RoleBinding"),
    _r("rbac.authorization.k8s.io/v1", "roles", "Role"),
)

_EXTENSION = (
    _r(
        "admissionregistration.k8s.io/v1",
        "mutatingwebhookconfigurations",
        "MutatingWebhookConfiguration",
        **_EXT,
    ),
    _r(
        "admissionregistration.k8s.io/v1",
        "validatingwebhookconfigurations",
        "ValidatingWebhookConfiguration",
        **_EXT,
    ),
    _r(
        "apiextensions.k8s.io/v1",
        "customresourcedefinitions",
        "CustomResourceDefinition",
        short=("crd", "crds"),
        subresources=_STATUS,
        **_EXT,
    ),
    _r(
        "apiregistration.k8s.io/v1",
        "apiservices",
        "APIService",
        subresources=_STATUS,
        **_EXT,
    ),
    _r(
        "certificates.k8s.io/v1",
        "certificatesigningrequests",
        "CertificateSigningRequest",
        namespaced=False,
        short=("csr",),
        subresources=("approval", "status"),
    ),
)

_REVIEWS = (
    _r(
        "authentication.k8s.io/v1",
        "selfsubjectreviews",
        "SelfSubjectReview",
        namespaced=False,
        verbs=_CREATE,
    ),
    _r("authentication.k8s.io/v1", "tokenreviews", "TokenReview", namespaced=False, verbs=_CREATE),
    _r(
        "authorization.k8s.io/v1",
        "localsubjectaccessreviews",
        "LocalSubjectAccessReview",
        verbs=_CREATE,
    ),
    _r(
        "authorization.k8s.io/v1",
        "selfsubjectaccessreviews",
        "SelfSubjectAccessReview",
        namespaced=False,
        verbs=_CREATE,
    ),
    _r(
        "authorization.k8s.io/v1",
        "selfsubjectrulesreviews",
        "SelfSubjectRulesReview",
        namespaced=False,
        verbs=_CREATE,
    ),
    _r(
        "authorization.k8s.io/v1",
        "subjectaccessreviews",
        "SubjectAccessReview",
        namespaced=False,
        verbs=_CREATE,
    ),
    _r(
        "metrics.k8s.io/v1beta1",
        "nodes",
        "NodeMetrics",
        namespaced=False,
        singular="",
        verbs=("get", "list"),
    ),
    _r("metrics.k8s.io/v1beta1", "pods", "PodMetrics", singular="", verbs=("get", "list")),
)

BUILT_IN = _CORE + _WORKLOADS + _POLICY + _EXTENSION + _REVIEWS


class Catalog:
    """Every served resource, looked up by path, by name or by kind."""

    def __init__(self) -> None:
        self._by_path: dict[tuple[str, str, str], Resource] = {}
        self._by_name: dict[str, Resource] = {}
        self.generation = 0
        for resource in BUILT_IN:
            self.add(resource)

    def add(self, resource: Resource, *, preferred: bool = True) -> None:
        """Serve one more resource; ``preferred`` makes its version the one that is stored."""
        self._by_path[resource.group, resource.version, resource.plural] = resource
        if preferred or resource.name not in self._by_name:
            self._by_name[resource.name] = resource
        self.generation += 1

    def remove(self, name: str) -> None:
        """Stop serving every version of a resource."""
        self._by_name.pop(name, None)
        for key in [k for k, r in self._by_path.items() if r.name == name]:
            del self._by_path[key]
        self.generation += 1

    def at(self, group: str, version: str, plural: str) -> Resource:
        """Return the resource of a path; raises ApiError 404."""
        found = self._by_path.get((group, version, plural))
        if found is None:
            raise no_such_path()
        return found

    def named(self, name: str) -> Resource:
        """Return the stored version of a resource such as ``deployments.apps``; ApiError 404."""
        found = self._by_name.get(name)
        if found is None:
            raise ApiError(404, "NotFound", f'the server doesn\'t have a resource type "{name}"')
        return found

    def find(self, name: str) -> Resource | None:
        """Return the stored version of a resource, or None."""
        return self._by_name.get(name)

    def of_kind(self, api_version: str, kind: str) -> Resource | None:
        """Return the resource that serves a kind, or None."""
        group, _, version = api_version.rpartition("/")
        for resource in self._by_path.values():
            if (resource.group, resource.version, resource.kind) == (group, version, kind):
                return resource
        return None

    def __iter__(self) -> Iterator[Resource]:
        return iter(list(self._by_path.values()))

    def groups(self) -> dict[str, list[str]]:
        """Return ``{group: [versions]}`` in serving order, without the core group."""
        found: dict[str, list[str]] = {}
        for resource in self._by_path.values():
            if resource.group and resource.version not in found.setdefault(resource.group, []):
                found[resource.group].append(resource.version)
        return found

    def in_version(self, group: str, version: str) -> list[Resource]:
        """Return the resources of one group version, by plural."""
        chosen = [r for r in self._by_path.values() if (r.group, r.version) == (group, version)]
        return sorted(chosen, key=lambda r: r.plural)
