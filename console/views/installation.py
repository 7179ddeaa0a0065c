"""One component in one cluster: overview, versions, configuration, gates, resources, history."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from addons.components import apply, manage, vendor_nodes
from addons.components.base import Component, Json, Version, merged
from addons.components.catalogue import localised, say
from addons.components.gates import ACS_MUTATION, look
from addons.components.life import running_on
from addons.components.values import Row, carried, flat, nested, three_way
from addons.models import Cluster, Installation, Revision
from addons.runtime.loop import runtime
from addons.sentences import read
from console import audit
from console.access import Role, access, role_in
from console.billing import places
from console.live.installed import installation_rows
from console.live.rows import operation_rows
from console.offers import (
    DELIVERIES,
    Card,
    card,
    has_gates,
    needs,
)
from console.parity import Call, call
from console.refusals import EXPLAINED, Refusal, explain
from console.schema_form import asked_of, to_yaml
from console.views.billing import place as place_money
from providers.models import CloudAccount

MOST_REVISIONS = 50


@dataclass(frozen=True, slots=True)
class Place:
    """A component in a cluster, as the reader may see it."""

    cluster: Cluster
    component: Component
    card: Card

    @property
    def installation(self) -> Installation | None:
        return self.card.installed

    @property
    def version(self) -> Version | None:
        """What is installed, as far as the catalogue knows it."""
        row = self.installation
        return self.component.version(row.version) if row else None

    @property
    def values(self) -> Json:
        row = self.installation
        values: Json = row.values if row else {}
        return values


def place_of(request: HttpRequest, slug: str, name: str, role: Role = Role.VIEWER) -> Place:
    """Raises `Http404` and `PermissionDenied`."""
    cluster = access(Cluster, request.user, role=role, slug=slug)
    for offer in manage.offers(cluster):
        if offer.component.name == name:
            return Place(cluster, offer.component, card(offer))
    raise Http404(_("The catalogue has no such component."))


def tabs_of(component: Component) -> list[tuple[str, str]]:
    gates = [("gates", _("Feature gates"))] if has_gates(component) else []
    cost = [("cost", _("Cost"))] if component.brings_nodes else []
    return [
        ("overview", _("Overview")),
        ("versions", _("Versions")),
        ("configuration", _("Configuration")),
        *gates,
        ("resources", _("Resources")),
        *cost,
        ("history", _("History")),
        ("logs", _("Logs")),
    ]


@require_safe
@login_required
def component(request: HttpRequest, slug: str, name: str, tab: str = "overview") -> HttpResponse:
    place = place_of(request, slug, name)
    tabs = tabs_of(place.component)
    if tab not in dict(tabs):
        raise Http404
    context = {
        **_common(request, place),
        **_TABS[tab](place),
        **(_cost(request, place) if tab == "cost" else {}),
        "tab": tab,
        "tabs": tabs,
        "api_call": _call(place, tab),
    }
    partial = request.headers.get("HX-Request") and request.GET.get("part") == "body"
    return render(request, "pages/component/body.html" if partial else _PAGE, context)


_PAGE = "pages/component.html"


def _call(place: Place, tab: str) -> Call:
    """What REST tells of the same."""
    row = place.installation
    if row is None:
        return call("components-detail", place.component.name)
    shown = {"history": "installations-revisions", "logs": "installations-logs"}
    return call(shown.get(tab, "installations-detail"), row.pk)


def _common(request: HttpRequest, place: Place) -> dict[str, Any]:
    row = place.installation
    running = running_on(row) if row else None
    now = timezone.now()
    return {
        "place": place,
        "cluster": place.cluster,
        "component": place.component,
        "card": place.card,
        "installation": row,
        "row": installation_rows([row], now)[0] if row else None,
        "running": operation_rows([running], now)[0] if running else None,
        "role": role_in(request.user, place.cluster.team),
        "mark": read(row.mark) if row else "",
        "deliveries": [str(DELIVERIES[kind]) for kind in place.component.deliveries],
        "requires": needs(place.component.latest.requires),
        "permissions": [(asked.what, say(asked.why)) for asked in place.component.permissions],
        "scope": place.cluster,
        "nav": "components",
    }


# --- tabs -------------------------------------------------------------------------------------


def _overview(place: Place) -> dict[str, Any]:
    row = place.installation
    delivery = str(DELIVERIES.get(row.delivery, row.delivery)) if row else ""
    return {"delivery": delivery, "drift": row.drift if row else []}


@dataclass(frozen=True, slots=True)
class Listed:
    """A version of the catalogue beside the one that is installed."""

    version: Version
    notes: str
    needs: list[str]
    place: str
    rows: list[Row]


def _versions(place: Place) -> dict[str, Any]:
    return {"versions": [_listed(place, one) for one in place.component.versions]}


def _listed(place: Place, version: Version) -> Listed:
    there = place.version
    older = {one.version for one in place.component.versions}
    if there:
        names = [one.version for one in place.component.versions]
        older = set(names[names.index(there.version) + 1 :])
    where = "same" if there == version else "older" if there and version.version in older else ""
    rows: list[Row] = []
    if there and there != version:
        after = carried(there, version, place.values)
        rows = [
            row for row in three_way(there, version, place.values, after) if row.state != "same"
        ]
    return Listed(version, say(version.notes), needs(version.requires), where, rows)


@dataclass(frozen=True, slots=True)
class Setting:
    key: str
    title: str
    value: Any
    default: Any
    changed: bool


def credentials_of(cluster: Cluster) -> dict[int, str]:
    """Id -> name of its team's credentials."""
    return dict(CloudAccount.objects.filter(team=cluster.team_id).values_list("pk", "name"))


def named_credentials(
    names: Mapping[int, str], version: Version, values: Mapping[str, Any]
) -> Json:
    """Flat values, credentials by their names."""
    keys = {one.key for one in asked_of(version.schema) if one.picker == "credential"}
    return {k: names.get(v, v) if k in keys else v for k, v in flat(values).items()}


def settings_of(version: Version, values: Mapping[str, Any]) -> list[Setting]:
    """Every key of the schema with its value and whether a person set it."""
    titles = {
        one.key: str(one.sub.get("title") or "") for one in asked_of(localised(version.schema))
    }
    defaults, mine = flat(version.defaults()), flat(values)
    now = flat(merged(version.defaults(), values))
    keys = [*titles, *(key for key in now if key not in titles)]
    return [
        Setting(key, titles.get(key, ""), now.get(key), defaults.get(key), key in mine)
        for key in keys
    ]


def _configuration(place: Place) -> dict[str, Any]:
    version = place.version or place.component.latest
    shown = named_credentials(credentials_of(place.cluster), version, place.values)
    return {
        "settings": settings_of(version, nested(shown)),
        "yaml": to_yaml(place.values),
    }


def _fragment(_place: Place) -> dict[str, Any]:
    """The tab reads the rest by itself, from the cluster."""
    return {}


def _cost(request: HttpRequest, place: Place) -> dict[str, Any]:
    """`vendor`: nodes are there, or may be, and their instances are not metered here."""
    row, hosted = place.installation, None
    if row:
        hosted = places.of_installation(row)
    elif place.card.nodes:
        hosted = places.of_hosted(place.cluster)
    by = ("node", "namespace")
    found = place_money.context(request.user, hosted, timezone.now(), by) if hosted else {}
    return {"metered": bool(hosted), "vendor": bool(row and vendor_nodes.brings(row)), **found}


def _history(place: Place) -> dict[str, Any]:
    if place.installation is None:
        return {"revisions": []}
    found = list(manage.history(place.installation)[: MOST_REVISIONS + 1])
    pairs = zip(found, [*found[1:], None], strict=True)
    names, version = credentials_of(place.cluster), place.version or place.component.latest

    def shown(row: Revision | None) -> Json:
        return named_credentials(names, version, row.values) if row else {}

    rows = [_revision(row, before, shown(before), shown(row)) for row, before in pairs]
    return {"revisions": rows[:MOST_REVISIONS]}


def _revision(row: Revision, before: Revision | None, was: Json, now: Json) -> dict[str, Any]:
    changed = [
        {"key": key, "was": was.get(key), "now": now.get(key)}
        for key in sorted(was.keys() | now.keys())
        if was.get(key) != now.get(key)
    ]
    return {
        "row": row,
        "status": row.get_status_display(),
        "tone": _REVISION_TONES[row.status],
        "note": read(row.note),
        "changed": changed if before else [],
        "first": before is None,
    }


_REVISION_TONES = {
    "pending": "prog",
    "deployed": "ok",
    "superseded": "mute",
    "failed": "bad",
    "uninstalled": "mute",
}
_TABS: dict[str, Callable[[Place], dict[str, Any]]] = {
    "overview": _overview,
    "versions": _versions,
    "configuration": _configuration,
    "gates": _fragment,
    "resources": _fragment,
    "cost": _fragment,
    "history": _history,
    "logs": _fragment,
}


@require_POST
@login_required
def drift(request: HttpRequest, slug: str, name: str) -> HttpResponse:
    """Compare with the cluster now."""
    place = place_of(request, slug, name, Role.OPERATOR)
    if place.installation is None:
        raise Http404(_("It is not installed."))
    try:
        found = manage.drift(place.installation)
    except EXPLAINED as error:
        messages.error(request, explain(error).text)
    else:
        text = ngettext("%(n)s difference.", "%(n)s differences.", len(found))
        messages.success(request, text % {"n": len(found)})
        audit.record(request, "component.drift", f"{slug}/{name}", team=place.cluster.team)
    return redirect("component", slug, name)


@require_safe
@login_required
def gates(request: HttpRequest, slug: str, name: str) -> HttpResponse:
    """Feature gates as cloud and API server tell now: a fragment, so that no page waits."""
    place = place_of(request, slug, name)
    if not has_gates(place.component):
        raise Http404
    row = place.installation
    context: dict[str, Any] = {
        "cluster": place.cluster,
        "component": place.component,
        "mutation": ACS_MUTATION,
        "role": role_in(request.user, place.cluster.team),
        "change": "configure" if row and row.version else "install",
    }
    try:
        found = look(place.cluster)
    except EXPLAINED as error:
        context["refusal"] = explain(error)
    else:
        names = dict.fromkeys([ACS_MUTATION, *found.gates])
        context |= {
            "gates": [
                {"name": gate, "value": found.gates.get(gate, ""), "works": found.works}
                for gate in names
            ],
            "settable": found.settable,
            "why": read(found.why),
            "manual": read(found.manual),
            "detail": read(found.detail),
        }
    return render(request, "pages/component/gates_now.html", context)


# --- what stands in the cluster now -------------------------------------------------------------


def health(live: Json | None) -> tuple[str, str]:
    """Tone and words for an object; None: it is not there."""
    if live is None:
        return "bad", _("missing")
    status, spec = live.get("status") or {}, live.get("spec") or {}
    if live["kind"] in {"Deployment", "StatefulSet"}:
        wanted = spec.get("replicas", 1)
        ready = status.get("readyReplicas", 0)
        text = _("%(ready)s of %(wanted)s ready") % {"ready": ready, "wanted": wanted}
        return ("ok" if ready >= wanted else "warn"), text
    if live["metadata"].get("deletionTimestamp"):
        return "prog", _("being deleted")
    return "ok", _("there")


@require_safe
@login_required
def resources(request: HttpRequest, slug: str, name: str) -> HttpResponse:
    """The objects that it owns as the cluster has them now: a fragment, so that no page waits."""
    place = place_of(request, slug, name)
    context: dict[str, Any] = {"objects": [], "nodes": [], "refusal": None, "place": place}
    row = place.installation
    revision = row.revisions.filter(status=Revision.Status.DEPLOYED).first() if row else None
    if revision:
        try:
            context["objects"] = runtime().run(_look(place.cluster.pk, revision.objects_applied))
            context["nodes"] = vendor_nodes.of(row) if row else []
        except TimeoutError:
            text = _("The cluster did not answer in time.")
            context["refusal"] = Refusal("cluster_silent", text)
        except EXPLAINED as error:
            context["refusal"] = explain(error)
    return render(request, "pages/component/objects.html", context)


async def _look(cluster_id: int, objects: list[Json]) -> list[dict[str, Any]]:
    kube = await runtime().kube(cluster_id)
    found = []
    for obj in apply.ordered(objects):
        live = await apply.find(kube, obj)
        tone, text = health(live)
        meta = (live or {}).get("metadata") or {}
        found.append(
            {
                "kind": obj["kind"],
                "name": apply.name_of(obj).partition(" ")[2],
                "tone": tone,
                "status": text,
                "created": meta.get("creationTimestamp", ""),
            }
        )
    return found
