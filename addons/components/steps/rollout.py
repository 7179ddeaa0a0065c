"""Waiting for workloads, and telling why they do not come up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_noop as _

from addons.components import apply
from addons.components.base import Json
from addons.components.steps.common import nodes_ready, work_of
from addons.components.steps.obstacles import held_up, renew
from addons.models import Operation
from addons.operations import NotYet, StepFailed
from addons.runtime.contract import Context
from addons.sentences import stored

WORKLOADS = frozenset({"Deployment", "StatefulSet", "DaemonSet"})


async def rollout(ctx: Context, operation: Operation) -> str:
    """Every workload runs its newest template everywhere."""
    work = await work_of(ctx, operation)
    kube = await ctx.kube(work.cluster_id)
    workloads = [obj for obj in work.objects if obj["kind"] in WORKLOADS]
    there = [await apply.find(kube, obj) for obj in workloads]
    await renew(ctx, operation, kube, [live for live in there if live is not None])
    for obj, live in zip(workloads, there, strict=True):
        if live is None:
            raise StepFailed(
                stored(_("%(object)s was deleted meanwhile."), object=apply.name_of(obj)),
                _("Retry applies it again."),
            )
        if not complete(live):
            why = await held_up(ctx, operation, kube, live)
            raise NotYet(why or _so_far(obj, live), seconds=0.5)
    return stored(_("%(n)s workloads are up"), n=len(workloads))


def _so_far(obj: Json, live: Json) -> str:
    ready, wanted = progress(live)
    text = _("%(object)s: %(ready)s of %(wanted)s ready")
    return stored(text, object=apply.name_of(obj), ready=ready, wanted=wanted)


async def nodes_or_crash(ctx: Context, operation: Operation) -> str:
    """As `nodes_ready`; a controller that crashes a moment after its start is told as such."""
    work = await work_of(ctx, operation)
    kube = await ctx.kube(work.cluster_id)
    for obj in work.objects if work.wanted.component.brings_nodes else ():
        live = await apply.find(kube, obj) if obj["kind"] in WORKLOADS else None
        if live is not None:
            await held_up(ctx, operation, kube, live)
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
