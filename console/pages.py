"""What several pages share: the context of a live table and of the shell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from addons import operations
from addons.models import Cluster, Operation, VirtualNode
from addons.pods import reasons
from console.access import visible
from console.live import views
from console.live.topics import TOPICS
from console.templatetags.ui import pod_status

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


_STATES = {
    "clusters": Cluster.State,
    "nodes": VirtualNode.State,
    "operations": Operation.State,
}


def _word(topic: str, facet: str, value: str) -> str:
    """A value of a facet in the reader's language; names read as they are."""
    if facet == "phase":
        return pod_status(value)
    if facet == "state" and value in _STATES[topic]:
        return str(_STATES[topic](value).label)
    if facet == "kind" and topic == "operations":
        return operations.kind_title(value)
    if facet == "reason":
        return reasons.sentence(value, {})
    return value.upper() if facet == "provider" else value


def _facets(topic: str, counted: dict[str, dict[str, int]], query: QueryDict) -> list[Facet]:
    result = []
    for name, values in counted.items():
        chosen = query.getlist(name)
        shown = sorted(values.items(), key=lambda item: (-item[1], item[0]))[:50]
        options = [
            (value, _word(topic, name, value), count, value in chosen) for value, count in shown
        ]
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
        "facets": _facets(topic_name, topic.count_facets(request.user, params), request.GET),
        "ids_url": reverse("api:view-ids", args=[topic_name]),
        "rows_url": reverse("api:view-rows", args=[topic_name]),
        "query": params,
        "scope": _scope(request),
        **(extra or {}),
    }
    return render(request, template, context)
