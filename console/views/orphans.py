"""Orphans: instances that cost while no pod owns them."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from addons.sweep import orphans as use_cases
from console import audit, pages
from console.access import Role, access
from console.views.pods import each
from providers.models import Orphan


@require_safe
@login_required
def orphans(request: HttpRequest) -> HttpResponse:
    return pages.table(request, "orphans", "pages/orphans.html", {"table_label": _("Orphans")})


@require_POST
@login_required
def delete(request: HttpRequest) -> JsonResponse:
    def act(pk: int) -> None:
        orphan = access(Orphan, request.user, role=Role.OPERATOR, pk=pk)
        use_cases.delete(orphan, by=request.user.get_username())
        audit.record(request, "orphan.delete", orphan.cloud_id, team=orphan.account.team)

    return each(request, act, (use_cases.OrphanError,))


@require_POST
@login_required
def adopt(request: HttpRequest) -> JsonResponse:
    def act(pk: int) -> None:
        orphan = access(Orphan, request.user, role=Role.OPERATOR, pk=pk)
        use_cases.adopt(orphan)
        audit.record(request, "orphan.adopt", orphan.cloud_id, team=orphan.account.team)

    return each(request, act, (use_cases.OrphanError,))
