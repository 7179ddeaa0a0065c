"""What the palette finds by name: clusters, components and where they are, nodes, pods, budgets."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from django.contrib.auth.decorators import login_required
from django.db.models import Q
from django.http import HttpRequest, JsonResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from addons.components.base import Component
from addons.components.catalogue import catalogue, say
from addons.models import Cluster, Installation, PodRow, VirtualNode
from console.access import AnyUser, visible
from console.models import Budget

MOST = 8
Item = dict[str, str]


@require_safe
@login_required
def search(request: HttpRequest) -> JsonResponse:
    """`{"groups": [{"label", "items": [{"label", "detail", "url", "icon"}]}]}`, eight of each."""
    text = request.GET.get("q", "").strip()
    if not text:
        return JsonResponse({"groups": []})
    groups = (
        (_("Clusters"), _clusters(request.user, text)),
        (_("Components"), _components(text)),
        (_("Installed components"), _installed(request.user, text)),
        (_("Virtual nodes"), _nodes(request.user, text)),
        (_("Pods"), _pods(request.user, text)),
        (_("Budgets"), _budgets(request.user, text)),
    )
    found = ({"label": label, "items": list(islice(items, MOST))} for label, items in groups)
    return JsonResponse({"groups": [group for group in found if group["items"]]})


def _item(icon: str, label: str, detail: str, page: str, *of: object) -> Item:
    return {"label": label, "detail": detail, "url": reverse(page, args=of), "icon": icon}


def _clusters(user: AnyUser, text: str) -> Iterator[Item]:
    rows = visible(Cluster, user).filter(Q(name__icontains=text) | Q(slug__icontains=text))
    for row in rows[:MOST]:
        yield _item("server-2", row.name, row.region, "cluster", row.slug)


def _components(text: str) -> Iterator[Item]:
    for one in _of_catalogue(text):
        yield _item("puzzle", one.name, say(one.title), "component-everywhere", one.name)


def _installed(user: AnyUser, text: str) -> Iterator[Item]:
    rows = visible(Installation, user).filter(
        Q(component__in=[one.name for one in _of_catalogue(text)])
        | Q(release__icontains=text)
        | Q(cluster__name__icontains=text)
    )
    for row in rows.select_related("cluster")[:MOST]:
        where, name = row.cluster, row.component
        detail = f"{where.name} {row.version}".strip()
        yield _item("package", name, detail, "component", where.slug, name)


def _nodes(user: AnyUser, text: str) -> Iterator[Item]:
    rows = visible(VirtualNode, user).filter(name__icontains=text)
    for row in rows.select_related("cluster")[:MOST]:
        yield _item("cloud", row.name, row.cluster.name, "node", row.pk)


def _pods(user: AnyUser, text: str) -> Iterator[Item]:
    rows = visible(PodRow, user).filter(
        Q(name__icontains=text)
        | Q(instance__cloud_id__startswith=text)
        | Q(instance__seen__shown_id__startswith=text)
        | Q(ip=text),
        gone_at=None,
    )
    for row in rows.order_by("-created_at")[:MOST]:
        yield _item("cube", row.name, row.namespace, "pod", row.pk)


def _budgets(user: AnyUser, text: str) -> Iterator[Item]:
    for row in visible(Budget, user).filter(name__icontains=text)[:MOST]:
        period = row.get_period_display()
        yield _item("target-arrow", row.name, period, "billing-budget", row.pk)


def _of_catalogue(text: str) -> list[Component]:
    """Those of the catalogue whose name or title, in the reader's language, has the text."""
    wanted = text.casefold()
    return [
        one
        for one in catalogue().values()
        if wanted in one.name.casefold() or wanted in say(one.title).casefold()
    ]
