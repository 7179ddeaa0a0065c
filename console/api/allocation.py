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
from console.billing.allocation.filters import parse
from console.billing.allocation.keys import BadKey, aggregates
from console.billing.allocation.windows import BadWindow, sets, window
from console.billing.readers import teams_of


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
    _parameter(
        "step",
        "Length of each set: `1h`, `1d`, or `hour`, `day`, `week`, `month`, `quarter` of the "
        "calendar; default: the window",
    ),
    _parameter(
        "accumulate",
        "`true` or `all`: one set for the whole window; `hour`, `day`, `week`, `month`, "
        "`quarter`: one for each; `accumulateBy` is the same",
    ),
    _parameter(
        "filter",
        '`namespace:"shop","web"+label[app]:"db"`: fields joined by `+` or `|`, with brackets; '
        "`:` is, `~:` contains, `<~:` begins with, `~>:` ends with, each after `!` for its "
        "contrary",
    ),
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
    accumulate = given.get("accumulateBy") or given.get("accumulate", "")
    return Question(
        sets(span, given.get("step", ""), accumulate),
        aggregates(given.get("aggregate", "")),
        parse(given.get("filter", "")),
        given.get("currency", ""),
    )
