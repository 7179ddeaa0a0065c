"""The numbers of the first page."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from addons.models import PodRow
from console import overview
from console.access import visible
from console.api import shapes
from console.billing import live
from console.billing.readers import teams_of
from console.live.rows import money


def _provider(load: overview.ProviderLoad) -> dict[str, Any]:
    spend = {currency: money(amount) for currency, amount in load.spend_per_hour.items()}
    return {**asdict(load), "spend_per_hour": spend}


class Overview(APIView):
    @extend_schema(
        summary="Clusters, nodes, pods and spend per hour", responses=shapes.OverviewShape
    )
    def get(self, request: Request) -> Response:
        spent = live.spend(teams_of(request.user), timezone.now())
        found = asdict(overview.numbers(request.user, spent))
        found["spend_per_hour"] = {
            currency: money(amount) for currency, amount in found["spend_per_hour"].items()
        }
        pods = overview.providers(visible(PodRow, request.user))
        return Response({**found, "providers": [_provider(load) for load in pods]})
