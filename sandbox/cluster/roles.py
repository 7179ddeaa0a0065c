"""The roles and bindings every cluster starts with, as RBAC's bootstrap policy has them.

Trimmed to what this server serves (``plugin/pkg/auth/authorizer/rbac/bootstrappolicy``).
"""

from typing import Any

Obj = dict[str, Any]
GROUP = "rbac.authorization.k8s.io"
_READ = ("get", "list", "watch")
_WRITE = ("create", "delete", "deletecollection", "patch", "update")
_LABELS = {"kubernetes.io/bootstrapping": "rbac-defaults"}
_VIEWED: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "",
        (
            "configmaps",
            "endpoints",
            "persistentvolumeclaims",
            "persistentvolumeclaims/status",
            "pods",
            "replicationcontrollers",
            "replicationcontrollers/scale",
            "serviceaccounts",
            "services",
            "services/status",
        ),
    ),
    (
        "",
        (
            "bindings",
            "events",
            "limitranges",
            "namespaces/status",
            "pods/log",
            "pods/status",
            "replicationcontrollers/status",
            "resourcequotas",
            "resourcequotas/status",
        ),
    ),
    ("", ("namespaces",)),
    ("discovery.k8s.io", ("endpointslices",)),
    (
        "apps",
        (
            "controllerrevisions",
            "daemonsets",
            "daemonsets/status",
            "deployments",
            "deployments/scale",
            "deployments/status",
            "replicasets",
            "replicasets/scale",
            "replicasets/status",
            "statefulsets",
            "statefulsets/scale",
            "statefulsets/status",
        ),
    ),
    ("autoscaling", ("horizontalpodautoscalers", "horizontalpodautoscalers/status")),
    ("batch", ("cronjobs", "cronjobs/status", "jobs", "jobs/status")),
    ("networking.k8s.io", ("ingresses", "ingresses/status", "networkpolicies")),
    ("policy", ("poddisruptionbudgets", "poddisruptionbudgets/status")),
)
_EDITED: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "",
        (
            "pods",
            "pods/attach",
            "pods/exec",
            "pods/portforward",
            "pods/proxy",
            "configmaps",
            "events",
            "persistentvolumeclaims",
            "replicationcontrollers",
            "replicationcontrollers/scale",
            "secrets",
            "serviceaccounts",
            "services",
            "services/proxy",
        ),
    ),
    (
        "apps",
        (
            "daemonsets",
            "deployments",
            "deployments/rollback",
            "deployments/scale",
            "replicasets",
            "replicasets/scale",
            "statefulsets",
            "statefulsets/scale",
        ),
    ),
    ("autoscaling", ("horizontalpodautoscalers",)),
    ("batch", ("cronjobs", "jobs")),
    ("networking.k8s.io", ("ingresses", "networkpolicies")),
    ("policy", ("poddisruptionbudgets",)),
    ("coordination.k8s.io", ("leases",)),
)


def rule(verbs: tuple[str, ...], group: str, *resources: str) -> Obj:
    """Return one PolicyRule."""
    return {"apiGroups": [group], "resources": list(resources), "verbs": list(verbs)}


def _urls(*urls: str) -> Obj:
    return {"nonResourceURLs": list(urls), "verbs": ["get"]}


def _role(name: str, rules: list[Obj], **labels: str) -> Obj:
    marks = {f"{GROUP}/aggregate-to-{key}": value for key, value in labels.items()}
    meta = {
        "name": name,
        "labels": {**_LABELS, **marks},
        "annotations": {f"{GROUP}/autoupdate": "true"},
    }
    return {"metadata": meta, "rules": rules}


def _aggregate(name: str) -> Obj:
    labels = {"matchLabels": {f"{GROUP}/aggregate-to-{name}": "true"}}
    role = _role(name, [])
    if name in ("edit", "view"):
        parent = {"edit": "admin", "view": "edit"}[name]
        role["metadata"]["labels"][f"{GROUP}/aggregate-to-{parent}"] = "true"
    return {**role, "aggregationRule": {"clusterRoleSelectors": [labels]}}


def cluster_roles() -> list[Obj]:
    """Return the default ClusterRoles."""
    everything = [rule(("*",), "*", "*"), {"nonResourceURLs": ["*"], "verbs": ["*"]}]
    view = [rule(_READ, group, *names) for group, names in _VIEWED]
    edit = [rule(_WRITE, group, *names) for group, names in _EDITED]
    edit += [
        rule(_READ, "", "pods/attach", "pods/exec", "pods/portforward", "pods/proxy", "secrets"),
        rule(_READ, "coordination.k8s.io", "leases"),
        rule(("create",), "", "pods/eviction", "serviceaccounts/token"),
        rule(("impersonate",), "", "serviceaccounts"),
    ]
    admin = [
        rule(("create",), "authorization.k8s.io", "localsubjectaccessreviews"),
        rule((*_READ, *_WRITE), GROUP, "rolebindings", "roles"),
    ]
    self_reviews = ("selfsubjectaccessreviews", "selfsubjectrulesreviews")
    basic = [
        rule(("create",), "authorization.k8s.io", *self_reviews),
        rule(("create",), "authentication.k8s.io", "selfsubjectreviews"),
    ]
    paths = ("/api", "/api/*", "/apis", "/apis/*", "/healthz", "/livez", "/openapi", "/openapi/*")
    health = ("/healthz", "/livez", "/readyz", "/version", "/version/")
    return [
        _role("cluster-admin", everything),
        _aggregate("admin"),
        _aggregate("edit"),
        _aggregate("view"),
        _role("system:aggregate-to-admin", admin, admin="true"),
        _role("system:aggregate-to-edit", edit, edit="true"),
        _role("system:aggregate-to-view", view, view="true"),
        _role("system:basic-user", basic),
        _role("system:discovery", [_urls(*paths, "/readyz", "/version", "/version/")]),
        _role("system:public-info-viewer", [_urls(*health)]),
        _role("system:node", _node_rules()),
        _role(
            "system:auth-delegator",
            [
                rule(("create",), "authentication.k8s.io", "tokenreviews"),
                rule(("create",), "authorization.k8s.io", "subjectaccessreviews"),
            ],
        ),
    ]


def _node_rules() -> list[Obj]:
    return [
        rule(("get", "list", "watch", "create", "delete"), "", "pods"),
        rule(("update", "patch"), "", "pods/status"),
        rule(("create",), "", "pods/eviction"),
        rule((*_READ, "create", "update", "patch"), "", "nodes"),
        rule(("update", "patch"), "", "nodes/status"),
        rule(("create", "update", "patch"), "", "events"),
        rule(_READ, "", "configmaps", "secrets", "services", "persistentvolumeclaims"),
        rule(("create",), "", "serviceaccounts/token"),
        rule(("create", "delete", "get", "patch", "update"), "coordination.k8s.io", "leases"),
    ]


def _binding(name: str, *groups: str, role: str = "") -> Obj:
    subjects = [{"kind": "Group", "apiGroup": GROUP, "name": group} for group in groups]
    reference = {"apiGroup": GROUP, "kind": "ClusterRole", "name": role or name}
    meta = {"name": name, "labels": dict(_LABELS)}
    return {"metadata": meta, "roleRef": reference, "subjects": subjects}


def cluster_bindings() -> list[Obj]:
    """Return the default ClusterRoleBindings."""
    everyone = ("system:authenticated", "system:unauthenticated")
    return [
        _binding("cluster-admin", "system:masters"),
        _binding("system:basic-user", "system:authenticated"),
        _binding("system:discovery", "system:authenticated"),
        _binding("system:public-info-viewer", *everyone),
        _binding("system:node", "system:nodes"),
    ]
