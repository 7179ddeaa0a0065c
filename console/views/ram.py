"""RAM grants on the page of a credential: what was granted for add-ons, grant, rotate, revoke."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from addons.components import ram
from addons.components.grants import POLICIES
from addons.models import Cluster
from console import audit
from console.access import Role, access, role_in, visible
from console.api.ram import asked, found_grant, grant_shape
from console.refusals import EXPLAINED, explain
from providers.models import CloudAccount, RamGrant


@require_safe
@login_required
def grants(request: HttpRequest, pk: int) -> HttpResponse:
    """As the cloud and clusters tell now: a fragment, so that no page waits for them."""
    account = access(CloudAccount, request.user, pk=pk)
    rows = account.ram_grants.exclude(state=RamGrant.State.REVOKED)
    context = {
        "account": account,
        "grants": [grant_shape(row, asked(row)) for row in rows],
        "addons": list(POLICIES),
        "clusters": visible(Cluster, request.user).filter(team=account.team),
        "role": role_in(request.user, account.team),
    }
    return render(request, "pages/credential/grants.html", context)


@require_POST
@login_required
def grant(request: HttpRequest, pk: int) -> HttpResponse:
    account = access(CloudAccount, request.user, role=Role.OPERATOR, pk=pk)
    addon, slug, now = request.POST.get("addon", ""), request.POST.get("cluster"), timezone.now()
    cluster = access(Cluster, request.user, role=Role.OPERATOR, slug=slug) if slug else None
    try:
        row = ram.grant(account, addon, actor=request.user.get_username(), now=now, cluster=cluster)
    except EXPLAINED as error:
        messages.error(request, explain(error).text)
        return redirect("credential", pk)
    text = _("Granted to the RAM user %(user)s.") % {"user": row.user}
    return _done(request, row, "ram.grant", text)


@require_POST
@login_required
def rotate(request: HttpRequest, pk: int, addon: str) -> HttpResponse:
    account = access(CloudAccount, request.user, role=Role.OPERATOR, pk=pk)
    row = found_grant(account, addon)
    try:
        ram.rotate(row, now=timezone.now())
    except EXPLAINED as error:
        messages.error(request, explain(error).text)
        return redirect("credential", pk)
    return _done(request, row, "ram.rotate", _("The clusters have a new key; the old is disabled."))


@require_POST
@login_required
def revoke(request: HttpRequest, pk: int, addon: str) -> HttpResponse:
    account = access(CloudAccount, request.user, role=Role.OWNER, pk=pk)
    row = found_grant(account, addon)
    try:
        ram.revoke(row, now=timezone.now())
    except EXPLAINED as error:
        messages.error(request, explain(error).text)
        return redirect("credential", pk)
    return _done(request, row, "ram.revoke", _("User, policy, keys and Secrets are gone."))


def _done(request: HttpRequest, row: RamGrant, what: str, text: str) -> HttpResponse:
    target = f"{row.account.name}/{row.addon}"
    audit.record(request, what, target, team=row.account.team, detail={"user": row.user})
    messages.success(request, text)
    return redirect("credential", row.account_id)
