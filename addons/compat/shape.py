"""Whether an object is what Kubernetes would accept at all, before any cloud is asked.

The judge is the model of the official client (`kubernetes.client.models`), which is made from the
OpenAPI document of Kubernetes; it forbids unknown fields as `kubectl` does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import Any

from django.utils.translation import gettext_noop as _
from pydantic import BaseModel, ValidationError

from addons.compat.documents import Document, child
from addons.compat.report import Effect, Finding

# Quantities are text in the model; the API server takes numbers too.
_QUANTITIES = frozenset({"limits", "requests", "capacity", "overhead", "sizeLimit", "divisor"})
_KINDS = {
    "string_type": _("Kubernetes wants text here, not `%(value)s`."),
    "int_type": _("Kubernetes wants a whole number here, not `%(value)s`."),
    "float_type": _("Kubernetes wants a number here, not `%(value)s`."),
    "bool_type": _("Kubernetes wants true or false here, not `%(value)s`."),
    "list_type": _("Kubernetes wants a list here."),
    "dict_type": _("Kubernetes wants a mapping here."),
    "model_type": _("Kubernetes wants a mapping here."),
}
_QUOTE = _('Put it in quotes: "%(value)s".')


def faults(document: Document) -> Iterator[Finding]:
    """Every fault; `IGNORED` is a field that does not exist, which only kubectl refuses."""
    try:
        _model(document.kind).model_validate(dict(document.body))
    except ValidationError as error:
        for fault in error.errors(include_url=False, include_context=False):
            finding = _fault(document, fault)
            if finding is not None:
                yield finding


@cache
def _model(kind: str) -> type[BaseModel]:
    """Loaded when first asked for: the models cost a third of a second and 30 MB."""
    found: type[BaseModel] = getattr(import_module("kubernetes.client.models"), f"V1{kind}")
    return found


def _fault(document: Document, fault: Mapping[str, Any]) -> Finding | None:
    steps, kind, value = fault["loc"], fault["type"], fault["input"]
    path = ""
    for step in steps:
        path = child(path, step)
    told = document.where(path)
    line = document.line(path)
    if kind == "extra_forbidden":
        return Finding(
            Effect.IGNORED,
            "UnknownField",
            told,
            _("Kubernetes has no such field here; kubectl refuses it, others drop it."),
            _("Check its spelling and its indent."),
            line=line,
        )
    if kind == "missing":
        return missing(document, path)
    if _is_number(value) and _QUANTITIES & {step for step in steps if isinstance(step, str)}:
        return None
    message = _KINDS.get(kind, _("Kubernetes does not accept this value."))
    quote = kind == "string_type" and isinstance(value, bool | int | float)
    values = {"value": str(value).lower() if isinstance(value, bool) else str(value)[:60]}
    return Finding(
        Effect.REFUSED, "WrongType", told, message, _QUOTE if quote else "", values, line
    )


def missing(document: Document, path: str) -> Finding:
    return Finding(
        Effect.REFUSED,
        "FieldMissing",
        document.where(path),
        _("Kubernetes wants this field."),
        _("Add it."),
        line=document.line(path),
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
