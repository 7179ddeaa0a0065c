"""`GET /allocation` and `/allocation/compute`: OpenCost's parameters and answers.

The same tokens as everywhere else. Errors have OpenCost's shape too: {"code": 400, "message": ...}.
"""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from console.api.base import reader
from console.billing.allocation.answer import Mixed, Question, answer
from console.billing.allocation.keys import BadKey, aggregates, terms
from console.billing.allocation.windows import BadWindow, Window, duration, window
from console.billing.readers import teams_of

_TRUE = {"true", "1", "yes"}


def _parameter(name: str, text: str, *, required: bool = False) -> OpenApiParameter:
    return OpenApiParameter(name, OpenApiTypes.STR, description=text, required=required)


PARAMETERS = [
    _parameter(
        "window",
        "`today`, `yesterday`, `week`, `month`, `lastweek`, `lastmonth` (UTC+8), `24h`, `7d`, "
        "or two RFC 3339 times or Unix seconds with a comma",
        required=True,
    ),
    _parameter(
        "aggregate",
        "`cluster`, `node`, `namespace`, `controllerKind`, `controller`, `pod`, `label:app`, "
        "`provider`, `account`, `region`, `zone`, several with commas; default: each pod",
    ),
    _parameter("step", "Length of each set, like `1h` or `1d`; default: the window"),
    _parameter("accumulate", "`true`: one set for the whole window"),
    _parameter("filter", '`namespace:"shop","web"+label[app]:"db"`; also `!:`'),
    _parameter("currency", "Needed when there are costs in several"),
]


class Allocation(APIView):
    @extend_schema(
        summary="Costs as OpenCost's Allocation API answers them",
        parameters=PARAMETERS,
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request) -> Response:
        now = timezone.now()
        try:
            asked = _question(request)
            found = answer(teams_of(reader(request)), asked, now)
        except (BadWindow, BadKey, Mixed) as error:
            return Response({"code": 400, "message": str(error)}, status=400)
        told: dict[str, Any] = {"code": 200, "status": "success", "data": found.sets}
        return Response({**told, "currency": found.currency, "unpriced": found.unpriced})


def _question(request: Request) -> Question:
    given = request.query_params
    if not given.get("window"):
        raise BadWindow("missing required parameter window")
    span = window(given["window"], timezone.now())
    whole = given.get("accumulate", "").lower() in _TRUE
    step = duration(given["step"]) if given.get("step") and not whole else None
    windows: list[Window] = span.steps(step)
    keys = aggregates(given.get("aggregate", ""))
    return Question(windows, keys, terms(given.get("filter", "")), given.get("currency", ""))
