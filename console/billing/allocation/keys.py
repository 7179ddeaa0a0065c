"""The `aggregate` and `filter` parameters of OpenCost's Allocation API. Pure.

Source: OpenCost documentation, "API" (aggregate) and "API Filters v2" (`field:"value","other"`,
several joined by `+`). Of the filter language only equality (`:`) and its negation (`!:`) are
known; anything else is refused rather than ignored.
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
}
_LABEL = re.compile(r"^label(?::|\[)([A-Za-z0-9](?:[A-Za-z0-9._/-]{0,315}[A-Za-z0-9])?)\]?$")
_TERM = re.compile(r'^([A-Za-z]+(?:\[[^\]"]+\])?)(!?):((?:"[^"]*")(?:,"[^"]*")*)$')


class BadKey(ValueError):
    """Its text says why."""


@dataclass(frozen=True, slots=True)
class Key:
    """`group` is what a statement is grouped by; `read` makes the key's text of it."""

    name: str
    group: str
    read: Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Term:
    """A filter: the key is one of `values`, or, negated, none of them."""

    key: Key
    values: frozenset[str]
    negated: bool

    def fits(self, text: str) -> bool:
        return (self.key.read(text) in self.values) is not self.negated


def key_of(name: str) -> Key:
    """Raises `BadKey`."""
    if match := _LABEL.match(name):
        return Key(name, f"{groups.LABEL}{match[1]}", _plain)
    if name not in _GROUPS:
        raise BadKey(f"nothing is told apart by {name!r}")
    return Key(name, _GROUPS[name], _reader(name))


def aggregates(text: str) -> tuple[Key, ...]:
    names = [part.strip() for part in text.split(",") if part.strip()]
    return tuple(key_of(name) for name in dict.fromkeys(names or DEFAULT))


def terms(text: str) -> tuple[Term, ...]:
    return tuple(_term(part) for part in _split(text)) if text.strip() else ()


def _split(text: str) -> list[str]:
    """By `+` outside of quotes. A plain `+` of a query string arrives as a blank."""
    parts = re.split(r'\s*[+ ]\s*(?=(?:[^"]*"[^"]*")*[^"]*$)', text.strip())
    return [part for part in parts if part]


def _term(text: str) -> Term:
    match = _TERM.match(text)
    if match is None:
        raise BadKey(f'{text!r} is no filter like namespace:"shop","web"')
    values = frozenset(re.findall(r'"([^"]*)"', match[3]))
    return Term(key_of(match[1]), values, bool(match[2]))


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
            found[key.group] = key.read(text)
    return found | ({"labels": labels} if labels else {})
