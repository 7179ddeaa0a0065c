"""Custom resources: a CustomResourceDefinition becomes a served resource with its own schema.

Pruning and types come from the same Shapes as built-in kinds; the constraints (patterns, enums,
ranges) are checked with ``jsonschema``. CEL rules (``x-kubernetes-validations``) are not evaluated.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import jsonschema

from sandbox.cluster import errors, jsonpath, schema
from sandbox.cluster.cells import Column
from sandbox.cluster.durations import age
from sandbox.cluster.kinds import Problems
from sandbox.cluster.resources import Catalog, Resource
from sandbox.cluster.schema import Shape
from sandbox.cluster.store import Event, Origin, Store

Obj = dict[str, Any]
TABLE = "customresourcedefinitions.apiextensions.k8s.io"
_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
_SYSTEM = Origin("system:apiserver", "delete")


@dataclass(frozen=True, slots=True)
class CustomKind:
    """What the server knows of one version of a custom resource."""

    shape: Shape
    source: Obj
    validator: Any
    columns: tuple[Column, ...]
    selectable: tuple[str, ...]
    scale: Obj | None

    def apply_defaults(self, obj: Obj) -> None:
        """Write the schema's defaults into ``obj``."""
        _defaults(self.source, obj)

    def problems(self, obj: Obj) -> list[Obj]:
        """Return the causes of what the schema forbids."""
        found = Problems()
        body = {k: v for k, v in obj.items() if k not in ("apiVersion", "kind", "metadata")}
        for error in self.validator.iter_errors(body):
            _explain(error, found)
        return found.causes


class Definitions:
    """Keeps the catalog in step with the stored CustomResourceDefinitions."""

    def __init__(self, store: Store, catalog: Catalog) -> None:
        self._store = store
        self._catalog = catalog
        store.listen(TABLE, self._on_event)

    def load(self) -> None:
        """Serve every stored definition; call after a restore."""
        for entry in self._store.entries(TABLE):
            self._serve(entry.obj)

    def _on_event(self, event: Event) -> None:
        if event.type == "DELETED":
            self._remove(event.entry.obj)
        elif event.old is None or event.old.obj["spec"] != event.entry.obj["spec"]:
            self._catalog.remove(event.entry.key[1])
            self._serve(event.entry.obj)

    def _serve(self, definition: Obj) -> None:
        spec = definition["spec"]
        for version in spec["versions"]:
            if version.get("served"):
                resource = _resource(spec, version)
                self._catalog.add(resource, preferred=bool(version.get("storage")))

    def _remove(self, definition: Obj) -> None:
        name = definition["metadata"]["name"]
        for entry in list(self._store.entries(name)):
            self._store.remove(name, entry.copy(), _SYSTEM)
        self._catalog.remove(name)
        self._store.drop_table(name)


def _resource(spec: Obj, version: Obj) -> Resource:
    names = spec["names"]
    subresources = version.get("subresources") or {}
    return Resource(
        spec["group"],
        version["name"],
        names["plural"],
        names["kind"],
        namespaced=spec.get("scope") == "Namespaced",
        short=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        subresources=tuple(sorted(subresources)),
        singular=names.get("singular") or names["kind"].lower(),
        custom=True,
        list_kind=names.get("listKind") or names["kind"] + "List",
        schema=_kind(version),
    )


def _kind(version: Obj) -> CustomKind:
    source = (version.get("schema") or {}).get("openAPIV3Schema") or {"type": "object"}
    shape = schema.of(source)
    if shape.type != "object":
        shape.type = "object"
    shape.props = {
        **shape.props,
        "apiVersion": Shape("string"),
        "kind": Shape("string"),
        "metadata": schema.named(_META),
    }
    shape.required = tuple(key for key in shape.required if key != "metadata")
    declared = version.get("additionalPrinterColumns")
    columns = tuple(_column(item) for item in declared or ())
    selectable = tuple(f["jsonPath"].lstrip(".") for f in version.get("selectableFields") or ())
    validator = jsonschema.Draft202012Validator(_plain(source, top=True))
    scale = (version.get("subresources") or {}).get("scale")
    return CustomKind(shape, source, validator, columns, selectable, scale)


def _plain(node: Any, *, top: bool = False) -> Any:
    """Return an OpenAPI v3 schema as JSON Schema: no extensions, ``nullable`` as a type."""
    if isinstance(node, list):
        return [_plain(item) for item in node]
    if not isinstance(node, dict):
        return node
    skip = ("nullable", "default", "example", "description", "required" if top else "")
    out: Obj = {}
    for key, value in node.items():
        if key == "properties":
            out[key] = {name: _plain(item) for name, item in value.items()}
        elif key not in skip and not key.startswith("x-kubernetes-"):
            out[key] = _plain(value)
    for bound in ("Minimum", "Maximum"):
        strict = out.get(f"exclusive{bound}")
        if isinstance(strict, bool):
            del out[f"exclusive{bound}"]
            if strict:
                out[f"exclusive{bound}"] = out.pop(bound.lower())
    if node.get("nullable") and isinstance(out.get("type"), str):
        out["type"] = [out["type"], "null"]
    if top and "properties" in out:
        for name in ("apiVersion", "kind", "metadata"):
            out["properties"].pop(name, None)
    return out


def _column(item: Obj) -> Column:
    path, kind = item["jsonPath"], item.get("type", "string")

    def cell(obj: Obj, now: datetime) -> Any:
        found = jsonpath.find(obj, path)
        if not found:
            return "<none>" if kind != "date" else "<unknown>"
        value = found[0] if len(found) == 1 else ",".join(str(v) for v in found)
        if kind == "date":
            return age(str(value), now)
        return value if isinstance(value, str | int | float) else json.dumps(value)

    shown = "string" if kind == "date" else kind
    return Column(item["name"], cell, shown, item.get("priority", 0), item.get("format", ""))


def _defaults(node: Obj, value: Any) -> None:
    if isinstance(value, list):
        for item in value:
            _defaults(node.get("items") or {}, item)
        return
    if not isinstance(value, dict):
        return
    for key, child in (node.get("properties") or {}).items():
        if key not in value and "default" in child:
            value[key] = json.loads(json.dumps(child["default"]))
        if key in value:
            _defaults(child, value[key])
    extra = node.get("additionalProperties")
    if isinstance(extra, dict):
        for item in value.values():
            _defaults(extra, item)


def _path(parts: Iterator[Any]) -> str:
    text = ""
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _explain(error: Any, found: Problems) -> None:
    path = _path(iter(error.absolute_path))
    if error.validator == "enum":
        found.supported(path, error.instance, tuple(error.validator_value))
        return
    words = {
        "minimum": "should be greater than or equal to {}",
        "maximum": "should be less than or equal to {}",
        "exclusiveMinimum": "should be greater than {}",
        "exclusiveMaximum": "should be less than {}",
        "pattern": "should match '{}'",
        "minLength": "should be at least {} chars long",
        "maxLength": "should be at most {} chars long",
        "minItems": "should have at least {} items",
        "maxItems": "should have at most {} items",
    }
    template = words.get(error.validator)
    if error.validator == "required":
        missing = str(error.message).split("'")[1]
        found.required(f"{path}.{missing}" if path else missing)
    elif template:
        text = template.format(error.validator_value)
        found.invalid(path, error.instance, f"{path} in body {text}")
    else:
        found.invalid(path, error.instance, f"{path} in body {error.message}")


def check(resource: Resource, obj: Obj) -> None:
    """Raise ApiError 422 when a custom resource breaks its schema."""
    if isinstance(resource.schema, CustomKind):
        causes = resource.schema.problems(obj)
        if causes:
            name = obj["metadata"].get("name", "")
            raise errors.invalid(resource.kind, resource.group, name, causes)
