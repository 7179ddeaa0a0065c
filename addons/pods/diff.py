"""The smallest patch from the status a pod has to the one it should have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from addons.pods.quantity import parse

Json = Mapping[str, Any]
_AMOUNTS = frozenset({"resources", "allocatedResources"})


def status_patch(pod: Json, wanted: Json) -> dict[str, Any] | None:
    """A strategic merge patch for the status subresource, or None when nothing differs.

    It holds only what changed (conditions by type, those no longer wanted deleted), with the UID
    and the resourceVersion that it was decided on: another pod of that name, or a newer one, gives
    Conflict.
    """
    before: Json = pod.get("status") or {}
    changed: dict[str, Any] = {}
    for key, value in wanted.items():
        if key == "conditions":
            if conditions := _conditions(before.get(key) or (), value):
                changed[key] = conditions
        elif not _same(before.get(key), value, amounts=key in _AMOUNTS):
            changed[key] = value
    if not changed:
        return None
    meta = pod["metadata"]
    precondition = {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"]}
    return {"metadata": precondition, "status": changed}


def _conditions(before: Any, wanted: Any) -> list[dict[str, Any]]:
    known = {condition["type"]: condition for condition in before}
    left = known.keys() - {condition["type"] for condition in wanted}
    return [
        *(c for c in wanted if not _covers(known.get(c["type"]), c)),
        *({"type": kind, "$patch": "delete"} for kind in sorted(left)),
    ]


def _covers(before: Json | None, wanted: Json) -> bool:
    return before is not None and all(
        _same(before.get(key), value) for key, value in wanted.items()
    )


def _same(before: Any, wanted: Any, *, amounts: bool = False) -> bool:
    """Equal, where the API server drops what is empty: null, "" and {} are the same nothing.

    `amounts`: texts are quantities, which may be spelled differently.
    """
    if isinstance(before, dict) and isinstance(wanted, dict):
        keys = before.keys() | wanted.keys()
        return all(
            _same(before.get(key), wanted.get(key), amounts=amounts or key in _AMOUNTS)
            for key in keys
        )
    if isinstance(before, list) and isinstance(wanted, list):
        return len(before) == len(wanted) and all(map(_same, before, wanted))
    empty: tuple[Any, ...] = (None, "", {}, [])
    if before in empty and wanted in empty:
        return True
    if amounts and isinstance(before, str) and isinstance(wanted, str):
        return parse(before) == parse(wanted)
    return bool(before == wanted)


def annotations_patch(pod: Json, wanted: Mapping[str, str]) -> dict[str, Any] | None:
    """A merge patch that adds what is missing; what is there with another value is replaced."""
    before = pod["metadata"].get("annotations") or {}
    changed = {key: value for key, value in wanted.items() if before.get(key) != value}
    if not changed:
        return None
    return {"metadata": {"uid": pod["metadata"]["uid"], "annotations": changed}}
