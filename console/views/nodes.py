"""Virtual nodes: the list, adding one, the page of one, cordon and removal."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from addons.models import Cluster, PodRow, VirtualNode
from addons.nodes import install
from addons.runtime.loop import runtime
from console import audit, pages
from console.access import Role, access, usable_account, visible
from console.api.credentials import pickers
from console.live.rows import node_rows, pod_rows
from console.refusals import EXPLAINED, explain
from providers.models import CloudAccount


class WhereForm(forms.Form):
    """First half: which cluster, which key."""

    cluster = forms.ModelChoiceField(
        Cluster.objects.none(),
        to_field_name="slug",
        label=gettext_lazy("Cluster"),
        widget=forms.Select(attrs={"class": "input"}),
    )
    account = forms.ModelChoiceField(
        CloudAccount.objects.none(),
        label=gettext_lazy("Credential"),
        widget=forms.Select(attrs={"class": "input"}),
    )

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        cluster, account = self.fields["cluster"], self.fields["account"]
        cluster.queryset = visible(Cluster, request.user)  # type: ignore[attr-defined]
        cluster.label_from_instance = lambda row: row.name  # type: ignore[attr-defined]
        account.queryset = visible(CloudAccount, request.user)  # type: ignore[attr-defined]
        account.label_from_instance = lambda row: f"{row.name} ({row.region})"  # type: ignore[attr-defined]


@require_safe
@login_required
def nodes(request: HttpRequest) -> HttpResponse:
    extra = {"table_label": _("Virtual nodes")}
    return pages.table(request, "nodes", "pages/nodes.html", extra)


def _offers(account: CloudAccount) -> tuple[dict[str, Any], str]:
    """What the cloud offers to this key, or why it cannot be asked."""
    try:
        return runtime().run(pickers(account.pk, account.region)), ""
    except EXPLAINED as error:
        refusal = explain(error)
        return {}, refusal.text


def _chosen(request: HttpRequest, offers: dict[str, Any]) -> list[dict[str, str]]:
    """Placements ticked, the zone of the node first."""
    wanted = set(request.POST.getlist("subnet"))
    rows = [
        {"zone": subnet["zone"], "subnet": subnet["id"]}
        for subnet in offers.get("subnets", [])
        if subnet["id"] in wanted
    ]
    zone = request.POST.get("zone", "")
    return sorted(rows, key=lambda row: row["zone"] != zone)


@require_http_methods(["GET", "POST"])
@login_required
def new(request: HttpRequest) -> HttpResponse:
    """Cluster and key by the address; then what that key offers; then the operation."""
    where = WhereForm(request, request.GET or None)
    context: dict[str, Any] = {"where": where, "offers": None, "error": ""}
    if not where.is_bound or not where.is_valid():
        where.errors.clear()
        return render(request, "pages/node/new.html", context)
    cluster, account = where.cleaned_data["cluster"], where.cleaned_data["account"]
    offers, problem = _offers(account)
    context |= {"offers": offers, "error": problem, "cluster": cluster, "account": account}
    if request.method == "POST" and offers:
        access(Cluster, request.user, role=Role.OPERATOR, pk=cluster.pk)
        usable_account(request.user, account.pk, cluster.team)
        placements = _chosen(request, offers)
        groups = {group["id"] for group in offers["security_groups"]}
        zone, group = request.POST.get("zone", ""), request.POST.get("security_group", "")
        if placements and placements[0]["zone"] == zone and group in groups:
            operation = install.add_node(
                cluster,
                account,
                zone=zone,
                placements=placements,
                security_group=group,
                actor=request.user.get_username(),
                team=cluster.team,
            )
            audit.record(request, "node.add", operation.target, team=cluster.team)
            return redirect("operation", operation.pk)
        context["error"] = _("Choose a zone, a vSwitch in that zone, and a security group.")
        return render(request, "pages/node/new.html", context, status=422)
    return render(request, "pages/node/new.html", context)


@require_safe
@login_required
def node(request: HttpRequest, pk: int) -> HttpResponse:
    found = access(VirtualNode, request.user, pk=pk)
    now = timezone.now()
    pods = PodRow.objects.filter(node=found, gone_at=None).select_related(
        "cluster", "node", "instance"
    )
    selector = "nodeSelector:\n  type: virtual-kubelet\n"
    taints = "".join(
        f"  - key: {taint['key']}\n    operator: Exists\n    effect: {taint['effect']}\n"
        for taint in found.taints
        if taint.get("key", "").startswith("virtual-kubelet.io/")
    )
    context = {
        "node": found,
        "row": node_rows([found], now)[0],
        "pods": pod_rows(list(pods.order_by("-created_at")[:20]), now),
        "snippet": f"{selector}tolerations:\n{taints}" if taints else selector,
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
