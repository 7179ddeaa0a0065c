"""The log of a component's own pods, by the same pane as a pod's log."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from addons.components import logs as component_logs
from addons.models import Installation
from console import logs
from console.api.component_logs import read_lines
from console.api.problems import Problem
from console.refusals import EXPLAINED, Refusal, explain
from console.views.installation import place_of

PANE_LINES = 2000


@require_safe
@login_required
def pane(request: HttpRequest, slug: str, name: str) -> HttpResponse:
    """Its containers as the cluster has them now, and the pane: a fragment; no page waits."""
    place = place_of(request, slug, name)
    row = place.installation
    context: dict[str, Any] = {
        "cluster": place.cluster,
        "component": place.component,
        "installation": row,
        "hosted": row is not None and not component_logs.has_pods(row),
        "sources": [],
    }
    if row is not None and component_logs.has_pods(row):
        try:
            context["sources"] = component_logs.sources(row)
        except TimeoutError:
            text = _("The cluster did not answer in time.")
            context["refusal"] = Refusal("cluster_silent", text)
        except EXPLAINED as error:
            context["refusal"] = explain(error)
    return render(request, "pages/component/logs_now.html", context)


@require_safe
@login_required
def lines(request: HttpRequest, slug: str, name: str) -> JsonResponse:
    """`{"lines", "cursor", "end"}`: what is new after `?cursor=`; `?from=` is pod/container."""
    row = _installed(request, slug, name)
    cursor = logs.Cursor.parse(request.GET.get("cursor", ""))
    pod, _bar, container = request.GET.get("from", "").partition("/")
    query = {"pod": pod, "container": container, "tail": str(PANE_LINES)}
    since = cursor.since_seconds(timezone.now())
    if since is not None:
        query["since"] = str(since)
    if request.GET.get("previous"):
        query["previous"] = "true"
    try:
        text = read_lines(row, query)
    except Problem as problem:
        return JsonResponse({"detail": str(problem.detail)}, status=problem.status_code)
    fresh, cursor = logs.fresh(text.splitlines(), cursor)
    return JsonResponse({"lines": fresh, "cursor": str(cursor), "end": False})


def _installed(request: HttpRequest, slug: str, name: str) -> Installation:
    row = place_of(request, slug, name).installation
    if row is None:
        raise Http404(_("It is not installed."))
    return row
