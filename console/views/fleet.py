"""Components of the whole fleet: clusters against components, and upgrades in waves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import Group
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from addons.components import fleet
from addons.components.base import Component
from addons.components.catalogue import catalogue, say
from addons.components.matrix import BEHIND, Cell, matrix_of
from addons.models import Cluster, FleetMember, FleetUpgrade, Installation
from addons.sentences import read
from console import audit
from console.access import Role, access, default_team, role_in, teams_of, visible
from console.live.installed import FLEET_UPGRADES, fleet_rows, member_tone
from console.offers import found_component, newer
from console.parity import call
from console.refusals import EXPLAINED, explain
from console.views.components import tabs

_SELECT = {"class": "input"}
_NUMBER = {"class": "input", "autocomplete": "off"}
MOST_UPGRADES = 20
MOST_CLUSTERS = 500


@require_safe
@login_required
def matrix(request: HttpRequest) -> HttpResponse:
    words = request.GET.get("q", "").strip()
    clusters = visible(Cluster, request.user).order_by("name")
    if words:
        clusters = clusters.filter(name__icontains=words)
    components = list(catalogue().values())
    rows = matrix_of(clusters[:MOST_CLUSTERS])
    teams = {team.pk for team in teams_of(request.user) if role_in(request.user, team) != "viewer"}
    cells = [
        (row.cluster, [(cell, _may(cell, row.cluster, teams)) for cell in row.cells.values()])
        for row in rows
    ]
    behind = {one.name: 0 for one in components}
    for _cluster, listed in cells:
        for cell, may in listed:
            behind[cell.component] += may
    upgrades = list(FLEET_UPGRADES.whole(visible(FleetUpgrade, request.user))[:MOST_UPGRADES])
    context = {
        "columns": [(one, behind[one.name]) for one in components],
        "rows": [
            (cluster, [(cell, may, behind[cell.component] > 0) for cell, may in listed])
            for cluster, listed in cells
        ],
        "upgrades": fleet_rows(upgrades, timezone.now()),
        "q": words,
        "tabs": tabs(),
        "tab": "fleet",
        "nav": "components",
    }
    return render(request, "pages/fleet.html", context)


def _may(cell: Cell, cluster: Cluster, teams: set[int]) -> bool:
    """Whether the reader may upgrade it: it is behind and at rest."""
    settled = cell.state in {Installation.State.INSTALLED, Installation.State.FAILED}
    return cell.skew == BEHIND and settled and cluster.team_id in teams


# --- a new one ----------------------------------------------------------------------------------


class WavesForm(forms.Form):
    """Which clusters, how many at a time, and what a failure means."""

    clusters = forms.MultipleChoiceField(
        label=gettext_lazy("Clusters"), widget=forms.CheckboxSelectMultiple()
    )
    canary = forms.ChoiceField(
        label=gettext_lazy("Canary"),
        widget=forms.Select(attrs=_SELECT),
        help_text=gettext_lazy("It goes first and alone; the waves begin when it is well."),
    )
    batch = forms.IntegerField(
        label=gettext_lazy("Clusters in a wave"),
        initial=10,
        min_value=1,
        max_value=100,
        widget=forms.NumberInput(attrs=_NUMBER),
    )
    pause_seconds = forms.IntegerField(
        label=gettext_lazy("Pause between waves, in seconds"),
        initial=60,
        min_value=0,
        max_value=86_400,
        widget=forms.NumberInput(attrs=_NUMBER),
    )
    stop_on_failure = forms.BooleanField(
        label=gettext_lazy("Stop when a cluster fails"),
        initial=True,
        required=False,
        widget=forms.CheckboxInput(attrs={"class": "switch"}),
        help_text=gettext_lazy("What runs goes on to its end; nothing more is begun."),
    )

    def __init__(
        self, rows: list[Installation], data: Any = None, ticked: Sequence[Installation] = ()
    ) -> None:
        names = [
            (str(row.pk), f"{row.cluster.name} · {row.version} · Kubernetes {row.cluster.version}")
            for row in rows
        ]
        wanted = {str(row.pk) for row in ticked or rows}
        chosen = [pk for pk, _name in names if pk in wanted]
        super().__init__(data, initial={"clusters": chosen, "canary": next(iter(chosen), "")})
        self.rows = {str(row.pk): row for row in rows}
        self.fields["clusters"].choices = names  # type: ignore[attr-defined]
        self.fields["canary"].choices = [(pk, self.rows[pk].cluster.name) for pk, _n in names]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        if given.get("canary") and given["canary"] not in given.get("clusters", ()):
            self.add_error("canary", _("The canary must be one of the chosen clusters."))
        return given


def _ticked(request: HttpRequest) -> list[Installation]:
    """Cells that were ticked in the matrix: of one team and one component, that of the first."""
    pks = [pk for pk in request.GET.getlist("i") if pk.isdecimal()][:MOST_CLUSTERS]
    rows = visible(Installation, request.user).filter(pk__in=pks).select_related("cluster__team")
    found = sorted(rows, key=lambda row: pks.index(str(row.pk)))
    first = found[0] if found else None
    return [
        row
        for row in found
        if first
        and row.component == first.component
        and row.cluster.team_id == first.cluster.team_id
    ]


def _where(request: HttpRequest, ticked: list[Installation]) -> tuple[Group, Component, str]:
    first = ticked[0] if ticked else None
    name = first.cluster.team.name if first else request.GET.get("team", "")
    team = default_team(request.user, role=Role.OPERATOR, name=name)
    component = found_component(first.component if first else request.GET.get("component", ""))
    version = request.GET.get("version", "")
    known = component.version(version)
    return team, component, known.version if known else component.latest.version


@require_http_methods(["GET", "POST"])
@login_required
def new(request: HttpRequest) -> HttpResponse:
    ticked = _ticked(request)
    team, component, version = _where(request, ticked)
    rows = fleet.eligible(team, component.name, version)
    form = WavesForm(rows, request.POST if request.method == "POST" else None, ticked)
    if form.is_bound and form.is_valid():
        answer = _start(request, team, component, version, form)
        if answer is not None:
            return answer
    installed = Installation.objects.filter(cluster__team=team, component=component.name)
    oldest = [v for row in installed if row.version for v in newer(component, row.version)]
    wanted = {one.version for one in oldest} | {version}
    wanted_rows = [row for row in rows if row in ticked] if ticked else rows
    slugs = [row.cluster.slug for row in wanted_rows]
    asked = {"component": component.name, "version": version, "clusters": slugs, "team": team.name}
    context = {
        "form": form,
        "team": team,
        "teams": [one for one in teams_of(request.user) if role_in(request.user, one) != "viewer"],
        "component": component,
        "title_of": say(component.title),
        "version": version,
        "versions": [one.version for one in component.versions if one.version in wanted],
        "rows": rows,
        "ticked": ticked,
        "left_out": fleet.left_out(ticked, component.name, version),
        "nav": "components",
        "api_call": replace(call("fleet-upgrades-list", method="POST"), body=asked),
    }
    return render(request, "pages/fleet_new.html", context, status=422 if form.errors else 200)


def _start(
    request: HttpRequest, team: Group, component: Component, version: str, form: WavesForm
) -> HttpResponse | None:
    given = form.cleaned_data
    try:
        made = fleet.start(
            team,
            component.name,
            version,
            [form.rows[pk] for pk in given["clusters"]],
            batch=given["batch"],
            pause_seconds=given["pause_seconds"],
            canary=form.rows[given["canary"]],
            stop_on_failure=given["stop_on_failure"],
            actor=request.user.get_username(),
        )
    except EXPLAINED as error:
        form.add_error(None, explain(error).text)
        return None
    detail = {"version": version, "clusters": len(given["clusters"])}
    audit.record(request, "fleet.start", component.name, team=team, detail=detail)
    return redirect("fleet-upgrade", made.pk)


# --- one of them --------------------------------------------------------------------------------


def waves(found: FleetUpgrade) -> list[dict[str, Any]]:
    """Each wave with its clusters, as the page shows it."""
    members = list(
        found.members.select_related("installation__cluster", "operation").order_by("wave", "pk")
    )
    return [
        {
            "wave": wave,
            "status": FleetMember.State(wave.state).label,
            "tone": member_tone(wave.state),
            "members": [
                {
                    "row": one,
                    "status": one.get_state_display(),
                    "tone": member_tone(one.state),
                    "detail": read(one.detail),
                }
                for one in members
                if one.wave == wave.number
            ],
        }
        for wave in fleet.waves_of(found)
    ]


@require_safe
@login_required
def upgrade(request: HttpRequest, pk: int) -> HttpResponse:
    found = access(FleetUpgrade, request.user, pk=pk)
    context = {
        "upgrade": found,
        "row": fleet_rows([found], timezone.now())[0],
        "waves": waves(found),
        "role": role_in(request.user, found.team),
        "nav": "components",
    }
    partial = request.headers.get("HX-Request") and request.GET.get("part") == "body"
    return render(
        request, "pages/fleet/body.html" if partial else "pages/fleet_upgrade.html", context
    )


@require_POST
@login_required
def act(request: HttpRequest, pk: int, what: str) -> HttpResponse:
    """pause, resume, retry or cancel."""
    found = access(FleetUpgrade, request.user, role=Role.OPERATOR, pk=pk)
    try:
        if what == "resume":
            fleet.resume(
                found, failed="leave" if request.POST.get("failed") == "leave" else "retry"
            )
        else:
            ACTS[what](found)
    except EXPLAINED as error:
        messages.error(request, explain(error).text)
    else:
        audit.record(request, f"fleet.{what}", f"fleet upgrade {pk}", team=found.team)
    return redirect("fleet-upgrade", pk)


ACTS = {"pause": fleet.pause, "retry": fleet.retry, "cancel": fleet.cancel}
