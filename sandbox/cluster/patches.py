"""JSON patch (RFC 6902), merge patch (RFC 7386) and strategic merge patch.

Strategic merge follows the Kubernetes document "Strategic Merge Patch": merge keys and strategies
come from the kind's Shape, the directives ``$patch``, ``$retainKeys``, ``$setElementOrder/...`` and
``$deleteFromPrimitiveList/...`` from the patch.
"""

from typing import Any

import jsonpatch

from sandbox.cluster.errors import ApiError, bad_request
from sandbox.cluster.schema import ANY, Shape

Obj = dict[str, Any]
_ORDER = "$setElementOrder/"
_DELETE = "$deleteFromPrimitiveList/"


def json_patch(document: Obj, operations: Any) -> Obj:
    """Apply RFC 6902 operations; a failed one is a 422, a malformed one a 400."""
    if not isinstance(operations, list):
        raise bad_request("json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    try:
        result: Obj = jsonpatch.apply_patch(document, operations)
    except jsonpatch.InvalidJsonPatch as error:
        raise bad_request(f"invalid JSON patch: {error}") from error
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException) as error:
        message = f"the server rejected our request due to an error in our request: {error}"
        raise ApiError(422, "Invalid", message) from error
    return result


def merge_patch(document: Any, patch: Any) -> Any:
    """Apply an RFC 7386 merge patch."""
    if not isinstance(patch, dict):
        return patch
    result = dict(document) if isinstance(document, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_patch(result.get(key), value)
    return result


def strategic_merge(document: Any, patch: Any, shape: Shape) -> Any:
    """Apply a strategic merge patch to an object of ``shape``."""
    if not isinstance(patch, dict):
        return patch
    if patch.get("$patch") == "replace":
        return _plain({k: v for k, v in patch.items() if k != "$patch"})
    if patch.get("$patch") == "delete":
        return {}
    result = dict(document) if isinstance(document, dict) else {}
    retain = patch.get("$retainKeys")
    if retain is not None:
        result = {k: v for k, v in result.items() if k in retain}
    for key, value in patch.items():
        if not key.startswith("$"):
            _merge_field(result, key, value, shape.child(key), patch)
    _primitive_deletions(result, patch)
    return result


def _merge_field(result: Obj, key: str, value: Any, shape: Shape, patch: Obj) -> None:
    if value is None:
        result.pop(key, None)
    elif isinstance(value, list) and "merge" in shape.strategy:
        order = patch.get(_ORDER + key)
        result[key] = _merge_list(result.get(key) or [], value, shape, order)
    elif isinstance(value, dict) and shape.type in ("object", "map", "any"):
        merged = strategic_merge(result.get(key), value, shape)
        if value.get("$patch") == "delete":
            result.pop(key, None)
        else:
            result[key] = merged
    else:
        result[key] = _plain(value)


def _primitive_deletions(result: Obj, patch: Obj) -> None:
    for key, gone in patch.items():
        if key.startswith(_DELETE):
            name = key.removeprefix(_DELETE)
            result[name] = [v for v in result.get(name) or () if v not in gone]
        elif key.startswith(_ORDER):
            name = key.removeprefix(_ORDER)
            if name not in patch and isinstance(result.get(name), list):
                result[name] = _reorder(result[name], gone)


def _merge_list(current: list[Any], patch: list[Any], shape: Shape, order: Any) -> list[Any]:
    key = shape.merge_key
    if not key:
        merged = current + [item for item in patch if item not in current]
        return _reorder(merged, order) if order else merged
    if any(isinstance(i, dict) and i == {"$patch": "replace"} for i in patch):
        return [_plain(item) for item in patch if item != {"$patch": "replace"}]
    result = list(current)
    for item in patch:
        if not isinstance(item, dict) or key not in item:
            raise bad_request(f"map: {item} does not contain declared merge key: {key}")
        _merge_item(result, item, key, shape.items or ANY)
    return _reorder(result, order) if order else result


def _merge_item(result: list[Any], item: Obj, key: str, shape: Shape) -> None:
    places = [n for n, old in enumerate(result) if old.get(key) == item[key]]
    if item.get("$patch") == "delete":
        for place in reversed(places):
            del result[place]
    elif places:
        result[places[0]] = strategic_merge(result[places[0]], item, shape)
    else:
        result.append(strategic_merge({}, item, shape))


def _reorder(items: list[Any], order: list[Any]) -> list[Any]:
    """Sort what the order names by the order, and leave the rest behind what preceded it."""
    if not order:
        return items
    keys = [next(iter(o)) if isinstance(o, dict) else None for o in order]

    def rank(item: Any) -> int:
        for position, (wanted, key) in enumerate(zip(order, keys, strict=True)):
            if (item.get(key) == wanted[key]) if key else item == wanted:
                return position
        return -1

    ranked = sorted((i for i in items if rank(i) >= 0), key=rank)
    return ranked + [i for i in items if rank(i) < 0]


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {k: _plain(v) for k, v in value.items() if not k.startswith("$")}
        return {k: v for k, v in kept.items() if v is not None}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value
