"""Pods: the live table, its export and what can be done to many at once."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from itertools import islice
from typing import Any

from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from addons.models import PodRow
from addons.pods import control
from console import audit, overview, pages
from console.access import Role, access, visible
from console.filters import PROBLEM, PodFilter
from console.live import views
from console.live.topics import MAX_IDS, TOPICS
from kube.errors import KubeError

MOST = 500
CHUNK = 500
HOW_TO = """nodeSelector:
  type: virtual-kubelet
tolerations:
  - key: virtual-kubelet.io/provider
    operator: Exists"""
EXPORTED = (
    "cluster",
    "namespace",
    "name",
    "status",
    "reason",
    "node",
    "zone",
    "provider",
    "instance_id",
    "asked",
    "spec",
    "ip",
    "restarts",
    "price_per_hour",
    "currency",
    "created_at",
)


def _tabs(request: HttpRequest) -> list[tuple[str, str, int]]:
    live = visible(PodRow, request.user).filter(gone_at=None)
    pending = PodFilter(data={"view": "pending"}, queryset=live).qs.count()
    return [
        ("", _("All pods"), 0),
        ("problems", _("Problems"), live.filter(PROBLEM).count()),
        ("pending", _("Pending > 60 s"), pending),
        ("gone", _("Gone"), 0),
    ]


@require_safe
@login_required
def pods(request: HttpRequest) -> HttpResponse:
    counted = overview.pod_numbers(request.user, request.GET.getlist("cluster"))
    if request.headers.get("HX-Request") and request.GET.get("part") == "numbers":
        return render(request, "pages/pods/numbers.html", {"counted": counted})
    extra = {
        "counted": counted,
        "tabs": _tabs(request),
        "view_code": request.GET.get("view", ""),
        "how_to": HOW_TO,
        "table_label": _("Pods"),
        "hidden": ["view"],
    }
    return pages.table(request, "pods", "pages/pods.html", extra)


# OWASP, CSV Injection: also their full-width forms.
_FORMULA = frozenset("=+-@\t\r\n＝＋－＠")


def _safe(value: object) -> str:
    """A cell that no spreadsheet takes for a formula."""
    text = "" if value is None else str(value)
    return f"'{text}" if text[:1] in _FORMULA else text


def _csv(user: User, params: str) -> str:
    topic = TOPICS["pods"]
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(EXPORTED)
    now = timezone.now()
    found = topic.whole(topic.select(user, params)).order_by(*topic.order)[:MAX_IDS]
    pods = found.iterator(chunk_size=CHUNK)
    while some := list(islice(pods, CHUNK)):
        for cells in topic.build(some, now):
            writer.writerow([_safe(cells[name]) for name in EXPORTED])
    return file.getvalue()


@require_safe
@login_required
def export(request: HttpRequest) -> HttpResponse:
    """What the filter shows, as CSV."""
    assert isinstance(request.user, User)
    lines = _csv(request.user, views.params_of(request.GET))
    response = HttpResponse(lines, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="pods.csv"'
    return response


def ids_of(request: HttpRequest) -> list[int]:
    """The ids of a bulk request, `{"ids": [...]}`; a malformed one names none."""
    try:
        given = json.loads(request.body)["ids"]
    except (ValueError, KeyError, TypeError):
        return []
    return [pk for pk in given if isinstance(pk, int)][:MOST] if isinstance(given, list) else []


def each(
    request: HttpRequest, act: Callable[[int], Any], refused: tuple[type[Exception], ...]
) -> JsonResponse:
    """Do it to every id; one refusal does not stop the others."""
    done, failed = 0, []
    known: list[type[Exception]] = [Http404, PermissionDenied, *refused]
    for pk in ids_of(request):
        try:
            act(pk)
            done += 1
        except tuple(known) as error:
            failed.append({"id": pk, "error": str(error)})
    return JsonResponse({"done": done, "failed": failed})


@require_POST
@login_required
def delete_many(request: HttpRequest) -> JsonResponse:
    def act(pk: int) -> None:
        pod = access(PodRow, request.user, role=Role.OPERATOR, pk=pk)
        control.delete(pod)
        target = f"{pod.cluster.slug}/{pod.namespace}/{pod.name}"
        audit.record(request, "pod.delete", target, team=pod.cluster.team)

    return each(request, act, (KubeError,))
