"""Ids and rows of the live tables (see `console.live.topics`)."""

from __future__ import annotations

import re

from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from console.access import visible
from console.api.base import reader
from console.api.problems import Problem
from console.live import views
from console.live.hub import hub
from console.live.topics import MAX_IDS, TOPICS, Topic

MAX_ROWS = 200
_ID = re.compile(r"^[0-9]{1,18}$")


def _topic(name: str) -> Topic:
    if name not in TOPICS:
        raise NotFound(_("There is no live table of this name."))
    return TOPICS[name]


class Ids(APIView):
    """The ordered ids of a live table under the filters given, pinned by the view token."""

    @extend_schema(
        summary="Ordered ids, facets and the view token of a live table",
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request, topic: str) -> Response:
        table = _topic(topic)
        params = views.params_of(request.query_params)
        # Read before the query: a change in between is then sent twice rather than never.
        seq = hub.seq
        ids = table.ids(reader(request), params)
        if len(ids) > MAX_IDS:
            raise Problem(
                "too_many_rows",
                _("More than %(n)s rows match.") % {"n": MAX_IDS},
                fix=_("Narrow the filter."),
                http=422,
            )
        view = views.View(reader(request).pk, topic, params, len(ids))
        return Response(
            {
                "ids": ids,
                "total": len(ids),
                "view": views.sign(view),
                "seq": seq,
                "facets": table.count_facets(request.user, params),
            }
        )


class Rows(APIView):
    """Rows of a live table by id; ids that the reader may not see are left out."""

    @extend_schema(
        summary="Rows of a live table by id",
        parameters=[OpenApiParameter("ids", str, description="Comma separated, at most 200")],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request, topic: str) -> Response:
        table = _topic(topic)
        texts = [text for text in request.query_params.get("ids", "").split(",") if text]
        if len(texts) > MAX_ROWS or not all(_ID.match(text) for text in texts):
            raise Problem(
                "bad_ids",
                _("`ids` takes at most %(n)s numbers.") % {"n": MAX_ROWS},
                http=400,
            )
        asked = [int(text) for text in texts]
        rows = table.rows(sorted(_seen(table, request, asked)))
        return Response({"rows": [rows[pk] for pk in asked if pk in rows]})


def _seen(table: Topic, request: Request, ids: list[int]) -> set[int]:
    """By right alone, not by filter: a row that just left the filter is still shown."""
    rows = visible(table.model, request.user).filter(pk__in=ids)
    return set(rows.values_list("pk", flat=True))
