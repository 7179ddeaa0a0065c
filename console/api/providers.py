"""Which clouds this installation knows, and what each asks for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from console.api import credential_shapes as shapes
from console.keys import dialects
from console.pairs import groups_max
from providers.base import Dialect, Field, TemporaryKeys


def _field(field: Field) -> dict[str, Any]:
    return {
        "name": field.name,
        "label": _(field.label),
        "help": _(field.help) if field.help else "",
        "kind": str(field.kind),
        "required": field.required,
        "default": field.default,
        "choices": list(field.choices),
        "pattern": field.pattern,
    }


def _fields(fields: Sequence[Field]) -> list[dict[str, Any]]:
    return [_field(field) for field in fields]


def shape(dialect: Dialect) -> dict[str, Any]:
    return {
        "name": dialect.name,
        "title": dialect.title,
        "vendor": dialect.vendor,
        "currency": dialect.currency,
        "credential": _fields(dialect.credential),
        "node_settings": _fields(dialect.node_settings),
        "security_groups_max": groups_max(dialect),
        "temporary_keys": isinstance(dialect, TemporaryKeys),
    }


class Providers(APIView):
    @extend_schema(
        summary="Clouds, with the fields of their keys and of their virtual nodes",
        responses=shapes.ProviderShape(many=True),
    )
    def get(self, _request: Request) -> Response:
        return Response([shape(dialect) for dialect in dialects()])
