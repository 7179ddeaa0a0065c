"""Pods: the live table and the page of one pod."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import yaml
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from addons.models import PodRow
from addons.pods import control, inspect, reasons
from console import audit, pages
from console.access import Role, access
from console.live.topics import pod_row
from kube.errors import KubeError

TABS = (
    ("timeline", gettext_lazy("Timeline")),
    ("containers", gettext_lazy("Containers")),
    ("logs", gettext_lazy("Logs")),
    ("yaml", "YAML"),
    ("instance", gettext_lazy("Instance")),
)
SOURCES = {
    "kubernetes": gettext_lazy("Kubernetes"),
    "cloud": gettext_lazy("Cloud"),
    "spillway": "Spillway",
}


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of the life of a pod: when it was reached, and how long it took."""

    title: str
    state: str
    at: datetime | None
    took: timedelta | None


def stages(pod: PodRow) -> list[Stage]:
    """Scheduled, instance requested, image pull, started: with the time each one took."""
    instance = pod.instance
    reached = [
        (_("Created"), pod.created_at),
        (_("Scheduled"), pod.scheduled_at),
        (_("Instance requested"), instance.intended_at if instance else None),
        (_("Image pull, billing starts"), instance.billed_from if instance else None),
        (_("Running"), pod.running_at),
    ]
    if pod.finished_at or pod.gone_at:
        reached.append((_("Ended"), pod.finished_at or pod.gone_at))
    result: list[Stage] = []
    before: datetime | None = None
    over = pod.finished_at is not None or pod.gone_at is not None
    for title, at in reached:
        waiting = at is None and before is not None and not over
        first_open = waiting and not any(stage.state == "now" for stage in result)
        state = "ok" if at else ("now" if first_open else "todo")
        took = at - before if at and before and at >= before else None
        result.append(Stage(title, state, at, took))
        before = at or before
    return result


@require_safe
@login_required
def pods(request: HttpRequest) -> HttpResponse:
    return pages.table(request, "pods", "pages/pods.html")


def _containers(manifest: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Spec and status of every container side by side; values of variables are not shown."""
    if manifest is None:
        return []
    spec, status = manifest.get("spec", {}), manifest.get("status", {})
    told = [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]
    by_name = {item["name"]: item for item in told}
    init = [(True, item) for item in spec.get("initContainers", [])]
    rows = []
    for is_init, item in [*init, *((False, item) for item in spec.get("containers", []))]:
        now = by_name.get(item["name"], {})
        rows.append(
            {
                "init": is_init,
                "name": item["name"],
                "image": item.get("image", ""),
                "resources": item.get("resources", {}),
                "variables": [entry["name"] for entry in item.get("env", [])],
                "ready": now.get("ready"),
                "restarts": now.get("restartCount", 0),
                "state": _state(now.get("state")),
                "last": _state(now.get("lastState")),
            }
        )
    return rows


def _state(state: dict[str, Any] | None) -> dict[str, Any] | None:
    for name, detail in (state or {}).items():
        return {"name": name, **(detail or {})}
    return None


def _clean(manifest: dict[str, Any]) -> str:
    """As YAML without managedFields, as kubectl shows it."""
    metadata = {k: v for k, v in manifest.get("metadata", {}).items() if k != "managedFields"}
    shown = {"apiVersion": "v1", "kind": "Pod", **manifest, "metadata": metadata}
    return yaml.safe_dump(shown, sort_keys=False, allow_unicode=True)


def _manifest(pod: PodRow) -> tuple[dict[str, Any] | None, str]:
    """The pod as the cluster has it, or why it cannot be had."""
    if pod.gone_at:
        return None, _("The pod is gone from its cluster; this is what we kept of it.")
    try:
        found = inspect.manifest(pod)
    except (KubeError, TimeoutError) as error:
        return None, _("The cluster did not answer: %(error)s") % {"error": error}
    return found, "" if found else _("The pod is gone from its cluster.")


def _tab_context(pod: PodRow, tab: str) -> dict[str, Any]:
    if tab == "timeline":
        found = inspect.timeline(pod)
        missing = [str(SOURCES[name]) for name in found.missing]
        return {"moments": reversed(found.moments), "missing": missing, "sources": SOURCES}
    if tab == "instance":
        return {"seen": pod.instance.seen if pod.instance else {}}
    manifest, problem = _manifest(pod)
    names = [item["name"] for item in _containers(manifest)] or _kept_containers(pod)
    return {
        "problem": problem,
        "containers": _containers(manifest),
        "names": names,
        "yaml": _clean(manifest) if manifest and tab == "yaml" else "",
    }


def _kept_containers(pod: PodRow) -> list[str]:
    if pod.instance is None:
        return []
    return list(pod.instance.log_tails.order_by("container").values_list("container", flat=True))


@require_safe
@login_required
def pod(request: HttpRequest, pk: int, tab: str = "timeline") -> HttpResponse:
    """The page of a pod; one that is gone keeps its page for as long as its row is kept."""
    if tab not in dict(TABS):
        raise Http404
    found = access(PodRow, request.user, pk=pk)
    now = timezone.now()
    blocker = reasons.sentence(found.blocker, found.blocker_values) if found.blocker else ""
    context = {
        "pod": found,
        "row": pod_row(found, now),
        "instance": found.instance,
        "stages": stages(found),
        "blocker": blocker,
        "tab": tab,
        "tabs": TABS,
        "scope": found.cluster,
        **_tab_context(found, tab),
    }
    partial = request.headers.get("HX-Request") and request.GET.get("part")
    template = f"pages/pod/{request.GET['part']}.html" if partial in {"top", "tab"} else ""
    return render(request, template or "pages/pod.html", context)


@require_POST
@login_required
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    found = access(PodRow, request.user, role=Role.OPERATOR, pk=pk)
    try:
        control.delete(found)
    except KubeError as error:
        messages.error(request, _("The cluster refused: %(error)s") % {"error": error})
        return redirect("pod", pk)
    target = f"{found.cluster.slug}/{found.namespace}/{found.name}"
    audit.record(request, "pod.delete", target, team=found.cluster.team)
    messages.success(request, _("%(name)s is being deleted.") % {"name": found.name})
    return redirect("pod", pk)
