"""Shapes: what the OpenAPI definitions say of every field, in a form made for walking objects.

One Shape tree serves decoding (unknown fields, types, quantities), strategic merge (merge keys),
server-side apply (list and map types) and custom resources (built from a CRD's schema). The data
file is derived from the ``kubernetes-validate`` package, see ``data/README.md``.
"""

import gzip
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from sandbox.cluster.quantity import QuantityError, canonical

Obj = dict[str, Any]
REF = "#/components/schemas/"
_QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
_TIME = "io.k8s.apimachinery.pkg.apis.meta.v1.Time"
_ANY = ("RawExtension", ".FieldsV1", ".JSON", ".JSONSchemaPropsOrArray", ".JSONSchemaPropsOrBool")
_ANY_TOO = (".JSONSchemaPropsOrStringArray", ".JSONSchemaProps")
_ZERO: dict[str, Any] = {"string": "", "integer": 0, "boolean": False, "number": 0, "time": None}


@dataclass(slots=True)
class Shape:
    """One field's type. ``type`` is object, map, list, string, integer, number, boolean,
    quantity, intstr, time or any."""

    type: str = "any"
    props: dict[str, "Shape"] = field(default_factory=dict)
    items: "Shape | None" = None
    required: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    list_type: str = "atomic"
    atomic_map: bool = False
    merge_key: str = ""
    strategy: tuple[str, ...] = ()
    preserve: bool = False
    nullable: bool = False
    name: str = ""

    def child(self, key: str) -> "Shape":
        """Return the shape of one field of an object or map."""
        if self.type == "map":
            return self.items or ANY
        return self.props.get(key, ANY)


ANY = Shape()


@cache
def definitions() -> Obj:
    """Return the OpenAPI definitions of the built-in kinds, by name."""
    path = Path(__file__).with_name("data") / "definitions.json.gz"
    loaded: Obj = json.loads(gzip.decompress(path.read_bytes()))
    return loaded


@cache
def kinds() -> dict[tuple[str, str, str], str]:
    """Return the definition name of each ``(group, version, kind)``."""
    found = {}
    for name, schema in definitions().items():
        for gvk in schema.get("x-kubernetes-group-version-kind", ()):
            found[gvk.get("group", ""), gvk["version"], gvk["kind"]] = name
    return found


_NAMED: dict[str, Shape] = {}


def named(name: str) -> Shape:
    """Return the shape of a definition; recursion ends at shapes already begun."""
    if name in _NAMED:
        return _NAMED[name]
    shape = _NAMED[name] = Shape(name=name)
    if name == _QUANTITY:
        shape.type = "quantity"
    elif name == _TIME:
        shape.type = "time"
    elif not name.endswith(_ANY) and not name.endswith(_ANY_TOO):
        fill(shape, definitions()[name])
    else:
        shape.preserve = True
    return shape


def of(schema: Obj) -> Shape:
    """Return the shape of an inline schema."""
    ref = schema.get("$ref") or next(
        (p["$ref"] for p in schema.get("allOf", ()) if "$ref" in p), ""
    )
    extras = any(key.startswith("x-kubernetes-") for key in schema)
    if ref and not extras:
        return named(ref.removeprefix(REF))
    shape = Shape()
    if ref:
        base = named(ref.removeprefix(REF))
        shape = Shape(base.type, base.props, base.items, base.required, name=base.name)
    fill(shape, schema)
    return shape


def fill(shape: Shape, schema: Obj) -> None:
    """Read one schema into ``shape``."""
    shape.keys = tuple(schema.get("x-kubernetes-list-map-keys", ()))
    shape.list_type = schema.get("x-kubernetes-list-type", "atomic")
    shape.atomic_map = schema.get("x-kubernetes-map-type") == "atomic"
    shape.merge_key = schema.get("x-kubernetes-patch-merge-key", "")
    shape.strategy = tuple(schema.get("x-kubernetes-patch-strategy", "").split(","))
    shape.preserve = bool(schema.get("x-kubernetes-preserve-unknown-fields"))
    shape.nullable = bool(schema.get("nullable"))
    shape.required = tuple(schema.get("required", ())) or shape.required
    if schema.get("format") == "int-or-string" or schema.get("x-kubernetes-int-or-string"):
        shape.type = "intstr"
    elif "properties" in schema:
        shape.type = "object"
        shape.props = {k: of(v) for k, v in schema["properties"].items()}
    elif isinstance(schema.get("additionalProperties"), dict):
        shape.type, shape.items = "map", of(schema["additionalProperties"])
    elif "items" in schema:
        shape.type, shape.items = "list", of(schema["items"])
    elif "type" in schema:
        shape.type = schema["type"]
        if shape.type == "object":
            shape.preserve = True


def of_kind(group: str, version: str, kind: str) -> Shape:
    """Return the shape of a built-in kind, or one that accepts anything."""
    name = kinds().get((group, version, kind))
    return named(name) if name else ANY


@dataclass(slots=True)
class Findings:
    """What a walk met: ``unknown`` field paths, ``missing`` required ones, ``wrong`` types.

    ``fill`` writes zero values for required scalars missing under ``status``.
    """

    fill: bool = True
    unknown: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    wrong: list[tuple[str, str, Any]] = field(default_factory=list)


def normalise(shape: Shape, value: Any, path: str, found: Findings) -> Any:
    """Return ``value`` as the server stores it: no nulls, no unknown fields, canonical quantities.

    Required scalars that are missing under ``status`` become their zero value, as Go writes them.
    """
    kind = shape.type
    if kind == "object":
        return _object(shape, value, path, found)
    if kind == "string" and type(value) is str:
        return value
    if kind == "list":
        return _list(shape, value, path, found)
    if kind == "map":
        return _map(shape, value, path, found)
    return _scalar(kind, value, path, found)


def _object(shape: Shape, value: Any, path: str, found: Findings) -> Any:
    if not isinstance(value, dict):
        found.wrong.append((path, "object", value))
        return value
    if not shape.props:
        return value
    out = {}
    props = shape.props
    for key, item in value.items():
        child = props.get(key)
        if child is None:
            if shape.preserve:
                out[key] = item
            else:
                found.unknown.append(f"{path}.{key}" if path else key)
        elif item is None:
            if child.nullable:
                out[key] = None
        else:
            out[key] = normalise(child, item, f"{path}.{key}" if path else key, found)
    for key in shape.required:
        if key not in out:
            _absent(props.get(key), key, path, out, found)
    return out


def _absent(child: Shape | None, key: str, path: str, out: Obj, found: Findings) -> None:
    where = f"{path}.{key}" if path else key
    if not where.startswith("status"):
        found.missing.append(where)
    elif found.fill and child is not None and child.type in _ZERO:
        out[key] = _ZERO[child.type]
        if out[key] is None:
            del out[key]


def _list(shape: Shape, value: Any, path: str, found: Findings) -> Any:
    if not isinstance(value, list):
        found.wrong.append((path, "array", value))
        return value
    items = shape.items or ANY
    return [normalise(items, item, f"{path}[{n}]", found) for n, item in enumerate(value)]


def _map(shape: Shape, value: Any, path: str, found: Findings) -> Any:
    if not isinstance(value, dict):
        found.wrong.append((path, "object", value))
        return value
    items = shape.items or ANY
    return {
        key: normalise(items, item, f"{path}.{key}", found)
        for key, item in value.items()
        if item is not None
    }


def _scalar(kind: str, value: Any, path: str, found: Findings) -> Any:
    if kind == "any":
        return value
    if kind == "quantity":
        return _quantity(value, path, found)
    if kind == "time":
        return _time(value, path, found)
    if kind == "intstr":
        good = isinstance(value, str | int) and not isinstance(value, bool)
    elif kind == "integer":
        good = isinstance(value, int) and not isinstance(value, bool)
        if isinstance(value, float) and value.is_integer():
            return int(value)
    elif kind == "number":
        good = isinstance(value, int | float) and not isinstance(value, bool)
    elif kind == "boolean":
        good = isinstance(value, bool)
    else:
        good = kind != "string"
    if not good:
        found.wrong.append((path, kind, value))
    return value


def _quantity(value: Any, path: str, found: Findings) -> Any:
    try:
        return canonical(value)
    except (QuantityError, TypeError):
        found.wrong.append((path, "quantity", value))
        return value


def _time(value: Any, path: str, found: Findings) -> Any:
    if not isinstance(value, str):
        found.wrong.append((path, "time", value))
        return value
    if len(value) == 20 and value[-1] == "Z":
        return value
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        found.wrong.append((path, "time", value))
        return value
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
