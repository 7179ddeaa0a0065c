"""The first page."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from addons.models import Cluster, Operation, PodRow, VirtualNode
from console import history, overview
from console.access import visible
from console.billing import live
from console.billing.readers import teams_of
from console.live.rows import operation_rows
from console.templatetags.ui import short_duration
from console.views.billing.now import ticking
from providers.models import CloudAccount


def _hours(request: HttpRequest) -> int:
    """How far back the charts look."""
    given = request.GET.get("hours", "")
    wanted = int(given) if given.isdecimal() else 0
    return wanted if wanted in history.HOURS else history.HOURS[0]


@require_safe
@login_required
def page(request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    hours = _hours(request)
    if (part := request.GET.get("part")) in ("running", "starts"):
        return JsonResponse(history.chart(request.user, part, hours, now))
    operations = (
        visible(Operation, request.user).select_related("cluster").prefetch_related("steps")[:5]
    )
    spent = live.spend(teams_of(request.user), now)
    context = {
        "numbers": overview.numbers(request.user, spent),
        "spending": ticking(spent, now),
        "attention": overview.attention(request.user, now),
        "namespaces": overview.top_namespaces(request.user, now),
        "providers": overview.providers(visible(PodRow, request.user)),
        "operations": operation_rows(list(operations), now),
        "hours": hours,
        "spans": [(span, short_duration(span * 3600)) for span in (1, 3, 24, 168)],
        "steps": {
            "credential": visible(CloudAccount, request.user).exists(),
            "cluster": visible(Cluster, request.user).exists(),
            "node": visible(VirtualNode, request.user).exists(),
        },
    }
    partial = request.headers.get("HX-Request") and request.GET.get("part") == "numbers"
    template = "pages/overview/numbers.html" if partial else "pages/overview.html"
    return render(request, template, context)
