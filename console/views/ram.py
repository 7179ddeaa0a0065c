"""RAM grants on the page of a credential: what was granted for add-ons, grant, rotate, revoke."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from addons.components import ram
from addons.components.grants import POLICIES
from addons.models import Cluster, Operation
from console.access import Role, access, role_in, visible
from console.api.ram import asked, found_grant, grant_shape, record
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
    addon, slug, actor = request.POST.get("addon", ""), request.POST.get("cluster"), _actor(request)
    cluster = access(Cluster, request.user, role=Role.OPERATOR, slug=slug) if slug else None
    return _started(
        request,
        account,
        "ram.grant",
        lambda: ram.grant(
            account,
            addon,
            actor=actor,
            now=timezone.now(),
            cluster=cluster,
            replace="replace" in request.POST,
        ),
    )


@require_POST
@login_required
def rotate(request: HttpRequest, pk: int, addon: str) -> HttpResponse:
    account = access(CloudAccount, request.user, role=Role.OPERATOR, pk=pk)
    row, actor = found_grant(account, addon), _actor(request)
    return _started(request, account, "ram.rotate", lambda: ram.rotate(row, actor=actor))


@require_POST
@login_required
def revoke(request: HttpRequest, pk: int, addon: str) -> HttpResponse:
    account = access(CloudAccount, request.user, role=Role.OWNER, pk=pk)
    row, actor = found_grant(account, addon), _actor(request)
    return _started(request, account, "ram.revoke", lambda: ram.revoke(row, actor=actor))


def _actor(request: HttpRequest) -> str:
    return request.user.get_username()


def _started(
    request: HttpRequest, account: CloudAccount, what: str, start: Callable[[], Operation]
) -> HttpResponse:
    """To the page of the operation, or back with the reason."""
    try:
        operation = start()
    except EXPLAINED as error:
        messages.error(request, explain(error).text)
        return redirect("credential", account.pk)
    record(request, what, account, operation)
    return redirect("operation", operation.pk)
