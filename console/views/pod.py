"""The page of one pod: summary, lifecycle, timeline, containers, logs, YAML, instance."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import yaml
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from addons.models import PodRow
from addons.pods import control, inspect, reasons
from console import audit, logs
from console.access import AnyUser, Role, access
from console.api.pods import log_file, read_logs
from console.api.problems import Problem
from console.live.rows import pod_rows
from console.templatetags.ui import short_duration
from console.views.billing import pod as pod_money
from kube.errors import KubeError
from providers.models import Instance

TABS = (
    ("timeline", gettext_lazy("Timeline")),
    ("containers", gettext_lazy("Containers")),
    ("logs", gettext_lazy("Logs")),
    ("yaml", "YAML"),
    ("instance", gettext_lazy("Instance")),
    ("cost", gettext_lazy("Cost")),
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

    @property
    def took_text(self) -> str:
        return short_duration(self.took.total_seconds()) if self.took is not None else ""


def stages(pod: PodRow, instance: Instance | None) -> list[Stage]:
    """Scheduled, instance requested, image pull, started: with the time each one took."""
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
                "limits": _limits(item.get("resources") or {}),
                "variables": [entry["name"] for entry in item.get("env") or []],
                "restarts": now.get("restartCount", 0),
                **_state(now.get("state") or {}, bool(now.get("ready"))),
                "last_text": _state(now.get("lastState") or {}, False)["state_text"],
            }
        )
    return rows


def _limits(resources: dict[str, Any]) -> str:
    wanted = resources.get("limits") or resources.get("requests") or {}
    return " ".join(f"{name}={amount}" for name, amount in wanted.items())


def _state(state: dict[str, Any], ready: bool) -> dict[str, str]:
    """`{"running": {...}}` as a tone, a text as kubectl shows it, and the message."""
    for name, told in state.items():
        detail = told or {}
        if name == "running":
            return {"tone": "ok" if ready else "prog", "state_text": "Running", "state_hint": ""}
        text = detail.get("reason") or name.capitalize()
        hint = detail.get("message") or ""
        if name == "terminated":
            code = detail.get("exitCode", 0)
            tone = "bad" if code else "done"
            return {"tone": tone, "state_text": f"{text} ({code})", "state_hint": hint}
        tone = "bad" if text.endswith(("BackOff", "Error", "ErrImagePull")) else "prog"
        return {"tone": tone, "state_text": text, "state_hint": hint}
    return {"tone": "mute", "state_text": "", "state_hint": ""}


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


def _moments(found: inspect.Timeline) -> list[dict[str, Any]]:
    """Newest first; decisions of ours show their sentence as the title."""
    return [
        {
            "at": moment.at,
            "tone": "warn" if moment.warning else "mute",
            "title": moment.text if moment.source == "spillway" else moment.reason,
            "text": "" if moment.source == "spillway" else moment.text,
            "source": SOURCES[moment.source],
            "count": moment.count,
            "request_id": moment.request_id,
        }
        for moment in reversed(found.moments)
    ]


def _tab_context(user: AnyUser, pod: PodRow, instance: Instance | None, tab: str) -> dict[str, Any]:
    if tab == "cost":
        return pod_money.context(user, pod, timezone.now())
    if tab == "timeline":
        found = inspect.timeline(pod)
        missing = [str(SOURCES[name]) for name in found.missing]
        return {"moments": _moments(found), "missing": missing}
    if tab == "instance":
        said = dict(instance.seen) if instance else {}
        written = sorted(said.pop("written", {}).items())
        text = yaml.safe_dump(said, sort_keys=False, allow_unicode=True) if said else ""
        return {"seen_text": text, "written": written, "cloud_name": said.get("name", "")}
    manifest, problem = _manifest(pod)
    containers = _containers(manifest)
    return {
        "problem": "" if tab == "logs" else problem,
        "containers": containers,
        "names": [item["name"] for item in containers] or _kept_containers(pod),
        "yaml": _clean(manifest) if manifest and tab == "yaml" else "",
    }


def _kept_containers(pod: PodRow) -> list[str]:
    if pod.instance is None:
        return []
    return list(pod.instance.log_tails.order_by("container").values_list("container", flat=True))


def latest_instance(pod: PodRow) -> Instance | None:
    """Its instance, or the ledger's row of the one that is being asked for."""
    if pod.instance:
        return pod.instance
    rows = Instance.objects.filter(pod_uid=pod.uid, cluster_uid=pod.cluster.uid)
    return rows.order_by("-generation").select_related("account").first()


@require_safe
@login_required
def pod(request: HttpRequest, pk: int, tab: str = "timeline") -> HttpResponse:
    """The page of a pod; one that is gone keeps its page for as long as its row is kept."""
    if tab not in dict(TABS):
        raise Http404
    found = access(PodRow, request.user, pk=pk)
    now, instance = timezone.now(), latest_instance(found)
    blocker = reasons.sentence(found.blocker, found.blocker_values) if found.blocker else ""
    context = {
        "pod": found,
        "row": pod_rows([found], now)[0],
        "instance": instance,
        "stages": stages(found, instance),
        "cost": pod_money.summary(request.user, found, now),
        "blocker": blocker,
        "tab": tab,
        "tabs": TABS,
        "scope": found.cluster,
        **_tab_context(request.user, found, instance, tab),
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


@require_safe
@login_required
def log(request: HttpRequest, pk: int) -> JsonResponse:
    """`{"lines", "cursor", "end"}`: what is new after `?cursor=`, for the log pane."""
    found = access(PodRow, request.user, pk=pk)
    cursor = logs.Cursor.parse(request.GET.get("cursor", ""))
    query = {**request.GET.dict(), "tail": "2000"}
    since = cursor.since_seconds(timezone.now())
    if since is not None:
        query["since"] = str(since)
    try:
        text = read_logs(found, query)
    except Problem as problem:
        return JsonResponse({"detail": str(problem.detail)}, status=problem.status_code)
    lines, cursor = logs.fresh(text.text.splitlines(), cursor)
    return JsonResponse({"lines": lines, "cursor": str(cursor), "end": text.kept_at is not None})


@require_safe
@login_required
def log_download(request: HttpRequest, pk: int) -> HttpResponse:
    found = access(PodRow, request.user, pk=pk)
    try:
        return log_file(found, request.GET.dict())
    except Problem as problem:
        messages.error(request, str(problem.detail))
        return redirect("pod-tab", pk, "logs")
