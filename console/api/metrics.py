"""`GET /metrics` for Prometheus: its text format or OpenMetrics, with a token of the scope read."""

from __future__ import annotations

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from console.api.base import reader
from console.api.negotiation import OneForm
from console.billing import metrics


class Metrics(APIView):
    content_negotiation_class = OneForm

    @extend_schema(
        summary="Spend, usage, instances and budgets for Prometheus",
        responses={
            (200, "text/plain"): OpenApiTypes.STR,
            (200, "application/openmetrics-text"): OpenApiTypes.STR,
        },
    )
    def get(self, request: Request) -> HttpResponse:
        accept = request.headers.get("Accept", "")
        text, media_type = metrics.render(reader(request), timezone.now(), accept)
        return HttpResponse(text, content_type=media_type, headers={"Vary": "Accept"})
