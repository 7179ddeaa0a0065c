"""Virtual nodes: the list, adding one, the page of one, cordon and removal."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from addons.components import vendor_nodes
from addons.models import Installation, PodRow, VirtualNode
from addons.nodes import install
from console import audit, pages
from console.access import Role, access, visible
from console.billing import places
from console.keys import known
from console.live.rows import node_rows, pod_rows
from console.pairs import settings_of, subnet_words
from console.refusals import EXPLAINED, Refusal, explain
from console.snippets import snippet
from console.supply import supplies
from console.views.billing import place as place_money

# Installations whose clusters one look at the page asks.
MOST_LOOKS = 50


@require_safe
@login_required
def nodes(request: HttpRequest) -> HttpResponse:
    if request.headers.get("HX-Request") and request.GET.get("part") == "vendor":
        return _vendor(request)
    extra = {"table_label": _("Virtual nodes")}
    return pages.table(request, "nodes", "pages/nodes.html", extra)


def _vendor(request: HttpRequest) -> HttpResponse:
    """Those of components: a fragment, so that no page waits for clusters."""
    rows = visible(Installation, request.user).select_related("cluster")
    clusters = {"cluster__slug": request.GET["cluster"]} if request.GET.get("cluster") else {}
    found = vendor_nodes.of_all(rows.filter(**clusters)[:MOST_LOOKS])
    looks = [
        (row, None, _silent(seen)) if isinstance(seen, Exception) else (row, seen, None)
        for row, seen in found
    ]
    return render(request, "pages/nodes/vendor.html", {"looks": looks})


def _silent(error: Exception) -> Refusal:
    if isinstance(error, TimeoutError):
        return Refusal("cluster_silent", _("The cluster did not answer in time."))
    return explain(error)


def _settings(node: VirtualNode) -> list[tuple[str, str]]:
    """Name and value of what the node was set to, as its providers call it."""
    labels = {field.name: _(field.label) for field in settings_of(node.accounts)}
    return [(labels.get(name, name), value) for name, value in sorted(node.settings.items())]


@require_safe
@login_required
def supply(request: HttpRequest, pk: int) -> HttpResponse:
    """Stock and quota as the clouds tell them now: a fragment, so that no cloud holds up a page."""
    found = access(VirtualNode, request.user, pk=pk)
    return render(request, "pages/node/supply.html", {"supplies": supplies(found), "node": found})


@require_safe
@login_required
def cost(request: HttpRequest, pk: int) -> HttpResponse:
    """A fragment: the body of the page is drawn anew at every change, sums need not be."""
    found = access(VirtualNode, request.user, pk=pk)
    by = ("namespace", "workload")
    context = place_money.context(request.user, places.of_node(found), timezone.now(), by)
    return render(request, "pages/billing/place.html", context)


@require_safe
@login_required
def node(request: HttpRequest, pk: int) -> HttpResponse:
    found = access(VirtualNode, request.user, pk=pk)
    now, dialect = timezone.now(), known(found.provider)
    pods = PodRow.objects.filter(node=found, gone_at=None).select_related(
        "cluster", "node", "instance"
    )
    context = {
        "node": found,
        "row": node_rows([found], now)[0],
        "pods": pod_rows(list(pods.order_by("-created_at")[:20]), now),
        "snippet": snippet(found),
        "words": subnet_words(dialect) if dialect else {},
        "settings": _settings(found),
        "labels": sorted(found.labels.items()),
        "scope": found.cluster,
    }
    partial = request.headers.get("HX-Request") and request.GET.get("part") == "body"
    return render(request, "pages/node/body.html" if partial else "pages/node.html", context)


@require_POST
@login_required
def cordon(request: HttpRequest, pk: int) -> HttpResponse:
    found = access(VirtualNode, request.user, role=Role.OPERATOR, pk=pk)
    wanted = not found.unschedulable
    try:
        install.set_unschedulable(found, wanted)
    except EXPLAINED as error:
        messages.error(request, explain(error).detail)
    else:
        action = "node.cordon" if wanted else "node.uncordon"
        audit.record(request, action, found.name, team=found.cluster.team)
        text = _("No new pods come here.") if wanted else _("New pods may come here again.")
        messages.success(request, text)
    return redirect("node", pk)


@require_POST
@login_required
def remove(request: HttpRequest, pk: int) -> HttpResponse:
    found = access(VirtualNode, request.user, role=Role.OWNER, pk=pk)
    choice = "leave" if request.POST.get("instances") == "leave" else "delete"
    operation = install.remove_node(
        found, actor=request.user.get_username(), team=found.cluster.team, instances=choice
    )
    detail = {"instances": choice}
    audit.record(request, "node.remove", found.name, team=found.cluster.team, detail=detail)
    return redirect("operation", operation.pk)
