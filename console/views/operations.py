"""Operations: the list, one with its steps and log, cancel and retry."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from addons import operations as use_cases
from addons.components.catalogue import catalogue
from addons.components.ram_steps import KINDS as RAM_KINDS
from addons.models import Installation, Operation, Revision
from addons.sentences import read
from console import audit, pages
from console.access import Role, access, role_in, visible
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
    context = {
        "operation": found,
        "row": operation_rows([found], timezone.now())[0],
        "steps": steps,
        "fix": read(found.fix),
        "done": sum(step["state"] == "ok" for step in steps),
        "lines": [_line(entry) for entry in found.log],
        "running": found.state in _RUNNING,
        "ended_badly": found.state in {Operation.State.FAILED, Operation.State.CANCELLED},
        "acts": found.team is not None and role_in(request.user, found.team) != Role.VIEWER,
        "scope": found.cluster,
        **_of_component(found),
        **_of_grant(found),
    }
    partial = request.headers.get("HX-Request") and request.GET.get("part") == "body"
    template = "pages/operation/body.html" if partial else "pages/operation.html"
    return render(request, template, context)


def _of_component(found: Operation) -> dict[str, Any]:
    """What stands around an operation on a component: its aim, the way back, what follows."""
    given = found.arguments
    if not found.kind.endswith("-component") or found.cluster is None:
        return {"component": False}
    row = Installation.objects.filter(pk=given.get("installation")).first()
    latest = row is not None and row.operation_id == found.pk
    deployed = row.revisions.filter(status=Revision.Status.DEPLOYED).first() if row else None
    planned = given.get("auto_rollback")
    back = row.revisions.filter(number=planned).first() if row and planned else None
    follower = Operation.objects.filter(arguments__after_operation=found.pk).first()
    changes = given.get("action") in {"upgrade", "configure", "rollback"}
    return {
        "component": found.target in catalogue(),
        "nav": "components",
        "aim": given.get("version") if given.get("action") in {"install", "upgrade"} else "",
        "rollback_to": back.version if back else "",
        "back_to": deployed.number if latest and deployed and changes else None,
        "half": latest and row is not None and not row.version,
        "after": operation_rows([follower], timezone.now())[0] if follower else None,
        "next_url": reverse("component", args=[found.cluster.slug, found.target]),
        "next_label": _("Show the component"),
    }


def _of_grant(found: Operation) -> dict[str, Any]:
    """The credential whose RAM user it is about."""
    if found.kind not in RAM_KINDS:
        return {}
    credential = reverse("credential", args=[found.arguments["account"]])
    return {"nav": "credentials", "next_url": credential, "next_label": _("Show the credential")}


def _line(entry: dict[str, Any]) -> str:
    """A log line as the pane reads it: stamp, level when it is one to see, text."""
    level = "WARN " if entry.get("level") == "warn" else ""
    level = "ERROR " if str(entry.get("text", "")).startswith("failed") else level
    return f"{entry.get('at', '')} {level}{entry.get('text', '')}"


@require_safe
@login_required
def log(request: HttpRequest, pk: int) -> JsonResponse:
    """`{"lines", "cursor", "end"}`: what came after `?cursor=`, as the log pane asks.

    A cursor is the time of the last line read and how many of that time there were.
    """
    found = access(Operation, request.user, pk=pk)
    at, _bar, seen = request.GET.get("cursor", "").partition("|")
    skip = int(seen) if seen.isdecimal() else 0
    same = [entry for entry in found.log if entry["at"] == at]
    newer = [*same[skip:], *(entry for entry in found.log if entry["at"] > at)]
    last = found.log[-1]["at"] if found.log else at
    count = sum(entry["at"] == last for entry in found.log)
    return JsonResponse(
        {
            "lines": [_line(entry) for entry in newer],
            "cursor": f"{last}|{count}",
            "end": found.state not in _RUNNING,
        }
    )


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
