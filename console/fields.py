"""Forms made of the fields that a provider asks for: of a key, of a virtual node.

The same checks serve pages and REST. Values are text, as `providers.base.Field` says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.core.validators import RegexValidator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from providers.base import Field, FieldKind

MOST = {FieldKind.LONG_SECRET: 512_000, FieldKind.SECRET: 8192}


class SecretArea(forms.Textarea):
    """Like a password field: what was pasted is not sent back."""

    def format_value(self, value: Any) -> str:
        return ""


class ListField(forms.CharField):
    """Words between commas or blanks, kept as `a,b,c`."""

    def to_python(self, value: Any) -> str:
        text = ",".join(value) if isinstance(value, list) else str(value or "")
        return ",".join(text.replace(",", " ").split())


def _attrs(**more: str) -> dict[str, str]:
    return {"class": "input", "autocomplete": "off", "spellcheck": "false", **more}


def _widget(field: Field) -> forms.Widget:
    if field.kind is FieldKind.SECRET:
        return forms.PasswordInput(attrs=_attrs(autocomplete="new-password"), render_value=False)
    if field.kind is FieldKind.LONG_SECRET:
        return SecretArea(attrs=_attrs(rows="12"))
    return forms.TextInput(attrs=_attrs())


def form_field(field: Field) -> forms.Field:
    """The field as a form has it."""
    common: dict[str, Any] = {
        "label": gettext_lazy(field.label),
        "help_text": gettext_lazy(field.help) if field.help else "",
        "initial": field.default,
        "required": field.required and not field.default,
    }
    if field.kind is FieldKind.FLAG:
        widget = forms.CheckboxInput(attrs={"class": "switch"})
        initial = field.default == "true"
        return forms.BooleanField(
            **{**common, "required": False, "initial": initial}, widget=widget
        )
    if field.kind is FieldKind.CHOICE:
        blank = [] if field.default else [("", "–")]
        choices = [*blank, *((choice, choice) for choice in field.choices)]
        return forms.ChoiceField(
            **common, choices=choices, widget=forms.Select(attrs={"class": "input"})
        )
    kind = ListField if field.kind is FieldKind.LIST else forms.CharField
    made = kind(
        **common,
        max_length=MOST.get(field.kind, 2048),
        widget=_widget(field),
        strip=field.kind is not FieldKind.LONG_SECRET,
    )
    if field.pattern:
        wrong = gettext_lazy("This does not have the form that is asked for.")
        made.validators.append(RegexValidator(rf"\A(?:{field.pattern})\Z", wrong))
    return made


class FieldsForm(forms.Form):
    """A form of `asked`, besides what its subclass declares."""

    def __init__(self, asked: Sequence[Field], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.asked = tuple(asked)
        for field in self.asked:
            self.fields[field.name] = form_field(field)

    def texts(self) -> dict[str, str]:
        """The valid values by the names of the fields asked for."""
        values = {field.name: self.cleaned_data[field.name] for field in self.asked}
        return {
            name: str(value).lower() if isinstance(value, bool) else str(value)
            for name, value in values.items()
        }


def read(
    asked: Sequence[Field], given: Mapping[str, str]
) -> tuple[dict[str, str], dict[str, list[str]]]:
    """What a program gave, and what is wrong with it by field. What was not given is left out."""
    form = FieldsForm(asked, data=dict(given))
    errors = {name: [str(text) for text in texts] for name, texts in form.errors.items()}
    known = [field.name for field in asked]
    for name in sorted(given.keys() - set(known)):
        errors[name] = [
            _("There is no such field; those are: %(names)s") % {"names": ", ".join(known)}
        ]
    if errors:
        return {}, errors
    return {name: text for name, text in form.texts().items() if name in given}, {}
