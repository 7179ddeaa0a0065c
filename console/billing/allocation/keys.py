"""The `aggregate` parameter of OpenCost's Allocation API: what costs are told apart by. Pure.

Source: OpenCost documentation, "API", and its code, `opencost.ParseProperty`: names are the same in
capitals and small letters, those of labels are not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from console.billing import groups

UNALLOCATED = "__unallocated__"
KINDS = ("deployment", "statefulset", "daemonset", "job", "cronjob", "replicaset")
DEFAULT = ("cluster", "node", "namespace", "pod")
# OpenCost's name -> the group of statements that tells it.
_GROUPS = {
    **{name: name for name in ("cluster", "node", "namespace", "pod")},
    **{name: name for name in ("provider", "account", "region", "zone")},
    **dict.fromkeys(("controller", "controllerKind", "controllerName", *KINDS), "workload"),
    "container": "pod",
    "providerID": "instance",
}
_NAMES = {name.lower(): name for name in _GROUPS}
_LABEL = re.compile(r"^label(?::|\[)([A-Za-z0-9](?:[A-Za-z0-9._/-]{0,315}[A-Za-z0-9])?)\]?$")


class BadKey(ValueError):
    """Its text says why."""


@dataclass(frozen=True, slots=True)
class Key:
    """`group` is what a statement is grouped by; `read` makes the key's text of it."""

    name: str
    group: str
    read: Callable[[str], str]


def key_of(name: str) -> Key:
    """Raises `BadKey`."""
    if match := _LABEL.match(name):
        return Key(name, f"{groups.LABEL}{match[1]}", _plain)
    known = _NAMES.get(name.lower())
    if known is None:
        raise BadKey(f"nothing is told apart by {name!r}")
    return Key(known, _GROUPS[known], _reader(known))


def aggregates(text: str) -> tuple[Key, ...]:
    names = [part.strip() for part in text.split(",") if part.strip()]
    return tuple(key_of(name) for name in dict.fromkeys(names or DEFAULT))


def _plain(text: str) -> str:
    return text or UNALLOCATED


def _kind(text: str) -> str:
    return text.partition("/")[0].lower() if "/" in text else UNALLOCATED


def _controller(text: str) -> str:
    return text.partition("/")[2] or UNALLOCATED


def _reader(name: str) -> Callable[[str], str]:
    if name == "controllerKind":
        return _kind
    if name == "controller":
        # As OpenCost has it: `deployment:web`.
        return lambda text: f"{_kind(text)}:{_controller(text)}" if "/" in text else UNALLOCATED
    if name == "controllerName":
        return _controller
    if name in KINDS:
        return lambda text: _controller(text) if _kind(text) == name else UNALLOCATED
    return _plain


def properties(keys: tuple[Key, ...], texts: Mapping[str, str]) -> dict[str, object]:
    """OpenCost's `properties` of an allocation: what its keys tell; others are absent."""
    found: dict[str, object] = {}
    labels: dict[str, str] = {}
    for key in keys:
        text = texts[key.group]
        if key.group.startswith(groups.LABEL):
            labels[key.group.removeprefix(groups.LABEL)] = key.read(text)
        elif key.group == "workload":
            found |= {"controllerKind": _kind(text), "controller": _controller(text)}
        else:
            found["providerID" if key.group == "instance" else key.group] = key.read(text)
    return found | ({"labels": labels} if labels else {})
