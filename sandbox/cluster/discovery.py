"""Discovery documents, plain and aggregated (``APIGroupDiscoveryList`` v2)."""

from typing import Any

from sandbox.cluster.resources import Catalog, Resource

Obj = dict[str, Any]
_SUB_KINDS: dict[str, tuple[str, str, str]] = {
    "scale": ("autoscaling", "v1", "Scale"),
    "eviction": ("policy", "v1", "Eviction"),
    "token": ("authentication.k8s.io", "v1", "TokenRequest"),
    "binding": ("", "v1", "Binding"),
}
_SUB_VERBS = {
    "log": ["get"],
    "exec": ["create", "get"],
    "attach": ["create", "get"],
    "portforward": ["create", "get"],
    "proxy": ["create", "delete", "get", "patch", "update"],
    "eviction": ["create"],
    "token": ["create"],
    "binding": ["create"],
    "finalize": ["update"],
}
_OPTIONS = {"exec": "PodExecOptions", "attach": "PodAttachOptions"}
_OPTIONS["portforward"] = "PodPortForwardOptions"


def api_versions(address: str) -> Obj:
    """Return ``GET /api``."""
    where = [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}]
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": where}


def _group(name: str, versions: list[str]) -> Obj:
    listed = [{"groupVersion": f"{name}/{v}", "version": v} for v in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def group_list(catalog: Catalog) -> Obj:
    """Return ``GET /apis``."""
    groups = [_group(name, versions) for name, versions in catalog.groups().items()]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def group(catalog: Catalog, name: str) -> Obj | None:
    """Return ``GET /apis/GROUP`` or None."""
    versions = catalog.groups().get(name)
    if not versions:
        return None
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(name, versions)}


def _listed(resource: Resource) -> list[Obj]:
    main: Obj = {
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
    }
    if resource.short:
        main["shortNames"] = list(resource.short)
    if resource.categories:
        main["categories"] = list(resource.categories)
    return [main, *(_sub_listed(resource, sub) for sub in resource.subresources)]


def _sub_listed(resource: Resource, sub: str) -> Obj:
    group_name, version, kind = _SUB_KINDS.get(sub, ("", "", ""))
    listed: Obj = {
        "name": f"{resource.plural}/{sub}",
        "singularName": "",
        "namespaced": resource.namespaced,
        "kind": kind or _OPTIONS.get(sub) or resource.kind,
        "verbs": _SUB_VERBS.get(sub, ["get", "patch", "update"]),
    }
    if version and (group_name or sub != "binding"):
        listed["group"], listed["version"] = group_name, version
    return listed


def resource_list(catalog: Catalog, group_name: str, version: str) -> Obj | None:
    """Return ``GET /api/v1`` or ``GET /apis/GROUP/VERSION``, or None."""
    found = catalog.in_version(group_name, version)
    if not found:
        return None
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": f"{group_name}/{version}" if group_name else version,
        "resources": [item for resource in found for item in _listed(resource)],
    }


def _aggregated_resource(resource: Resource) -> Obj:
    kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    item: Obj = {
        "resource": resource.plural,
        "responseKind": kind,
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": list(resource.verbs),
    }
    if resource.short:
        item["shortNames"] = list(resource.short)
    if resource.categories:
        item["categories"] = list(resource.categories)
    if resource.subresources:
        item["subresources"] = [_aggregated_sub(resource, sub) for sub in resource.subresources]
    return item


def _aggregated_sub(resource: Resource, sub: str) -> Obj:
    plain = _sub_listed(resource, sub)
    kind = {
        "group": plain.get("group", resource.group),
        "version": plain.get("version", resource.version),
        "kind": plain["kind"],
    }
    return {"subresource": sub, "responseKind": kind, "verbs": plain["verbs"]}


def aggregated(catalog: Catalog, *, core: bool) -> Obj:
    """Return the aggregated form of ``/api`` (``core``) or ``/apis``."""
    wanted = {"": ["v1"]} if core else catalog.groups()
    items = []
    for name, versions in wanted.items():
        listed = [
            {
                "version": version,
                "freshness": "Current",
                "resources": [_aggregated_resource(r) for r in catalog.in_version(name, version)],
            }
            for version in versions
        ]
        items.append({"metadata": {"name": name} if name else {}, "versions": listed})
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": items,
    }
