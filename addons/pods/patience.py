"""How long a pod waits for stock, and what becomes of it then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from addons.pods.volumes import UnsupportedVolume
from addons.pods.work import Work
from providers import base
from providers.base import InstanceState, OnFailure, Placing, RunState, Waiting
from providers.models import Instance

Json = Mapping[str, Any]


def waiting_of(work: Work) -> Waiting:
    """As the provider reads it off the pod; a pod without an owner is never failed over."""
    pod = work.live_pod
    try:
        waiting = work.dialect.waiting(work.outline(work.row))
    except UnsupportedVolume:
        return Waiting()
    owned = any(o.get("controller") for o in pod["metadata"].get("ownerReferences") or ())
    if waiting.on_failure is OnFailure.OVER and not owned:
        return replace(waiting, on_failure=OnFailure.BACK)
    return waiting


def since(pod: Json, row: Instance | None) -> datetime:
    """When it was scheduled; else when its instance was first asked for; else its creation."""
    for condition in (pod.get("status") or {}).get("conditions") or ():
        if condition["type"] == "PodScheduled" and condition.get("status") == "True":
            return datetime.fromisoformat(condition["lastTransitionTime"])
    if row is not None:
        return row.intended_at
    return datetime.fromisoformat(pod["metadata"]["creationTimestamp"])


def overdue(work: Work, seen: base.Instance | None) -> int:
    """The minutes that the pod gives its instance to start, when they are over; else 0.

    They count from when the instance cost, and not while an init container runs.
    """
    if seen is None or seen.state is not InstanceState.STARTING or seen.billed_from is None:
        return 0
    if any(one.state.state is RunState.RUNNING for one in seen.init_containers):
        return 0
    limit = waiting_of(work).starting
    if limit is None or work.now - seen.billed_from < limit:
        return 0
    return int(limit.total_seconds() // 60)


async def ran_short(work: Work, zone: str) -> None:
    """An accepted instance found no stock in `zone`: the next try leaves it out."""
    provider = await work.provider()
    if isinstance(provider, Placing) and zone:
        await provider.ran_short([zone], work.open_row.spec)
