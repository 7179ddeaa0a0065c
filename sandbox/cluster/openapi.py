"""OpenAPI documents: v3 per group version (for apply, explain, validation), and a v2 stub.

kubectl before 1.29 reads v2 as protobuf and is content with an almost empty document, because the
server validates every write itself.
"""

import hashlib
from typing import Any

from sandbox.cluster import schema
from sandbox.cluster.resources import Catalog, Resource

Obj = dict[str, Any]
_INFO = {"title": "Kubernetes", "version": "v1.36.0"}
V2_PROTOBUF = b"\x0a\x032.0\x12\x15\x0a\x0aKubernetes\x12\x07v1.36.0"
_META = "io.k8s.apimachinery.pkg.apis.meta.v1."


def v2() -> Obj:
    """Return the v2 stub."""
    return {"swagger": "2.0", "info": _INFO, "paths": {}, "definitions": {}}


def _api(group: str, version: str) -> str:
    return f"apis/{group}/{version}" if group else f"api/{version}"


def index(catalog: Catalog) -> Obj:
    """Return ``GET /openapi/v3``: the documents, with a hash that changes when they do."""
    versions = [("", "v1")] + [(g, v) for g, vs in catalog.groups().items() for v in vs]
    paths = {}
    for group, version in versions:
        stamp = f"{group}/{version}/{catalog.generation if _custom(catalog, group) else 0}"
        digest = hashlib.sha256(stamp.encode()).hexdigest()[:32].upper()
        path = _api(group, version)
        paths[path] = {"serverRelativeURL": f"/openapi/v3/{path}?hash={digest}"}
    return {"paths": paths}


def _custom(catalog: Catalog, group: str) -> bool:
    return any(resource.custom for resource in catalog if resource.group == group)


def document(catalog: Catalog, group: str, version: str) -> Obj | None:
    """Return the v3 document of one group version, or None."""
    resources = catalog.in_version(group, version)
    if not resources:
        return None
    schemas: Obj = {}
    paths: Obj = {}
    for resource in resources:
        name = _schema_name(resource, schemas)
        if name:
            _collect(name, schemas)
            paths.update(_paths(resource, name))
    for extra in ("Status", "DeleteOptions", "WatchEvent"):
        _collect(_META + extra, schemas)
    return {
        "openapi": "3.0.0",
        "info": _INFO,
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _schema_name(resource: Resource, schemas: Obj) -> str:
    if not resource.custom:
        return schema.kinds().get((resource.group, resource.version, resource.kind), "")
    reversed_group = ".".join(reversed(resource.group.split(".")))
    name = f"{reversed_group}.{resource.version}.{resource.kind}"
    gvk = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    body = dict(getattr(resource.schema, "source", None) or {"type": "object"})
    properties = dict(body.get("properties") or {})
    properties["apiVersion"] = {"type": "string"}
    properties["kind"] = {"type": "string"}
    properties["metadata"] = {"allOf": [{"$ref": f"{schema.REF}{_META}ObjectMeta"}]}
    schemas[name] = {**body, "properties": properties, "x-kubernetes-group-version-kind": [gvk]}
    _collect(_META + "ObjectMeta", schemas)
    return name


def _collect(name: str, schemas: Obj) -> None:
    todo = [name]
    while todo:
        current = todo.pop()
        known = schema.definitions().get(current)
        if current in schemas or known is None:
            continue
        schemas[current] = known
        todo += _references(known)


def _references(node: Any) -> list[str]:
    if isinstance(node, dict):
        ref = node.get("$ref")
        here = [ref.removeprefix(schema.REF)] if isinstance(ref, str) else []
        return here + [name for value in node.values() for name in _references(value)]
    if isinstance(node, list):
        return [name for value in node for name in _references(value)]
    return []


def _parameter(name: str, kind: str = "string") -> Obj:
    return {"name": name, "in": "query", "schema": {"type": kind, "uniqueItems": True}}


_WRITE = ("dryRun", "fieldManager", "fieldValidation", "pretty")


def _operation(resource: Resource, action: str, name: str, parameters: tuple[str, ...]) -> Obj:
    ref = {"schema": {"$ref": schema.REF + name}}
    operation: Obj = {
        "operationId": f"{action}{resource.kind}",
        "parameters": [_parameter(parameter) for parameter in parameters],
        "responses": {"200": {"description": "OK", "content": {"application/json": ref}}},
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": {
            "group": resource.group,
            "kind": resource.kind,
            "version": resource.version,
        },
    }
    if action in ("post", "put"):
        operation["requestBody"] = {"content": {"*/*": ref}}
    if action == "patch":
        operation["parameters"].append(_parameter("force", "boolean"))
        patch = {"schema": {"type": "object"}}
        forms = ["json-patch+json", "merge-patch+json", "apply-patch+yaml"]
        if not resource.custom:
            forms.append("strategic-merge-patch+json")
        operation["requestBody"] = {"content": {f"application/{form}": patch for form in forms}}
    return operation


def _paths(resource: Resource, name: str) -> Obj:
    base = "/" + _api(resource.group, resource.version)
    middle = "/namespaces/{namespace}" if resource.namespaced else ""
    collection = f"{base}{middle}/{resource.plural}"
    many = {"get": _operation(resource, "list", name, ("limit", "continue", "watch"))}
    if "create" in resource.verbs:
        many["post"] = _operation(resource, "post", name, _WRITE)
    if "get" not in resource.verbs:
        return {collection: many}
    one = {"get": _operation(resource, "get", name, ("pretty",))}
    if "update" in resource.verbs:
        one["put"] = _operation(resource, "put", name, _WRITE)
        one["patch"] = _operation(resource, "patch", name, _WRITE)
        one["delete"] = _operation(resource, "delete", name, ("dryRun", "propagationPolicy"))
    return {collection: many, collection + "/{name}": one}
