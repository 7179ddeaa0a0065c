"""What is wrong with values by their JSON Schema (2020-12), in sentences for people.

The validator's own messages speak of schemas and are English; here each keyword that a component's
schema is likely to have is said as what the person should do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import jsonschema
from django.utils.translation import gettext_noop as _
from jsonschema.exceptions import ValidationError

from addons.components.base import Json
from addons.sentences import read, stored


@dataclass(frozen=True, slots=True)
class Wrong:
    """A value that the schema does not take; `path` is dotted, empty for the whole."""

    path: str
    text: str
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        """As it is stored for readers of any language."""
        return stored(self.text, **self.values)

    @property
    def message(self) -> str:
        """In the reader's language."""
        return read(self.sentence)


def wrong(schema: Json, values: Mapping[str, Any]) -> list[Wrong]:
    """Everything that is wrong, by path; `values` have the defaults filled in."""
    validator = jsonschema.Draft202012Validator(
        schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )
    errors = sorted(validator.iter_errors(dict(values)), key=lambda error: list(error.path))
    found = {(one.path, one.sentence): one for error in errors for one in _said(error)}
    return list(found.values())


_TYPES = {
    "string": _("%(key)s must be a text."),
    "integer": _("%(key)s must be a whole number."),
    "number": _("%(key)s must be a number."),
    "boolean": _("%(key)s must be true or false."),
    "array": _("%(key)s must be a list."),
    "object": _("%(key)s must be a mapping."),
}
_BOUNDS = {
    "minimum": _("%(key)s must be at least %(bound)s."),
    "maximum": _("%(key)s must be at most %(bound)s."),
    "exclusiveMinimum": _("%(key)s must be more than %(bound)s."),
    "exclusiveMaximum": _("%(key)s must be less than %(bound)s."),
    "minLength": _("%(key)s needs %(bound)s characters or more."),
    "maxLength": _("%(key)s may have %(bound)s characters at most."),
    "minItems": _("%(key)s needs %(bound)s entries or more."),
    "maxItems": _("%(key)s may have %(bound)s entries at most."),
    "pattern": _("%(key)s does not have the form that is asked for: %(bound)s"),
    "format": _("%(key)s does not have the form that is asked for: %(bound)s"),
    "const": _("%(key)s must be %(bound)s."),
}
_EMPTY = _("%(key)s must not be empty.")


def _said(error: ValidationError) -> Iterator[Wrong]:
    path = ".".join(str(part) for part in error.absolute_path)
    kind = str(error.validator)
    bound: Any = error.validator_value
    given: Any = error.instance
    if kind == "required":
        yield from _missing(path, bound, given)
    elif kind == "additionalProperties":
        schema: Any = error.schema
        yield from _unknown(path, schema.get("properties") or {}, given)
    elif kind in {"oneOf", "anyOf"} and (names := _alternatives(bound)):
        yield _choice(path, kind, names, given)
    elif kind == "enum":
        text = _("%(key)s must be one of: %(choices)s.")
        yield Wrong(path, text, {"key": path, "choices": ", ".join(map(str, bound))})
    elif kind == "type" and bound in _TYPES:
        yield Wrong(path, _TYPES[str(bound)], {"key": path})
    elif kind in {"minLength", "minItems"} and bound == 1:
        yield Wrong(path, _EMPTY, {"key": path})
    elif kind in _BOUNDS:
        yield Wrong(path, _BOUNDS[kind], {"key": path, "bound": bound})
    else:
        yield Wrong(path, "%(key)s: %(why)s", {"key": path or "-", "why": error.message})


def _under(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _missing(path: str, wanted: Iterable[str], given: Mapping[str, Any]) -> Iterator[Wrong]:
    for name in wanted:
        if name not in given:
            key = _under(path, name)
            yield Wrong(key, _("%(key)s is missing."), {"key": key})


def _unknown(path: str, known: Iterable[str], given: Iterable[str]) -> Iterator[Wrong]:
    for name in given:
        if name not in known:
            key = _under(path, name)
            yield Wrong(key, _("This version has no parameter %(key)s."), {"key": key})


def _alternatives(branches: Any) -> list[str]:
    """The keys of which one is wanted; empty when the branches say something else."""
    names = [name for branch in branches for name in branch.get("required") or ()]
    plain = all(set(branch) <= {"required", "not"} for branch in branches)
    return list(dict.fromkeys(names)) if plain else []


def _choice(path: str, kind: str, names: list[str], given: Any) -> Wrong:
    there = isinstance(given, Mapping) and any(name in given for name in names)
    only = _("Only one of these may be set: %(names)s.")
    text = only if there and kind == "oneOf" else _("One of these must be set: %(names)s.")
    return Wrong(path, text, {"names": ", ".join(_under(path, name) for name in names)})
