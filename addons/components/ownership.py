"""Whose fields are whose: what others installed becomes ours before we change it.

Server-side apply never takes a field away that another manager owns: what Helm or kubectl wrote
would stay for ever beside what we apply (a plain `value` beside our `valueFrom`: 422), and values
that both write stay shared, so that changing one is a conflict. As client-go's
`csaupgrade.UpgradeManagedFields` does, a JSON patch of `metadata.managedFields` moves the entries
of installers to ours; an apply with force follows, and takes away what we do not apply. Other
managers keep all that we do not apply. `metadata.resourceVersion` is replaced by the one that was
read, so that a write in between is answered 409.

FieldsV1 are read as the API reference of ManagedFieldsEntry says: `f:` a field, `k:` an item of a
list by its keys, `v:` an item of a set by its value, `.` the thing itself, `{}` a leaf.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from addons.components.base import Json

MANAGER = "spillway"
# Helm 3 and 4; objects from before the API server kept owners (Server-Side Apply, "Managers").
_INSTALLERS = frozenset({"helm", "before-first-apply"})
_KUBECTL = "kubectl"
_NOTHING = object()
# The one key of lists that a manifest may leave out, and what the server fills in.
_FILLED_IN = {"protocol": "TCP"}
Fields = Mapping[str, Any]


def installer(entry: Json) -> bool:
    """Whether a person or a tool wrote it to install the object; never a controller's status."""
    name = entry.get("manager", "")
    known = name in _INSTALLERS or name.partition("-")[0] == _KUBECTL
    return known and not entry.get("subresource")


def entries(live: Mapping[str, Any]) -> list[Json]:
    return list(live["metadata"].get("managedFields") or ())


def installers(live: Mapping[str, Any]) -> list[str]:
    """Names of those whose fields would become ours."""
    return sorted({one["manager"] for one in entries(live) if installer(one)})


def moved(live: Mapping[str, Any], wanted: Json) -> list[Json]:
    """The entries as they are to be: installers' in ours, others' without what `wanted` has.

    Entries of another API version are given up, as csaupgrade does: their paths may differ.
    """
    ours: Json = {
        "manager": MANAGER,
        "operation": "Apply",
        "apiVersion": wanted["apiVersion"],
        "fieldsType": "FieldsV1",
    }
    owned: Json = {}
    rest: list[Json] = []
    for entry in entries(live):
        mine = _ours(entry)
        if mine or installer(entry):
            if entry.get("apiVersion") == wanted["apiVersion"]:
                owned = union(owned, entry.get("fieldsV1") or {})
            if mine or "time" not in ours:
                ours["time"] = entry.get("time")
        elif entry.get("subresource"):
            rest.append(entry)
        elif fields := beyond(entry.get("fieldsV1") or {}, wanted):
            rest.append({**entry, "fieldsV1": fields})
    if not owned:
        return rest
    return [*rest, {**{k: v for k, v in ours.items() if v is not None}, "fieldsV1": owned}]


def _ours(entry: Json) -> bool:
    who = (entry.get("manager"), entry.get("operation"), entry.get("subresource", ""))
    return who == (MANAGER, "Apply", "")


def move(live: Mapping[str, Any], wanted: Json) -> list[Json] | None:
    """The JSON patch (RFC 6902) that moves them; None when nothing is to be moved."""
    now, then = entries(live), moved(live, wanted)
    if _said(now) == _said(then):
        return None
    version = live["metadata"]["resourceVersion"]
    return [
        {"op": "replace", "path": "/metadata/managedFields", "value": then or [{}]},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": version},
    ]


def _said(found: Sequence[Json]) -> list[str]:
    kept = ({k: v for k, v in one.items() if k != "time"} for one in found)
    return sorted(json.dumps(one, sort_keys=True) for one in kept)


def preview(live: Mapping[str, Any], wanted: Json) -> list[Json]:
    """The JSON patch that makes of `live` what a move and an apply would: for a dry run only."""
    then = moved(live, wanted)
    mine: Json = next((one["fieldsV1"] for one in then if _ours(one)), {})
    others: Json = {}
    for one in then:
        if not _ours(one):
            others = union(others, one.get("fieldsV1") or {})
    kept = without(dict(live), beyond(mine, wanted), others)
    known: Json = {}
    for one in entries(live):
        known = union(known, one.get("fieldsV1") or {})
    patch: list[Json] = []
    for key, value in wanted.items():
        if key in {"apiVersion", "kind", "metadata", "status"}:
            continue
        whole = laid(kept.get(key), value, known.get(f"f:{key}", {}))
        patch.append({"op": "add", "path": f"/{key}", "value": whole})
    gone = live.keys() - kept.keys() - wanted.keys()
    patch += [{"op": "remove", "path": f"/{key}"} for key in sorted(gone)]
    for key in ("labels", "annotations"):
        texts = {**(kept["metadata"].get(key) or {}), **(wanted["metadata"].get(key) or {})}
        if texts or key in live["metadata"]:
            patch.append({"op": "add", "path": f"/metadata/{key}", "value": texts})
    return patch


# --- sets of fields -----------------------------------------------------------------------------


def union(one: Fields, other: Fields) -> Json:
    """All fields of both."""
    result = dict(one)
    for key, below in other.items():
        result[key] = union(result[key], below) if key in result else below
    return result


def beyond(fields: Fields, value: Any) -> Json:
    """Those fields that `value` does not have; a leaf that it has is its own."""
    rest: Json = {}
    for key, below in fields.items():
        if key == ".":
            continue
        found = _at(value, key)
        if found is _NOTHING:
            rest[key] = below
        elif more := beyond(below, found):
            rest[key] = more
    return rest


def _at(value: Any, key: str) -> Any:
    kind, _sign, text = key.partition(":")
    if kind == "f":
        return value.get(text, _NOTHING) if isinstance(value, Mapping) else _NOTHING
    if not isinstance(value, list):
        return _NOTHING
    wanted = json.loads(text)
    if kind == "v":
        return wanted if wanted in value else _NOTHING
    return next((one for one in value if _is(one, wanted)), _NOTHING)


def _is(item: Any, keys: Mapping[str, Any]) -> bool:
    return isinstance(item, Mapping) and all(
        item.get(key, _FILLED_IN.get(key)) == value for key, value in keys.items()
    )


def without(value: Any, gone: Fields, others: Fields) -> Any:
    """`value` less the fields of `gone`, but for those that `others` own."""
    result = value.copy()
    for key, below in gone.items():
        found = _at(result, key)
        if found is _NOTHING:
            continue
        left = found
        if key not in others:
            left = _less(found, below, {})
        elif others[key]:
            left = _less(found, _but_keys(key, below), others[key])
        _put(result, key, found, left)
    return result


def _but_keys(key: str, below: Fields) -> Fields:
    """An item that stays keeps what tells it from others."""
    names = {f"f:{name}" for name in json.loads(key[2:])} if key.startswith("k:") else set()
    return {one: more for one, more in below.items() if one not in names}


def _less(value: Any, below: Fields, others: Fields) -> Any:
    """What is left of a value; nothing, when all of it was of `below` and nobody else's."""
    whole = not below or "." in below
    if not isinstance(value, dict | list) or (whole and not others):
        return _NOTHING
    left = without(value, {key: more for key, more in below.items() if key != "."}, others)
    return left if left or others else _NOTHING


def _put(result: Any, key: str, found: Any, left: Any) -> None:
    """Into a mapping or a list, in place."""
    place = key.partition(":")[2] if isinstance(result, dict) else result.index(found)
    if left is _NOTHING:
        del result[place]
    else:
        result[place] = left


def laid(value: Any, wanted: Any, fields: Fields) -> Any:
    """`wanted` over `value`, item by item where the fields say that they are owned so."""
    if isinstance(value, dict) and isinstance(wanted, Mapping):
        over = {
            key: laid(value.get(key), one, fields.get(f"f:{key}", {}))
            for key, one in wanted.items()
        }
        return {**(value if fields else {}), **over}
    keyed = [key for key in fields if key.startswith("k:")]
    if not (keyed and isinstance(value, list) and isinstance(wanted, list)):
        return wanted
    names = json.loads(keyed[0][2:]).keys()
    result = value.copy()
    for one in wanted:
        keys = {name: one.get(name, _FILLED_IN.get(name)) for name in names}
        found = next((old for old in result if _is(old, keys)), None)
        if found is None:
            result.append(one)
        else:
            below: Fields = next(
                (fields[key] for key in keyed if _is(one, json.loads(key[2:]))), {}
            )
            result[result.index(found)] = laid(found, one, below)
    return result
