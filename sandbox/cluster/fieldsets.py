"""Field sets (``fieldsV1``) as nested dicts, and the walks that compute and use them.

Notation of the Kubernetes ManagedFieldsEntry: ``f:name`` a field, ``k:{...}`` an item of a list
map, ``v:...`` an item of a set, ``.`` the node itself; an empty dict is a leaf.
"""

import json
from typing import Any

from sandbox.cluster.schema import ANY, Shape

Obj = dict[str, Any]
Tree = dict[str, Any]
_DEFAULT_KEYS = {"protocol": "TCP"}
_META = (
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "managedFields",
    "selfLink",
    "generateName",
)


def strip(obj: Obj) -> Obj:
    """Return the object without the fields no manager owns."""
    meta = {k: v for k, v in obj.get("metadata", {}).items() if k not in _META}
    rest = {k: v for k, v in obj.items() if k not in ("apiVersion", "kind", "metadata")}
    return {"metadata": meta, **rest} if meta else rest


def granular(shape: Shape, value: Any) -> bool:
    """Return whether the fields of a dict are owned one by one."""
    return isinstance(value, dict) and not shape.atomic_map


def item_key(shape: Shape, item: Any) -> str | None:
    """Return the path element of a list item, or None when the list is atomic."""
    if shape.list_type == "set":
        return "v:" + json.dumps(item, separators=(",", ":"))
    if shape.list_type == "map" and isinstance(item, dict):
        keys = {k: item.get(k, _DEFAULT_KEYS.get(k, "")) for k in sorted(shape.keys)}
        return "k:" + json.dumps(keys, separators=(",", ":"))
    return None


def associative(shape: Shape, value: Any) -> bool:
    """Return whether a list's items are owned one by one."""
    return isinstance(value, list) and shape.list_type in ("map", "set")


def of(shape: Shape, value: Any) -> Tree:
    """Return the set of all fields of a value."""
    if granular(shape, value):
        tree = {f"f:{k}": of(shape.child(k), v) for k, v in value.items()}
        if shape.type == "map":
            tree["."] = {}
        return tree
    if associative(shape, value):
        return {str(item_key(shape, item)): _item(shape, item) for item in value}
    return {}


def _item(shape: Shape, item: Any) -> Tree:
    if shape.list_type == "set":
        return {}
    return {".": {}, **of(shape.items or ANY, item)}


def changed(shape: Shape, old: Any, new: Any) -> Tree | None:
    """Return the fields of ``new`` that are added or different, or None when there are none."""
    if old == new:
        return None
    if granular(shape, new) and isinstance(old, dict):
        tree = {}
        for key, value in new.items():
            if key not in old:
                tree[f"f:{key}"] = of(shape.child(key), value)
            elif (sub := changed(shape.child(key), old[key], value)) is not None:
                tree[f"f:{key}"] = sub
        return tree or None
    if associative(shape, new) and isinstance(old, list):
        before = {item_key(shape, item): item for item in old}
        tree = {}
        for item in new:
            key = str(item_key(shape, item))
            if key not in before:
                tree[key] = _item(shape, item)
            elif (sub := changed(shape.items or ANY, before[key], item)) is not None:
                tree[key] = sub
        return tree or None
    return of(shape, new)


def removed(shape: Shape, old: Any, new: Any) -> Tree | None:
    """Return the fields of ``old`` that ``new`` lacks, or None when there are none."""
    if old == new:
        return None
    tree: Tree = {}
    if granular(shape, old) and isinstance(new, dict):
        for key, value in old.items():
            if key not in new:
                tree[f"f:{key}"] = {}
            elif (sub := removed(shape.child(key), value, new[key])) is not None:
                tree[f"f:{key}"] = sub
    elif associative(shape, old) and isinstance(new, list):
        after = {item_key(shape, item): item for item in new}
        for item in old:
            key = str(item_key(shape, item))
            if key not in after:
                tree[key] = {}
            elif (sub := removed(shape.items or ANY, item, after[key])) is not None:
                tree[key] = sub
    return tree or None


def union(one: Tree, other: Tree) -> Tree:
    """Return all fields of both."""
    result = dict(one)
    for key, value in other.items():
        result[key] = union(result[key], value) if key in result else value
    return result


def subtract(tree: Tree, gone: Tree) -> Tree:
    """Return ``tree`` without ``gone``; a leaf of ``gone`` takes everything below it."""
    result = {}
    for key, value in tree.items():
        if key not in gone:
            result[key] = value
        elif gone[key] and value:
            rest = subtract(value, gone[key])
            if (rest and rest != {".": {}}) or ("." in rest and "." not in gone[key]):
                result[key] = rest
    return result


def intersect(one: Tree, other: Tree) -> Tree:
    """Return the leaves in both."""
    result = {}
    for key, value in one.items():
        if key == "." or key not in other:
            continue
        below = other[key]
        if not value or not below:
            result[key] = value or below
        elif sub := intersect(value, below):
            result[key] = sub
    return result


def leaves(tree: Tree, prefix: str = "") -> list[str]:
    """Return the paths of the leaves as messages show them: ``.spec.ports[port=80].name``."""
    found = []
    for key, value in tree.items():
        if key == ".":
            continue
        path = prefix + _element(key)
        below = leaves(value, path) if value else []
        found += below or [path]
    return found


def _element(key: str) -> str:
    kind, _, text = key.partition(":")
    if kind == "f":
        return f".{text}"
    if kind == "k":
        return "[" + ",".join(f"{k}={json.dumps(v)}" for k, v in json.loads(text).items()) + "]"
    return f"[={text}]"


def merge(shape: Shape, live: Any, applied: Any) -> Any:
    """Return ``live`` with an applied configuration laid over it."""
    if granular(shape, applied) and isinstance(live, dict):
        result = dict(live)
        for key, value in applied.items():
            known = key in live
            result[key] = merge(shape.child(key), live[key], value) if known else value
        return result
    if associative(shape, applied) and isinstance(live, list):
        wanted = {item_key(shape, item): item for item in applied}
        merged = []
        for item in live:
            key = item_key(shape, item)
            over = wanted.pop(key, None)
            merged.append(item if over is None else merge(shape.items or ANY, item, over))
        return merged + list(wanted.values())
    return applied


def prune(shape: Shape, value: Any, gone: Tree, others: Tree) -> Any:
    """Return ``value`` without the fields of ``gone`` that nobody in ``others`` owns."""
    if isinstance(value, dict):
        result = dict(value)
        for key, below in gone.items():
            name = key[2:]
            if key.startswith("f:") and name in result:
                _prune_field(shape.child(name), result, name, below, others.get(key))
        return result
    if isinstance(value, list):
        kept = []
        for item in value:
            key = str(item_key(shape, item))
            below, other = gone.get(key), others.get(key)
            if below is None:
                kept.append(item)
            elif other is not None:
                rest = {k: v for k, v in below.items() if k[2:] not in shape.keys}
                kept.append(prune(shape.items or ANY, item, rest, other))
            elif below and "." not in below:
                kept.append(prune(shape.items or ANY, item, below, {}))
        return kept
    return value


def _prune_field(shape: Shape, result: Obj, name: str, below: Tree, other: Tree | None) -> None:
    leaf = not any(key != "." for key in below)
    if leaf:
        if other is None:
            del result[name]
        return
    result[name] = prune(shape, result[name], below, other or {})
    if not result[name] and other is None:
        del result[name]
