"""Paths: which resource, object and verb a request names."""

from dataclasses import dataclass
from urllib.parse import unquote

from sandbox.cluster.errors import no_such_path
from sandbox.cluster.resources import Catalog, Resource

_NAMESPACE_SUBS = ("status", "finalize")
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch"}


@dataclass(frozen=True, slots=True)
class Target:
    """One resource path, taken apart; ``rest`` is what follows a proxy subresource."""

    resource: Resource
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    rest: str = ""


def parse(catalog: Catalog, path: str) -> Target:
    """Read ``/api/v1/...`` or ``/apis/GROUP/VERSION/...``; raises ApiError 404."""
    parts = [unquote(part) for part in path.strip("/").split("/")]
    if parts[0] == "api" and len(parts) >= 3:
        group, version, parts = "", parts[1], parts[2:]
    elif parts[0] == "apis" and len(parts) >= 4:
        group, version, parts = parts[1], parts[2], parts[3:]
    else:
        raise no_such_path()
    namespace = ""
    if parts[0] == "namespaces" and len(parts) >= 3 and parts[2] not in _NAMESPACE_SUBS:
        namespace, parts = parts[1], parts[2:]
    resource = catalog.at(group, version, parts[0])
    if resource.namespaced != bool(namespace) and (namespace or len(parts) > 1):
        raise no_such_path()
    name = parts[1] if len(parts) > 1 else ""
    subresource = parts[2] if len(parts) > 2 else ""
    if len(parts) > 3 and subresource != "proxy":
        raise no_such_path()
    if subresource and subresource not in resource.subresources:
        raise no_such_path()
    return Target(resource, namespace, name, subresource, "/".join(parts[3:]))


def verb(method: str, target: Target, *, watching: bool) -> str:
    """Return the API verb, as RBAC knows it."""
    if method in ("GET", "HEAD"):
        if target.name:
            return "get"
        return "watch" if watching else "list"
    if method == "DELETE":
        return "delete" if target.name else "deletecollection"
    return _VERBS.get(method, method.lower())
