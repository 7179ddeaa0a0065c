"""RPC parameters: the flat form on the wire and the nested form the actions read.

Lists are flattened with 1-based indexes (``Container.1.Port.2.Port``), structures with dots
(``Container.1.LivenessProbe.HttpGet.Path``). The SDK sends booleans as ``True``/``False`` and
floats as ``2.0``; empty strings are sent and mean "not given".
"""

import json
from collections.abc import Mapping
from typing import Any

from .errors import ApiFault, invalid, missing

Flat = Mapping[str, str]
Nested = dict[str, Any]


def nest(flat: Flat) -> Nested:
    """Turn flattened parameters into dicts and lists; empty strings are dropped."""
    root: Nested = {}
    for key, value in flat.items():
        if not value:
            continue
        if "." not in key:
            root[key] = value
            continue
        parts = key.split(".")
        node = root
        for part in parts[:-1]:
            child = node.get(part)
            if not isinstance(child, dict):
                child = node[part] = {}
            node = child
        node[parts[-1]] = value
    return {key: _listed(value) for key, value in root.items()}


def _listed(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if all(key.isdecimal() for key in value):
        return [_listed(value[key]) for key in sorted(value, key=int)]
    return {key: _listed(item) for key, item in value.items()}


def required(params: Nested, name: str) -> str:
    """Return a mandatory text parameter; raises ApiFault Missing<name>."""
    value = params.get(name)
    if not isinstance(value, str) or not value:
        raise missing(name)
    return value


def text(params: Nested, name: str, default: str = "") -> str:
    """Return an optional text parameter."""
    value = params.get(name, default)
    if not isinstance(value, str):
        raise invalid(name, "a text is expected")
    return value


def number(params: Nested, name: str, default: float = 0.0) -> float:
    """Return an optional number."""
    value = params.get(name)
    if value is None:
        return default
    try:
        return float(value)
    except (TypeError, ValueError) as exc:
        raise invalid(name, "a number is expected") from exc


def integer(params: Nested, name: str, default: int, low: int = 0, high: int = 2**62) -> int:
    """Return an optional whole number within ``low..high``."""
    value = number(params, name, default)
    if value != int(value) or not low <= value <= high:
        raise invalid(name, f"a whole number between {low} and {high} is expected")
    return int(value)


def flag(params: Nested, name: str, default: bool = False) -> bool:
    """Return an optional boolean in any of the spellings SDKs send."""
    value = params.get(name)
    if value is None:
        return default
    lowered = str(value).lower()
    if lowered not in {"true", "false", "1", "0"}:
        raise invalid(name, "true or false is expected")
    return lowered in {"true", "1"}


def structures(params: Nested, name: str) -> list[Nested]:
    """Return a repeated structure, e.g. ``Container.N``."""
    value = params.get(name, [])
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise invalid(name, "a numbered list is expected")
    return value


def texts(params: Nested, name: str) -> list[str]:
    """Return a repeated text, e.g. ``Command.N``."""
    value = params.get(name, [])
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise invalid(name, "a numbered list is expected")
    return value


def structure(params: Nested, name: str) -> Nested:
    """Return a nested structure, empty when absent."""
    value = params.get(name, {})
    if not isinstance(value, dict):
        raise invalid(name, "a structure is expected")
    return value


def tags(params: Nested) -> dict[str, str]:
    """Return ``Tag.N.Key/Value`` as a mapping."""
    return {required(tag, "Key"): text(tag, "Value") for tag in structures(params, "Tag")}


def id_list(params: Nested, name: str, limit: int = 20) -> list[str] | None:
    """Return a JSON array of ids, None when not given; more than ``limit`` is refused."""
    raw = params.get(name)
    if raw is None:
        return None
    try:
        value = json.loads(raw)
    except (TypeError, ValueError) as exc:
        raise invalid(name, "a JSON array is expected") from exc
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise invalid(name, "a JSON array of texts is expected")
    if len(value) > limit:
        raise ApiFault("InvalidParameter.ValueExceeded", f"{name} holds more than {limit} entries.")
    return value
