"""What several pages share: the context of a live table and of the shell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from addons.models import Cluster
from console.access import visible
from console.live import views
from console.live.topics import TOPICS

FIRST_ROWS = 50

_FACET_LABELS = {
    "phase": _("Phase"),
    "cluster": _("Cluster"),
    "namespace": _("Namespace"),
    "provider": _("Provider"),
    "node": _("Node"),
    "zone": _("Zone"),
    "state": _("State"),
    "kind": _("Kind"),
    "region": _("Region"),
    "reason": _("Reason"),
}


@dataclass(frozen=True, slots=True)
class Facet:
    name: str
    label: Any
    options: list[tuple[str, str, int, bool]]


def _facets(counted: dict[str, dict[str, int]], query: QueryDict) -> list[Facet]:
    result = []
    for name, values in counted.items():
        chosen = query.getlist(name)
        shown = sorted(values.items(), key=lambda item: (-item[1], item[0]))[:50]
        options = [(value, value, count, value in chosen) for value, count in shown]
        result.append(Facet(name, _FACET_LABELS[name], options))
    return result


def _scope(request: HttpRequest) -> Cluster | None:
    """The one cluster that the address narrows the page to."""
    chosen = request.GET.getlist("cluster")
    if len(chosen) != 1:
        return None
    return visible(Cluster, request.user).filter(slug=chosen[0]).first()


def table(
    request: HttpRequest, topic_name: str, template: str, extra: dict[str, Any] | None = None
) -> HttpResponse:
    """A page around a live table: its first rows and facets; the browser reads the rest."""
    assert isinstance(request.user, User)
    topic = TOPICS[topic_name]
    params = views.params_of(request.GET)
    ids = topic.ids(request.user, params, limit=FIRST_ROWS)
    rows = topic.rows(ids)
    context = {
        "topic": topic_name,
        "rows": [rows[pk] for pk in ids if pk in rows],
        "facets": _facets(topic.count_facets(request.user, params), request.GET),
        "ids_url": reverse("api:view-ids", args=[topic_name]),
        "rows_url": reverse("api:view-rows", args=[topic_name]),
        "query": params,
        "scope": _scope(request),
        **(extra or {}),
    }
    return render(request, template, context)
