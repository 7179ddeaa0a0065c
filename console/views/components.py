"""The catalogue of components: of all clusters, of one, and one component everywhere."""

from __future__ import annotations

from collections import defaultdict

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from addons.components import manage
from addons.components.base import Component
from addons.components.catalogue import catalogue, say
from addons.models import Cluster, Installation
from console.access import access, visible
from console.live.installed import behind
from console.offers import DELIVERIES, Card, card, found_component, grouped, needs
from console.views.clusters import TABS

# Clusters that a page asks offers of; beyond that the fleet page and its filter serve.
MOST_CLUSTERS = 200


def tabs() -> list[tuple[str, str, str]]:
    return [
        ("components", "components", _("Catalogue")),
        ("fleet", "components-fleet", _("Across clusters")),
    ]


@require_safe
@login_required
def everywhere(request: HttpRequest) -> HttpResponse:
    """Every component of the catalogue, and in how many clusters it is."""
    found: dict[str, list[Installation]] = defaultdict(list)
    for row in visible(Installation, request.user).select_related("cluster"):
        found[row.component].append(row)
    cards = [Card(one, None, one.latest.version, True, "") for one in catalogue().values()]
    context = {
        "groups": [
            (label, [(one, _counts(one.component, found[one.component.name])) for one in some])
            for label, some in grouped(cards)
        ],
        "clusters": visible(Cluster, request.user).count(),
        "tabs": tabs(),
        "tab": "components",
        "nav": "components",
    }
    return render(request, "pages/components.html", context)


def _counts(component: Component, rows: list[Installation]) -> dict[str, int]:
    return {
        "installed": len(rows),
        "behind": sum(behind(row, component) for row in rows),
        "failed": sum(row.state == Installation.State.FAILED for row in rows),
        "drifted": sum(bool(row.drift) for row in rows),
    }


@require_safe
@login_required
def component(request: HttpRequest, name: str) -> HttpResponse:
    """One component: what it is, and what it is in each cluster."""
    one = found_component(name)
    clusters = visible(Cluster, request.user).select_related("team", "account")[:MOST_CLUSTERS]
    offers = [(row, _offer(row, one)) for row in clusters]
    context = {
        "card": Card(one, None, one.latest.version, True, ""),
        "component": one,
        "requires": needs(one.latest.requires),
        "permissions": [(asked.what, say(asked.why)) for asked in one.permissions],
        "deliveries": [str(DELIVERIES[kind]) for kind in one.deliveries],
        "rows": [(cluster, found) for cluster, found in offers if found],
        "nav": "components",
    }
    return render(request, "pages/component_everywhere.html", context)


def _offer(cluster: Cluster, component: Component) -> Card | None:
    found = next((o for o in manage.offers(cluster) if o.component.name == component.name), None)
    return card(found) if found else None


@require_safe
@login_required
def in_cluster(request: HttpRequest, slug: str) -> HttpResponse:
    cluster = access(Cluster, request.user, slug=slug)
    cards = [card(offer) for offer in manage.offers(cluster)]
    context = {
        "cluster": cluster,
        "groups": grouped(cards),
        "tabs": TABS,
        "tab": "components",
        "scope": cluster,
        "nav": "components",
    }
    partial = request.headers.get("HX-Request") and request.GET.get("part") == "body"
    body = "pages/components/cluster_body.html"
    return render(request, body if partial else "pages/cluster_components.html", context)
