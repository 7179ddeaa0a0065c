"""Operations: the list, one with its steps and log, cancel and retry."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from addons import operations as use_cases
from addons.models import Operation
from addons.sentences import read
from console import audit, pages
from console.access import Role, access, visible
from console.live.rows import operation_rows
from console.templatetags.ui import short_duration

_RUNNING = (Operation.State.QUEUED, Operation.State.RUNNING)


@require_safe
@login_required
def operations(request: HttpRequest) -> HttpResponse:
    extra = {"table_label": _("Operations")}
    return pages.table(request, "operations", "pages/operations.html", extra)


def steps_of(operation: Operation) -> list[dict[str, str]]:
    """The steps as the stepper shows them: state, title, time, what happened."""
    states = {"waiting": "todo", "running": "now", "done": "ok", "failed": "bad"}
    now = timezone.now()
    rows = []
    for step in operation.steps.all():
        end = step.ended_at or now
        took = short_duration((end - step.started_at).total_seconds()) if step.started_at else ""
        rows.append(
            {
                "state": states[step.state],
                "title": use_cases.step_title(step.name),
                "took": took,
                "detail": read(step.detail),
            }
        )
    return rows


@require_safe
@login_required
def operation(request: HttpRequest, pk: int) -> HttpResponse:
    found = access(Operation, request.user, pk=pk)
    steps = steps_of(found)
    lines = [f"{entry.get('at', '')} {entry.get('text', '')}" for entry in found.log]
    context = {
        "operation": found,
        "row": operation_rows([found], timezone.now())[0],
        "steps": steps,
        "fix": read(found.fix),
        "done": sum(step["state"] == "ok" for step in steps),
        "lines": lines,
        "running": found.state in _RUNNING,
        "scope": found.cluster,
    }
    partial = request.headers.get("HX-Request") and request.GET.get("part") == "body"
    template = "pages/operation/body.html" if partial else "pages/operation.html"
    return render(request, template, context)


@require_POST
@login_required
def cancel(request: HttpRequest, pk: int) -> HttpResponse:
    found = access(Operation, request.user, role=Role.OPERATOR, pk=pk)
    try:
        use_cases.cancel(found)
    except use_cases.Refused as error:
        messages.error(request, str(error))
    else:
        audit.record(request, "operation.cancel", f"operation {pk}", team=found.team)
        messages.success(request, _("It stops after the step that runs now."))
    return redirect("operation", pk)


@require_POST
@login_required
def retry(request: HttpRequest, pk: int) -> HttpResponse:
    found = access(Operation, request.user, role=Role.OPERATOR, pk=pk)
    try:
        use_cases.retry(found)
    except use_cases.Refused as error:
        messages.error(request, str(error))
    else:
        audit.record(request, "operation.retry", f"operation {pk}", team=found.team)
    return redirect("operation", pk)


@require_safe
@login_required
def tray(request: HttpRequest) -> HttpResponse:
    count = visible(Operation, request.user).filter(state__in=_RUNNING).count()
    return render(request, "components/tray_button.html", {"tasks_running": count})
