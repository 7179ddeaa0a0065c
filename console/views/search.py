"""What the palette finds by name: clusters, components and where they are, nodes, pods."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.db.models import Q
from django.http import HttpRequest, JsonResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from addons.components.base import Component
from addons.components.catalogue import catalogue, say
from addons.models import Cluster, Installation, PodRow, VirtualNode
from console.access import visible
from console.models import Budget

MOST = 8


@require_safe
@login_required
def search(request: HttpRequest) -> JsonResponse:
    """`{"groups": [{"label", "items": [{"label", "detail", "url", "icon"}]}]}`, eight of each."""
    text = request.GET.get("q", "").strip()
    if not text:
        return JsonResponse({"groups": []})
    named = Q(name__icontains=text)
    pods = visible(PodRow, request.user).filter(
        named
        | Q(instance__cloud_id__startswith=text)
        | Q(instance__seen__shown_id__startswith=text)
        | Q(ip=text),
        gone_at=None,
    )
    nodes = visible(VirtualNode, request.user).filter(named)
    clusters = visible(Cluster, request.user).filter(named | Q(slug__icontains=text))
    components = _components(text)
    places = visible(Installation, request.user).filter(
        Q(component__in=[one.name for one in components])
        | Q(release__icontains=text)
        | Q(cluster__name__icontains=text)
    )
    groups: list[dict[str, Any]] = [
        {
            "label": _("Clusters"),
            "items": [
                {
                    "label": row.name,
                    "detail": row.region,
                    "url": reverse("cluster", args=[row.slug]),
                    "icon": "server-2",
                }
                for row in clusters[:MOST]
            ],
        },
        {
            "label": _("Components"),
            "items": [
                {
                    "label": one.name,
                    "detail": say(one.title),
                    "url": reverse("component-everywhere", args=[one.name]),
                    "icon": "puzzle",
                }
                for one in components[:MOST]
            ],
        },
        {
            "label": _("Installed components"),
            "items": [
                {
                    "label": row.component,
                    "detail": f"{row.cluster.name} {row.version}".strip(),
                    "url": reverse("component", args=[row.cluster.slug, row.component]),
                    "icon": "package",
                }
                for row in places.select_related("cluster")[:MOST]
            ],
        },
        {
            "label": _("Virtual nodes"),
            "items": [
                {
                    "label": row.name,
                    "detail": row.cluster.name,
                    "url": reverse("node", args=[row.pk]),
                    "icon": "cloud",
                }
                for row in nodes.select_related("cluster")[:MOST]
            ],
        },
        {
            "label": _("Pods"),
            "items": [
                {
                    "label": row.name,
                    "detail": row.namespace,
                    "url": reverse("pod", args=[row.pk]),
                    "icon": "cube",
                }
                for row in pods.order_by("-created_at")[:MOST]
            ],
        },
        _budgets(request, named),
    ]
    return JsonResponse({"groups": [group for group in groups if group["items"]]})


def _budgets(request: HttpRequest, named: Q) -> dict[str, Any]:
    rows = visible(Budget, request.user).filter(named)
    return {
        "label": _("Budgets"),
        "items": [
            {
                "label": row.name,
                "detail": row.get_period_display(),
                "url": reverse("billing-budget", args=[row.pk]),
                "icon": "target-arrow",
            }
            for row in rows[:MOST]
        ],
    }


def _components(text: str) -> list[Component]:
    """Those of the catalogue whose name or title, in the reader's language, has the text."""
    wanted = text.casefold()
    return [
        one
        for one in catalogue().values()
        if wanted in one.name.casefold() or wanted in say(one.title).casefold()
    ]
