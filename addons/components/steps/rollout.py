"""Waiting for workloads, and telling why they do not come up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_noop as _

from addons.components import apply
from addons.components.base import Json
from addons.components.steps.common import nodes_ready, work_of
from addons.models import Operation
from addons.operations import NotYet, StepFailed
from addons.runtime.contract import Context
from addons.sentences import stored
from kube import PODS, Kube
from kube.errors import KubeError

WORKLOADS = frozenset({"Deployment", "StatefulSet", "DaemonSet"})
_CRASHING = "CrashLoopBackOff"
_RESTARTS = 2
_LAST_LINES = 5


async def rollout(ctx: Context, operation: Operation) -> str:
    """Every workload runs its newest template everywhere."""
    work = await work_of(ctx, operation)
    kube = await ctx.kube(work.cluster_id)
    workloads = [obj for obj in work.objects if obj["kind"] in WORKLOADS]
    for obj in workloads:
        live = await apply.find(kube, obj)
        if live is None:
            raise StepFailed(
                stored(_("%(object)s was deleted meanwhile."), object=apply.name_of(obj)),
                _("Retry applies it again after a repair."),
            )
        if not complete(live):
            await _crashing(kube, live)
            text = _("%(object)s: %(ready)s of %(wanted)s ready")
            ready, wanted = progress(live)
            raise NotYet(
                stored(text, object=apply.name_of(obj), ready=ready, wanted=wanted), seconds=0.5
            )
    return stored(_("%(n)s workloads are up"), n=len(workloads))


async def nodes_or_crash(ctx: Context, operation: Operation) -> str:
    """As `nodes_ready`; a controller that crashes a moment after its start is told as such."""
    work = await work_of(ctx, operation)
    kube = await ctx.kube(work.cluster_id)
    for obj in work.objects if work.wanted.component.brings_nodes else ():
        live = await apply.find(kube, obj) if obj["kind"] in WORKLOADS else None
        if live is not None:
            await _crashing(kube, live)
    return await nodes_ready(ctx, operation)


def progress(live: Mapping[str, Any]) -> tuple[int, int]:
    """Updated and available against wanted."""
    status = live.get("status") or {}
    if live["kind"] == "DaemonSet":
        wanted = status.get("desiredNumberScheduled", 0)
        done = (status.get("updatedNumberScheduled", 0), status.get("numberAvailable", 0))
        return min(done), wanted
    wanted = (live.get("spec") or {}).get("replicas", 1)
    done = (status.get("updatedReplicas", 0), status.get("availableReplicas", 0))
    return min(done), wanted


def complete(live: Mapping[str, Any]) -> bool:
    status = live.get("status") or {}
    seen = status.get("observedGeneration", 0) >= live["metadata"].get("generation", 1)
    ready, wanted = progress(live)
    old = live["kind"] == "Deployment" and status.get("replicas", 0) > status.get(
        "updatedReplicas", 0
    )
    return bool(seen and ready >= wanted and not old)


async def _crashing(kube: Kube, live: Json) -> None:
    """Raises `StepFailed` with the last words of a container that cannot start."""
    space = live["metadata"]["namespace"]
    labels = ((live["spec"].get("selector") or {}).get("matchLabels")) or {}
    selector = ",".join(f"{key}={value}" for key, value in labels.items())
    for pod in (await kube.list(PODS, space, labels=selector)).items:
        for status in (pod.get("status") or {}).get("containerStatuses") or ():
            waiting = (status.get("state") or {}).get("waiting") or {}
            reason = waiting.get("reason", "")
            if reason == _CRASHING and status.get("restartCount", 0) >= _RESTARTS:
                words = await _last_words(kube, pod, status["name"])
                raise StepFailed(
                    stored(
                        _("%(pod)s is in %(reason)s: %(words)s"),
                        pod=pod["metadata"]["name"],
                        reason=reason,
                        words=words or waiting.get("message", "-"),
                    ),
                    _("Check the credential and the values, then change them and retry."),
                )


async def _last_words(kube: Kube, pod: Json, container: str) -> str:
    meta = pod["metadata"]
    pieces: list[bytes] = []
    try:
        async for piece in kube.logs(
            meta["namespace"],
            meta["name"],
            container=container,
            tail_lines=_LAST_LINES,
            previous=True,
        ):
            pieces.append(piece)
    except KubeError:
        return ""
    return b"".join(pieces).decode(errors="replace").strip()[-500:]
