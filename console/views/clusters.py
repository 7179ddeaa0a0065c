"""Clusters: the list, one of them, and what may be changed."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import Group
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from addons.clusters import leaving, rbac, register
from addons.clusters import messages as texts
from addons.components import rights
from addons.models import Cluster, PodRow
from console import audit, overview, pages
from console.access import Role, access
from console.billing import places
from console.fields import SecretArea
from console.live.rows import cluster_rows, node_rows, pod_rows
from console.profiles import profile_of
from console.refusals import EXPLAINED, explain
from console.views.billing import place as place_money
from kube import parse_kubeconfig
from providers.models import CloudAccount

TABS = (
    ("overview", gettext_lazy("Overview")),
    ("components", gettext_lazy("Components")),
    ("cost", gettext_lazy("Cost")),
    ("checks", gettext_lazy("Checks")),
    ("settings", gettext_lazy("Settings")),
)


def _attrs(**more: str) -> dict[str, str]:
    return {"class": "input", "autocomplete": "off", **more}


class ClusterForm(forms.Form):
    """What people may edit of a cluster."""

    name = forms.CharField(
        max_length=64, label=gettext_lazy("Name"), widget=forms.TextInput(attrs=_attrs())
    )
    environment = forms.CharField(
        max_length=32,
        required=False,
        label=gettext_lazy("Environment"),
        widget=forms.TextInput(attrs=_attrs(placeholder="production")),
    )
    region = forms.CharField(
        max_length=64,
        required=False,
        label=gettext_lazy("Region"),
        widget=forms.TextInput(attrs=_attrs(placeholder="cn-hangzhou")),
    )
    account = forms.ModelChoiceField(
        CloudAccount.objects.none(),
        required=False,
        label=gettext_lazy("Credential"),
        widget=forms.Select(attrs={"class": "input"}),
        help_text=gettext_lazy("The default for its virtual nodes; it can be chosen later."),
    )

    def __init__(self, team: Group, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["account"]
        field.queryset = CloudAccount.objects.filter(team=team)  # type: ignore[attr-defined]
        field.label_from_instance = lambda row: f"{row.name} ({row.region})"  # type: ignore[attr-defined]


class KubeconfigForm(forms.Form):
    kubeconfig = forms.CharField(
        max_length=512_000,
        strip=False,
        label="Kubeconfig",
        widget=SecretArea(
            attrs={"class": "input mono", "rows": "14", "spellcheck": "false", "data-drop": ""}
        ),
        help_text=gettext_lazy("kubectl config view --raw --flatten --minify"),
    )


@require_safe
@login_required
def clusters(request: HttpRequest) -> HttpResponse:
    extra = {"table_label": _("Clusters")}
    return pages.table(request, "clusters", "pages/clusters.html", extra)


def checks_of(cluster: Cluster) -> list[dict[str, Any]]:
    return [checked(check) for check in cluster.checks]


def checked(check: dict[str, Any]) -> dict[str, Any]:
    """A stored check as the checklist shows it."""
    return {
        "code": check["code"],
        "state": "todo" if check["state"] == "skipped" else check["state"],
        "title": texts.title(check),
        "took": f"{check['ms']} ms" if check["ms"] else "",
        "detail": texts.detail(check),
        "fix": texts.fix(check),
        "yaml": check["values"].get("yaml", ""),
    }


@require_http_methods(["GET", "POST"])
@login_required
def cluster(request: HttpRequest, slug: str, tab: str = "overview") -> HttpResponse:
    if tab not in dict(TABS):
        raise Http404
    role = Role.OPERATOR if request.method == "POST" else Role.VIEWER
    found = access(Cluster, request.user, role=role, slug=slug)
    initial = {
        "name": found.name,
        "environment": found.environment,
        "region": found.region,
        "account": found.account_id,
    }
    form = ClusterForm(found.team, request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        register.change(found, form.cleaned_data)
        audit.record(request, "cluster.change", found.slug, team=found.team)
        messages.success(request, _("Saved."))
        return redirect("cluster-tab", slug, "settings")
    now = timezone.now()
    pods = PodRow.objects.filter(cluster=found, gone_at=None).select_related(
        "cluster", "node", "instance"
    )
    context = {
        "cluster": found,
        "row": cluster_rows([found], now)[0],
        "providers": overview.providers(PodRow.objects.filter(cluster=found)),
        "profile": profile_of(found) if tab == "overview" else None,
        **(
            place_money.context(request.user, places.of_cluster(found), now)
            if tab == "cost"
            else {}
        ),
        "nodes": node_rows(
            list(found.nodes.select_related("cluster", "account", "second_account")), now
        ),
        "pods": pod_rows(list(pods.order_by("-created_at")[:10]), now),
        "checks": checks_of(found),
        "role_yaml": rbac.manifest(),
        "components_yaml": rights.manifest(),
        "held": leaving.held(found) if tab == "settings" else None,
        "form": form,
        "kubeconfig_form": KubeconfigForm(),
        "tab": tab,
        "tabs": TABS,
        "scope": found,
    }
    return render(request, "pages/cluster.html", context, status=422 if form.errors else 200)


@require_POST
@login_required
def check(request: HttpRequest, slug: str) -> HttpResponse:
    found = access(Cluster, request.user, role=Role.OPERATOR, slug=slug)
    register.check_again(found, now=timezone.now())
    audit.record(request, "cluster.check", found.slug, team=found.team)
    return redirect("cluster-tab", slug, "checks")


@require_POST
@login_required
def pause(request: HttpRequest, slug: str) -> HttpResponse:
    """Stop or go on reconciling; running instances are not touched."""
    found = access(Cluster, request.user, role=Role.OPERATOR, slug=slug)
    register.change(found, {"paused": not found.paused})
    action = "cluster.pause" if found.paused else "cluster.resume"
    audit.record(request, action, found.slug, team=found.team)
    text = _("Reconciling is paused.") if found.paused else _("Reconciling goes on.")
    messages.success(request, text)
    return redirect("cluster", slug)


@require_POST
@login_required
def rotate(request: HttpRequest, slug: str) -> HttpResponse:
    found = access(Cluster, request.user, role=Role.OPERATOR, slug=slug)
    form = KubeconfigForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("Paste a kubeconfig."))
        return redirect("cluster-tab", slug, "settings")
    parsed = parse_kubeconfig(form.cleaned_data["kubeconfig"])
    usable = [context for context in parsed.contexts if context.usable]
    chosen = next((c for c in usable if c.name == parsed.current_context), None)
    chosen = chosen or (usable[0] if usable else None)
    try:
        target = parsed.target(chosen.name if chosen else parsed.current_context)
        expires = chosen.certificate_expires if chosen else None
        register.rotate(found, target, now=timezone.now(), expires=expires)
    except EXPLAINED as error:
        refusal = explain(error)
        messages.error(request, refusal.text)
    else:
        audit.record(request, "cluster.rotate", found.slug, team=found.team)
        messages.success(request, _("The new kubeconfig is in use."))
    return redirect("cluster-tab", slug, "settings")


@require_POST
@login_required
def remove(request: HttpRequest, slug: str) -> HttpResponse:
    """Forget it; with `leave` what is there is left behind."""
    found = access(Cluster, request.user, role=Role.OWNER, slug=slug)
    team = found.team
    leave = request.POST.get("leave") == "yes"
    try:
        left = register.forget(found, leave=leave, now=timezone.now())
    except EXPLAINED as error:
        refusal = explain(error)
        messages.error(request, refusal.text)
        return redirect("cluster-tab", slug, "settings")
    detail = {"left": left.as_dict()} if left.anything else {}
    audit.record(request, "cluster.remove", slug, team=team, detail=detail)
    messages.success(request, _("The cluster is forgotten."))
    if left.instances:
        messages.warning(request, _("Its instances go on, billed: they are on the orphan list."))
        return redirect("orphans")
    return redirect("clusters")
