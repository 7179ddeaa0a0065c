"""Pages by cursor: no COUNT, stable while rows come and go; short lists as one such page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers as s
from rest_framework.pagination import CursorPagination
from rest_framework.response import Response


class Pages(CursorPagination):
    page_size = 100
    page_size_query_param = "limit"
    max_page_size = 1000
    ordering = "-id"


def whole(rows: Sequence[Any]) -> Response:
    """All of a list that is too short for pages, in the shape of one."""
    return Response({"next": None, "previous": None, "results": rows})


def whole_of(shape: type[s.Serializer[Any]]) -> s.Serializer[Any]:
    """The shape of `whole`."""
    ends = {name: s.URLField(allow_null=True) for name in ("next", "previous")}
    name = f"Whole{shape.__name__.removesuffix('Shape')}List"
    fields = {**ends, "results": shape(many=True)}
    made = extend_schema_serializer(many=False)(type(name, (s.Serializer,), fields))
    answer: s.Serializer[Any] = made()
    return answer
