"""What other tools expect at addresses of their own: OpenCost's allocation, Prometheus' metrics."""

from __future__ import annotations

from django.urls import path

from console.api.allocation import Allocation
from console.api.metrics import Metrics

app_name = "cost-api"

urlpatterns = [
    path("allocation", Allocation.as_view(), name="allocation"),
    path("allocation/compute", Allocation.as_view(), name="allocation-compute"),
    path("metrics", Metrics.as_view(), name="metrics"),
]
