"""`GET /metrics` for Prometheus: text format, with a token of the scope read."""

from __future__ import annotations

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from prometheus_client import CONTENT_TYPE_LATEST
from rest_framework.request import Request
from rest_framework.views import APIView

from console.api.base import reader
from console.billing import metrics


class Metrics(APIView):
    @extend_schema(
        summary="Spend, usage, instances and budgets for Prometheus",
        responses={(200, "text/plain"): OpenApiTypes.STR},
    )
    def get(self, request: Request) -> HttpResponse:
        text = metrics.render(reader(request), timezone.now())
        return HttpResponse(text, content_type=CONTENT_TYPE_LATEST)
