"""Requests and answers on the wire: flat names and JSON bodies in, JSON or XML out.

Encodings: Kingsoft Cloud's SDKs write lists from index 0, older clients from 1; query string and
body are one set of parameters; a JSON body is the same set, nested.
"""

import json
from collections.abc import Mapping
from typing import Any, TypeVar
from urllib.parse import parse_qsl
from xml.etree import ElementTree

import msgspec

from .errors import invalid, missing

Json = dict[str, Any]
MAX_FIELDS = 20_000
_COMMON_TEXT = """
Service Action Version SdkVersion Region Accesskey Language AccountId UserId RoleId
"""
COMMON = frozenset(_COMMON_TEXT.split())
_ABSENT: tuple[Any, ...] = (None, "", [], {})
SECRET = ("KubeConfig", "Password", "SecretAccessKey", "Config")


class Request(msgspec.Struct, rename="pascal"):
    """Base of request models: wire names are the field names in PascalCase."""


T = TypeVar("T", bound=Request)


class Filter(Request):
    """One condition of a Describe: any of the values."""

    name: str
    value: list[str] = []


def parameters(query: str, content_type: str, body: bytes) -> dict[str, str]:
    """Return every parameter of a request, flat; the body wins over the query string."""
    flat = dict(parse_qsl(query, keep_blank_values=True, max_num_fields=MAX_FIELDS))
    flat = {name: value for name, value in flat.items() if not name.startswith("X-Amz-")}
    if "json" in content_type and body:
        flat.update(_flatten("", _json_object(body)))
    elif body:
        form = body.decode(errors="replace")
        flat.update(parse_qsl(form, keep_blank_values=True, max_num_fields=MAX_FIELDS))
    return flat


def _json_object(body: bytes) -> Json:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.DecodeError as exc:
        raise invalid("body", "A JSON object is expected.") from exc


def _flatten(prefix: str, value: Any) -> dict[str, str]:
    if isinstance(value, Mapping | list):
        pairs = value.items() if isinstance(value, Mapping) else enumerate(value)
        flat: dict[str, str] = {}
        for key, item in pairs:
            flat.update(_flatten(f"{prefix}.{key}" if prefix else str(key), item))
        return flat
    if value is None:
        return {}
    return {prefix: value if isinstance(value, str) else json.dumps(value)}


def nest(flat: Mapping[str, str]) -> Json:
    """Turn flat names into dicts and lists: indexes in numeric order from any base, gaps ignored.

    Empty values are dropped, except as elements of a list.
    """
    root: Json = {}
    for name, value in flat.items():
        *path, last = name.split(".")
        if not value and not last.isdecimal():
            continue
        node = root
        for part in path:
            child = node.get(part)
            if not isinstance(child, dict):
                child = node[part] = {}
            node = child
        node[last] = value
    return {name: _listed(value) for name, value in root.items() if name not in COMMON}


def _listed(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if value and all(key.isdecimal() for key in value):
        return [_listed(value[key]) for key in sorted(value, key=int)]
    return {key: _listed(item) for key, item in value.items()}


def decode(flat: Mapping[str, str], model: type[T]) -> T:
    """Read flat parameters as ``model``; booleans in any case. Raises ApiFault."""
    try:
        return msgspec.convert(nest(flat), model, strict=False)
    except msgspec.ValidationError as exc:
        text = str(exc)
        if "missing required field" in text:
            raise missing(text.split("`")[1]) from exc
        place = text.partition("`$.")[2].rstrip("`") or "request"
        raise invalid(place, text.partition(" - at")[0]) from exc


def plain(request: Request) -> Json:
    """Return a request as dicts and lists, without what was not given and without secrets."""
    return dict(_given(msgspec.to_builtins(request)))


def _given(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {name: _given(item) for name, item in value.items() if item not in _ABSENT}
        return {name: "***" if name in SECRET else item for name, item in kept.items()}
    return [_given(item) for item in value] if isinstance(value, list) else value


def redacted(flat: Mapping[str, str]) -> dict[str, str]:
    """Return parameters fit for the ledger: without common ones, secrets masked."""
    return {
        name: "***" if name.rpartition(".")[2] in SECRET else value
        for name, value in flat.items()
        if name not in COMMON or name == "Service"
    }


def as_xml(root: str, answer: Json) -> bytes:
    """Return an answer as XML: lists are ``item`` elements (EIP API reference, GetLines)."""
    element = ElementTree.Element(root)
    _fill(element, answer)
    return bytes(ElementTree.tostring(element, encoding="utf-8", xml_declaration=True))


def _fill(element: ElementTree.Element, value: Any) -> None:
    if isinstance(value, dict):
        for name, item in value.items():
            _fill(ElementTree.SubElement(element, name), item)
    elif isinstance(value, list):
        for item in value:
            _fill(ElementTree.SubElement(element, "item"), item)
    elif value is not None:
        element.text = str(value).lower() if isinstance(value, bool) else str(value)
