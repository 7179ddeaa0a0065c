"""The numbers of the first page."""

from __future__ import annotations

from dataclasses import asdict

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from console import overview
from console.api import shapes
from console.live.rows import money


class Overview(APIView):
    @extend_schema(
        summary="Clusters, nodes, pods and spend per hour", responses=shapes.OverviewShape
    )
    def get(self, request: Request) -> Response:
        found = asdict(overview.numbers(request.user))
        found["spend_per_hour"] = {
            currency: money(amount) for currency, amount in found["spend_per_hour"].items()
        }
        return Response(found)
