"""Label and field selectors, as the list and watch parameters and LabelSelector objects carry them.

Grammar: ``k8s.io/apimachinery/pkg/labels`` and ``pkg/fields``. Field selectors work only on the
fields a kind declares; others are a 400, as on the real server.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from sandbox.cluster.errors import bad_request

Obj = dict[str, Any]
Match = Callable[[Obj], bool]

_SET = re.compile(r"^\s*([\w./-]+)\s+(in|notin)\s*\(([^)]*)\)\s*$")
_EQUAL = re.compile(r"^\s*([\w./-]+)\s*(==|=|!=)\s*([\w.-]*)\s*$")
_ORDER = re.compile(r"^\s*([\w./-]+)\s*([<>])\s*(\d+)\s*$")
_BARE = re.compile(r"^\s*(!?)\s*([\w./-]+)\s*$")

COMMON = ("metadata.name", "metadata.namespace")
FIELDS: dict[str, tuple[str, ...]] = {
    "pods": (
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "spec.hostNetwork",
        "status.phase",
        "status.podIP",
        "status.podIPs",
        "status.nominatedNodeName",
    ),
    "nodes": ("spec.unschedulable",),
    "namespaces": ("status.phase",),
    "secrets": ("type",),
    "services": ("spec.clusterIP", "spec.type"),
    "replicasets.apps": ("status.replicas",),
    "replicationcontrollers": ("status.replicas",),
    "jobs.batch": ("status.successful",),
    "certificatesigningrequests.certificates.k8s.io": ("spec.signerName",),
    "events": (
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.resourceVersion",
        "involvedObject.fieldPath",
        "regarding.kind",
        "regarding.namespace",
        "regarding.name",
        "regarding.uid",
        "reason",
        "reportingController",
        "reportingComponent",
        "source",
        "type",
    ),
}


def _split(text: str) -> list[str]:
    parts, depth, start = [], 0, 0
    for position, char in enumerate(text):
        depth += (char == "(") - (char == ")")
        if char == "," and depth == 0:
            parts.append(text[start:position])
            start = position + 1
    parts.append(text[start:])
    return [part for part in parts if part.strip()]


def _label_term(part: str) -> Callable[[Mapping[str, str]], bool]:
    if found := _SET.match(part):
        return _membership(*found.groups())
    if found := _EQUAL.match(part):
        key, word, value = found.groups()
        if word == "!=":
            return lambda labels: labels.get(key) != value
        return lambda labels: labels.get(key) == value
    if found := _ORDER.match(part):
        return _ordering(*found.groups())
    if found := _BARE.match(part):
        key = found.group(2)
        if found.group(1):
            return lambda labels: key not in labels
        return lambda labels: key in labels
    raise bad_request(f"unable to parse requirement: found '{part.strip()}'")


def _membership(key: str, word: str, values: str) -> Callable[[Mapping[str, str]], bool]:
    wanted = {value.strip() for value in values.split(",")}
    if word == "in":
        return lambda labels: key in labels and labels[key] in wanted
    return lambda labels: key not in labels or labels[key] not in wanted


def _ordering(key: str, word: str, number: str) -> Callable[[Mapping[str, str]], bool]:
    limit = int(number)

    def test(labels: Mapping[str, str]) -> bool:
        value = labels.get(key, "")
        if not value.lstrip("-").isdigit():
            return False
        return int(value) > limit if word == ">" else int(value) < limit

    return test


@lru_cache(maxsize=1024)
def labels(text: str) -> Callable[[Mapping[str, str]], bool]:
    """Return a test over a label map; raises ApiError 400."""
    terms = [_label_term(part) for part in _split(text)]
    return lambda found: all(term(found) for term in terms)


def field_value(obj: Obj, path: str) -> str:
    """Return one field as the text a field selector compares with."""
    if path.startswith("regarding."):
        path = "involvedObject." + path.removeprefix("regarding.")
    if path == "reportingController":
        path = "reportingComponent"
    if path == "source":
        return str((obj.get("source") or {}).get("component") or obj.get("reportingComponent", ""))
    if path == "status.successful":
        path = "status.succeeded"
    value: Any = obj
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if value is None:
        return _empty(path)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _empty(path: str) -> str:
    if path in ("spec.unschedulable", "spec.hostNetwork"):
        return "false"
    return "0" if path in ("status.replicas", "status.succeeded") else ""


def parse_fields(
    text: str, resource: str, extra: tuple[str, ...] = ()
) -> list[tuple[str, str, str]]:
    """Return ``[(path, "=" or "!=", value)]``; raises ApiError 400 on an unsupported field."""
    terms = []
    allowed = COMMON + FIELDS.get(resource, ()) + extra
    for part in text.split(","):
        if not part.strip():
            continue
        path, word, value = _field_term(part)
        if path not in allowed:
            raise bad_request(f"field label not supported: {path}")
        terms.append((path, word, value))
    return terms


def _field_term(part: str) -> tuple[str, str, str]:
    for word in ("!=", "==", "="):
        if word in part:
            path, value = part.split(word, 1)
            return path.strip(), "!=" if word == "!=" else "=", value.strip()
    raise bad_request(f"invalid field selector: '{part}'; can't understand it")


def compile_match(
    label_text: str, field_text: str, resource: str, extra: tuple[str, ...] = ()
) -> Match | None:
    """Return a test over objects, or None when everything matches; raises ApiError 400."""
    terms = parse_fields(field_text, resource, extra) if field_text else []
    test = labels(label_text) if label_text.strip() else None
    if not terms and test is None:
        return None

    def match(obj: Obj) -> bool:
        if test is not None and not test(obj["metadata"].get("labels") or {}):
            return False
        return all((field_value(obj, p) == v) == (word == "=") for p, word, v in terms)

    return match


def exact_field(field_text: str, path: str) -> str | None:
    """Return the value a field selector demands for ``path`` with ``=``, or None."""
    for part in field_text.split(","):
        if "!=" not in part and "=" in part:
            key, value = part.replace("==", "=").split("=", 1)
            if key.strip() == path:
                return value.strip()
    return None


def label_selector(selector: Obj | None) -> Callable[[Mapping[str, str]], bool]:
    """Return a test for a ``LabelSelector`` object; None matches nothing, ``{}`` everything."""
    if selector is None:
        return lambda _: False
    wanted = selector.get("matchLabels") or {}
    rules = [_expression(rule) for rule in selector.get("matchExpressions") or ()]

    def test(found: Mapping[str, str]) -> bool:
        if any(found.get(key) != value for key, value in wanted.items()):
            return False
        return all(rule(found) for rule in rules)

    return test


def _expression(rule: Obj) -> Callable[[Mapping[str, str]], bool]:
    key, word = rule["key"], rule["operator"]
    values = set(rule.get("values") or ())
    if word == "In":
        return lambda found: key in found and found[key] in values
    if word == "NotIn":
        return lambda found: key not in found or found[key] not in values
    if word == "Exists":
        return lambda found: key in found
    return lambda found: key not in found


def to_text(selector: Obj | None) -> str:
    """Write a LabelSelector object as the text form, as kubectl prints it."""
    if not selector:
        return "<none>"
    parts = [f"{k}={v}" for k, v in sorted((selector.get("matchLabels") or {}).items())]
    for rule in selector.get("matchExpressions") or ():
        word, key = rule["operator"], rule["key"]
        if word in ("In", "NotIn"):
            parts.append(f"{key} {word.lower()} ({','.join(rule.get('values') or ())})")
        else:
            parts.append(key if word == "Exists" else f"!{key}")
    return ",".join(parts) or "<none>"
