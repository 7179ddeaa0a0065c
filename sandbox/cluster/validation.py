"""Checks beyond the schema: names, labels, required values, immutable fields (422 with causes).

Messages follow ``k8s.io/apimachinery/pkg/util/validation`` and the validation of each kind.
"""

import re
from collections.abc import Callable
from typing import Any

from sandbox.cluster import errors
from sandbox.cluster.kinds import CHECKS, Problems
from sandbox.cluster.resources import Resource

Obj = dict[str, Any]
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?\Z")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\Z")
_QUALIFIED = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]\Z")
_LABEL_TEXT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or "
    "'-', and must "
    "start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for "
    "validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
_SUBDOMAIN_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, "
    "'-' or '.', "
    "and must start and end with an alphanumeric character (e.g. 'example.com', regex used for "
    "validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_QUALIFIED_TEXT = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "
    "validation "
    "is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
_VALUE_TEXT = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', "
    "and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or "
    "'12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
_LABEL_NAMED = ("namespaces", "services")
_ANNOTATION_BYTES = 256 * 1024


def validate(resource: Resource, obj: Obj, old: Obj | None, subresource: str = "") -> None:
    """Raise ApiError 422 when a create (``old`` None) or an update is not allowed."""
    problems = Problems()
    meta = obj["metadata"]
    if old is None:
        _name(resource, meta, problems)
    if old is None or meta != old["metadata"]:
        _labels(meta.get("labels") or {}, "metadata.labels", problems)
        _annotations(meta.get("annotations") or {}, problems)
    if subresource != "status":
        check: Callable[..., None] | None = CHECKS.get(resource.storage)
        if check and not resource.custom:
            check(obj, old, problems, subresource)
    if problems.causes:
        raise errors.invalid(resource.kind, resource.group, meta.get("name", ""), problems.causes)


def _name(resource: Resource, meta: Obj, problems: Problems) -> None:
    name = meta.get("name", "")
    if not name:
        problems.required("metadata.name", "name or generateName is required")
    elif resource.group == "rbac.authorization.k8s.io":
        if "/" in name or "%" in name or name in (".", ".."):
            problems.invalid("metadata.name", name, "may not contain '/' or '%'")
    elif resource.name in _LABEL_NAMED:
        if len(name) > 63 or not _LABEL.match(name):
            problems.invalid("metadata.name", name, _LABEL_TEXT)
    elif len(name) > 253:
        problems.invalid("metadata.name", name, "must be no more than 253 characters")
    elif not _SUBDOMAIN.match(name):
        problems.invalid("metadata.name", name, _SUBDOMAIN_TEXT)


def _labels(labels: Obj, path: str, problems: Problems) -> None:
    for key, value in labels.items():
        prefix, _, name = key.rpartition("/")
        if len(name) > 63 or not _QUALIFIED.match(name):
            problems.invalid(path, key, f"name part {_QUALIFIED_TEXT}")
        elif prefix and not _SUBDOMAIN.match(prefix):
            problems.invalid(path, key, f"prefix part {_SUBDOMAIN_TEXT}")
        if value and len(value) > 63:
            problems.invalid(path, value, "must be no more than 63 characters")
        elif value and not _QUALIFIED.match(value):
            problems.invalid(path, value, _VALUE_TEXT)


def _annotations(annotations: Obj, problems: Problems) -> None:
    if sum(len(k) + len(v) for k, v in annotations.items()) > _ANNOTATION_BYTES:
        problems.add(
            "FieldValueTooLong",
            "metadata.annotations",
            f"Too long: may not be more than {_ANNOTATION_BYTES} bytes",
        )
