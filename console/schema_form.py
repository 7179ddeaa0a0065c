"""Forms made of the JSON Schema of a component's values, and the values read back from them.

A field is named by its dotted key. What a person leaves at the schema's default is not kept: the
defaults belong to the version. Words of the schema that forms understand:

    x-credential   provider, or `any`: an integer that names a credential of the cluster's team
    x-picker       subnet | subnets | security-group | security-groups | region: offered as the key
                   that was chosen sees them; the plural ones are comma separated texts
    x-advanced     folded away until somebody asks

Values also come and go as YAML: the same schema judges both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml
from django import forms
from django.core.validators import RegexValidator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from addons.components.base import Json, merged
from addons.components.catalogue import localised
from addons.components.judge import wrong
from addons.components.values import nested
from console.fields import ListField
from kube.plain_yaml import PlainYamlError, compose
from providers.models import CloudAccount

MOST_YAML = 256 * 1024
_TEXT = {"class": "input", "autocomplete": "off", "spellcheck": "false"}
_AREA = {"class": "input", "spellcheck": "false", "rows": "6"}
_SELECT = {"class": "input"}
_ABSENT = object()
_FORM = gettext_lazy("This does not have the form that is asked for.")


class ValuesError(Exception):
    """The YAML is no mapping of values; `str()` says why in the reader's language."""


# --- YAML -------------------------------------------------------------------------------------


def to_yaml(values: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(values), allow_unicode=True, sort_keys=False) if values else ""


def from_yaml(text: str) -> Json:
    """Raises `ValuesError`. Anchors and tags are refused, the size is bounded."""
    try:
        nodes = compose(text, max_bytes=MOST_YAML, max_depth=32)
        found = yaml.safe_load(text) if nodes else {}
    except (PlainYamlError, yaml.YAMLError) as error:
        raise ValuesError(_("This is no YAML: %(error)s") % {"error": error}) from error
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        raise ValuesError(_("Write a mapping of keys and values."))
    return found


# --- kinds of fields --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Asked:
    """One leaf of the schema, by its dotted key; `sub` has its texts in the reader's language."""

    key: str
    sub: Mapping[str, Any]
    required: bool

    @property
    def picker(self) -> str:
        return "credential" if "x-credential" in self.sub else str(self.sub.get("x-picker", ""))

    @property
    def many(self) -> bool:
        """A text of several ids between commas."""
        return self.kind == "text" and self.picker in {"subnets", "security-groups"}

    @property
    def advanced(self) -> bool:
        return bool(self.sub.get("x-advanced"))

    @property
    def kind(self) -> str:
        """choice, boolean, integer, number, text, words, rows, pairs or yaml."""
        kind, items = self.sub.get("type"), self.sub.get("items") or {}
        if "enum" in self.sub:
            return "choice"
        if kind in {"boolean", "integer", "number"}:
            return str(kind)
        if kind == "string":
            return "text"
        if kind == "array" and items.get("type") == "string":
            return "words"
        if kind == "array" and _flat_object(items):
            return "rows"
        return "pairs" if kind == "object" and not self.sub.get("properties") else "yaml"

    @property
    def columns(self) -> list[str]:
        return list((self.sub.get("items") or {}).get("properties") or {})


def _flat_object(items: Mapping[str, Any]) -> bool:
    inner = items.get("properties") or {}
    return bool(inner) and all(sub.get("type") == "string" for sub in inner.values())


def asked_of(schema: Mapping[str, Any], prefix: str = "") -> Iterator[Asked]:
    """Every leaf, in the order of the schema."""
    required = set(schema.get("required") or ())
    for key, sub in (schema.get("properties") or {}).items():
        if sub.get("type") == "object" and sub.get("properties"):
            yield from asked_of(sub, f"{prefix}{key}.")
        else:
            yield Asked(f"{prefix}{key}", sub, key in required and "default" not in sub)


def shown(asked: Asked, value: Any) -> Any:
    """A value as its field shows it."""
    if value is _ABSENT or value is None:
        return False if asked.kind == "boolean" else ""
    if asked.kind == "words":
        return ",".join(value)
    if asked.kind == "rows":
        lines = [" ".join(str(row.get(c, "")) for c in asked.columns) for row in value]
        return "\n".join(lines)
    if asked.kind == "pairs":
        return "\n".join(f"{name}={text}" for name, text in value.items())
    return to_yaml(value) if asked.kind == "yaml" else value


def taken(asked: Asked, given: Any) -> Any:
    """What a field's cleaned value means; `_ABSENT` for nothing. Raises `ValidationError`."""
    if given in (None, "", []):
        return _ABSENT
    if asked.picker == "credential":
        return given.pk
    reading = _READ.get(asked.kind)
    return reading(asked, given) if reading else given


def _rows(asked: Asked, text: str) -> list[Json]:
    return [_row(asked, line) for line in text.splitlines() if line.strip()]


def _pairs(_asked: Asked, text: str) -> dict[str, str]:
    return dict(_pair(line) for line in text.splitlines() if line.strip())


def _tree(_asked: Asked, text: str) -> Json:
    try:
        return from_yaml(text)
    except ValuesError as error:
        raise forms.ValidationError(str(error)) from error


def _row(asked: Asked, line: str) -> Json:
    words = line.split()
    if len(words) > len(asked.columns):
        shape = " ".join(asked.columns)
        raise forms.ValidationError(_("One per line: %(shape)s") % {"shape": shape})
    return dict(zip(asked.columns, words, strict=False))


def _pair(line: str) -> tuple[str, str]:
    name, sign, text = line.partition("=")
    if not sign or not name.strip():
        raise forms.ValidationError(_("One per line: %(shape)s") % {"shape": "name=value"})
    return name.strip(), text.strip()


_READ: dict[str, Callable[[Asked, Any], Any]] = {
    "words": lambda _asked, text: text.split(","),
    "rows": _rows,
    "pairs": _pairs,
    "number": lambda _asked, text: float(text),
    "yaml": _tree,
}


# --- fields -----------------------------------------------------------------------------------


class Lines(forms.CharField):
    """Lines of a text, or the boxes that are ticked."""

    def to_python(self, value: Any) -> str:
        return "\n".join(value) if isinstance(value, list) else str(value or "")


def _options(asked: Asked, offers: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the chosen key sees of the picker's kind; empty: nothing is known, it is typed."""
    subnets, groups = offers.get("subnets") or (), offers.get("security_groups") or ()
    if asked.picker == "subnet" and asked.kind == "rows":
        return [(f"{one['zone']} {one['id']}", _subnet(one)) for one in subnets if one.get("zone")]
    if asked.picker in {"subnet", "subnets"}:
        return [(one["id"], _subnet(one)) for one in subnets]
    if asked.picker in {"security-group", "security-groups"}:
        return [(one["id"], f"{one['id']} {one['name']}".strip()) for one in groups]
    return (
        [(name, name) for name in offers.get("regions") or ()] if asked.picker == "region" else []
    )


def _subnet(one: Mapping[str, Any]) -> str:
    return _("%(id)s · %(zone)s · %(cidr)s · %(free)s free") % {
        "id": one["id"],
        "zone": one["zone"],
        "cidr": one["cidr"],
        "free": "–" if one["free_ips"] is None else one["free_ips"],
    }


def _made(asked: Asked, accounts: Any, offers: Mapping[str, Any]) -> forms.Field:
    sub = asked.sub
    common: dict[str, Any] = {
        "label": sub.get("title") or asked.key,
        "help_text": sub.get("description", ""),
        "required": asked.required,
    }
    if asked.picker == "credential":
        return _credential(asked, accounts, common)
    if asked.kind == "boolean":
        switch = forms.CheckboxInput(attrs={"class": "switch"})
        return forms.BooleanField(**{**common, "required": False}, widget=switch)
    if asked.kind in {"integer", "number"}:
        kind = forms.IntegerField if asked.kind == "integer" else forms.FloatField
        bounds: dict[str, Any] = {"min_value": sub.get("minimum"), "max_value": sub.get("maximum")}
        return kind(**common, **bounds, widget=forms.NumberInput(attrs=_TEXT))
    options = _options(asked, offers)
    if options and (asked.kind in {"words", "rows"} or asked.many):
        many = Lines if asked.kind == "rows" else ListField
        return many(**common, widget=forms.CheckboxSelectMultiple(choices=options))
    if options or asked.kind == "choice":
        choices = options or [(text, str(text)) for text in sub["enum"]]
        blank = [] if asked.required or "default" in sub else [("", "–")]
        select = forms.Select(attrs=_SELECT)
        return forms.ChoiceField(**common, choices=[*blank, *choices], widget=select)
    return _text(asked, common)


def _credential(asked: Asked, accounts: Any, common: dict[str, Any]) -> forms.Field:
    wanted = asked.sub["x-credential"]
    found = accounts if wanted == "any" else accounts.filter(provider=wanted)
    field = forms.ModelChoiceField(
        found, **common, empty_label="–", widget=forms.Select(attrs=_SELECT)
    )
    field.label_from_instance = lambda row: f"{row.name} ({row.provider.upper()} {row.region})"  # type: ignore[method-assign, assignment]
    return field


def _text(asked: Asked, common: dict[str, Any]) -> forms.Field:
    if asked.kind in {"rows", "pairs", "yaml"}:
        return Lines(**common, max_length=MOST_YAML, widget=forms.Textarea(attrs=_AREA))
    if asked.kind == "words" or asked.many:
        return ListField(**common, max_length=8192, widget=forms.TextInput(attrs=_TEXT))
    most = asked.sub.get("maxLength", 2048)
    field = forms.CharField(**common, max_length=most, widget=forms.TextInput(attrs=_TEXT))
    if pattern := asked.sub.get("pattern"):
        field.validators.append(RegexValidator(pattern, _FORM))
    return field


# --- the form ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Shown:
    """A field on the page: `changed` when it is not at its default, `default` as text."""

    field: forms.BoundField
    key: str
    default: str
    changed: bool
    boxes: bool


class SchemaForm(forms.Form):
    """A form of some leaves of a schema over `values`; the other values stay as they are."""

    def __init__(
        self,
        schema: Json,
        values: Mapping[str, Any],
        data: Any = None,
        *,
        keys: Sequence[str] | None = None,
        accounts: Any = None,
        offers: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(data)
        self.schema, self.given = schema, dict(values)
        accounts = CloudAccount.objects.none() if accounts is None else accounts
        leaves = list(asked_of(localised(schema)))
        self.asked = [one for one in leaves if keys is None or one.key in keys]
        for one in self.asked:
            field = _made(one, accounts, offers or {})
            field.initial = shown(one, at(values, one.key, one.sub.get("default", _ABSENT)))
            if isinstance(field.widget, forms.CheckboxSelectMultiple):
                field.initial = str(field.initial).split("\n" if one.kind == "rows" else ",")
            self.fields[one.key] = field
        self.values: Json = self.given

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        kept = dict(self.given)
        for one in self.asked:
            if one.key not in cleaned:
                continue
            try:
                value = taken(one, cleaned[one.key])
            except forms.ValidationError as error:
                self.add_error(one.key, error)
                continue
            default = one.sub.get("default", _ABSENT)
            # A switch that stands nowhere and was not touched says nothing.
            untouched = value is False and at(self.given, one.key, _ABSENT) is _ABSENT
            silent = untouched if default is _ABSENT else value == default
            kept = _put(kept, one.key, _ABSENT if silent else value)
        self.values = kept
        self._judge()
        return cleaned

    def _judge(self) -> None:
        """The schema has the last word on the fields that are here."""
        for found in wrong(self.schema, merged(defaults(self.schema), self.values)):
            owner = next(
                (
                    one.key
                    for one in self.asked
                    if found.path == one.key or found.path.startswith(f"{one.key}.")
                ),
                None,
            )
            if owner and owner not in self.errors:
                self.add_error(owner, found.message)

    def _shown(self, advanced: bool) -> list[Shown]:
        found = []
        for one in self.asked:
            if one.advanced is not advanced:
                continue
            default = one.sub.get("default", _ABSENT)
            there = at(self.given, one.key, _ABSENT)
            bound = self[one.key]
            boxes = isinstance(bound.field.widget, forms.CheckboxSelectMultiple)
            plain = default in (_ABSENT, "", {}, []) or isinstance(default, bool)
            text = "" if plain else str(shown(one, default))
            changed = there is not _ABSENT and there != default
            found.append(Shown(bound, one.key, text, changed, boxes))
        return found

    @property
    def basic(self) -> list[Shown]:
        return self._shown(False)

    @property
    def folded(self) -> list[Shown]:
        return self._shown(True)


def defaults(schema: Json) -> Json:
    return nested({one.key: one.sub["default"] for one in asked_of(schema) if "default" in one.sub})


def at(values: Mapping[str, Any], key: str, otherwise: Any) -> Any:
    """The value under a dotted key."""
    place: Any = values
    for part in key.split("."):
        if not isinstance(place, Mapping) or part not in place:
            return otherwise
        place = place[part]
    return place


def _put(values: Json, key: str, value: Any) -> Json:
    """A copy with one dotted key set, or taken out."""
    first, _dot, rest = key.partition(".")
    result = dict(values)
    if rest:
        below = result.get(first)
        inner = _put(below if isinstance(below, dict) else {}, rest, value)
        if inner:
            result[first] = inner
        else:
            result.pop(first, None)
    elif value is _ABSENT:
        result.pop(first, None)
    else:
        result[first] = value
    return result
