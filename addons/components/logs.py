"""The log of a component: of its own pods in the cluster, read when somebody looks.

Its pods are those that its workloads select: the workloads of the newest revision or, where the
vendor installed it, those that its kit recognises. Another pod of the cluster is never read.

Functions are synchronous; they raise `kube.errors.KubeError`, `TimeoutError`, or `NoLog` when there
is nothing to read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from addons.components import apply, recognise, release
from addons.components.base import Delivery, Json
from addons.components.steps.rollout import WORKLOADS
from addons.models import Installation
from addons.runtime.loop import Runtime, runtime
from kube import PODS, Kube

ANSWER_SECONDS = 8.0
MOST_LINES = 2000


class NoLog(Exception):
    """The pod is none of the component's."""


@dataclass(frozen=True, slots=True)
class Source:
    """A container of a pod of the component; `state` in the words of the cluster."""

    pod: str
    container: str
    namespace: str
    ready: bool
    restarts: int
    state: str


def has_pods(installation: Installation) -> bool:
    """Whether it runs anything in the cluster; hosted ones are Spillway's own workers."""
    return installation.delivery != Delivery.HOSTED


def sources(installation: Installation) -> list[Source]:
    """Its containers now, those that have trouble first."""
    found: list[Source] = _run(_sources(runtime(), installation))
    return sorted(found, key=lambda one: (one.ready, one.pod, one.container))


def lines(
    installation: Installation,
    pod: str,
    container: str,
    *,
    tail: int = 500,
    since_seconds: int | None = None,
    previous: bool = False,
) -> str:
    """The container's last lines, each after an RFC 3339 time."""

    async def read() -> str:
        known = await _sources(runtime(), installation)
        found = next((s for s in known if (s.pod, s.container) == (pod, container)), None)
        if found is None:
            raise NoLog(pod)
        kube = await runtime().kube(installation.cluster_id)
        pieces = kube.logs(
            found.namespace,
            found.pod,
            container=found.container,
            tail_lines=max(1, min(tail, MOST_LINES)),
            since_seconds=since_seconds,
            timestamps=True,
            previous=previous,
        )
        return b"".join([piece async for piece in pieces]).decode(errors="replace")

    text: str = _run(read())
    return text


def _run(coroutine: Any) -> Any:
    return runtime().run(asyncio.wait_for(coroutine, ANSWER_SECONDS))


async def _sources(reach: Runtime, installation: Installation) -> list[Source]:
    kube = await reach.kube(installation.cluster_id)
    found: list[Source] = []
    for obj in await _workloads(reach, kube, installation):
        live = await apply.find(kube, obj)
        if live is not None:
            for pod in await _pods(kube, live):
                found += _containers(pod)
    return found


async def _workloads(reach: Runtime, kube: Kube, installation: Installation) -> list[Json]:
    known: list[Json] = await reach.db(_applied, installation)
    if known or not has_pods(installation):
        return known
    component = release.component_of(installation.component)
    found = await recognise.recognise(kube, component)
    return [obj for obj in found.objects if obj["kind"] in WORKLOADS] if found else []


def _applied(installation: Installation) -> list[Json]:
    newest = installation.revisions.exclude(objects_applied=[]).first()
    objects = newest.objects_applied if newest else []
    return [obj for obj in objects if obj["kind"] in WORKLOADS]


async def _pods(kube: Kube, workload: Mapping[str, Any]) -> list[Json]:
    labels = (workload["spec"].get("selector") or {}).get("matchLabels") or {}
    if not labels:
        return []
    selector = ",".join(f"{key}={value}" for key, value in labels.items())
    return list((await kube.list(PODS, workload["metadata"]["namespace"], labels=selector)).items)


def _containers(pod: Json) -> list[Source]:
    told = {one["name"]: one for one in (pod.get("status") or {}).get("containerStatuses") or ()}
    return [
        Source(
            pod["metadata"]["name"],
            one["name"],
            pod["metadata"]["namespace"],
            bool(told.get(one["name"], {}).get("ready")),
            int(told.get(one["name"], {}).get("restartCount", 0)),
            _state(told.get(one["name"], {}).get("state") or {}),
        )
        for one in pod["spec"]["containers"]
    ]


def _state(state: Mapping[str, Any]) -> str:
    """`Running`, or the reason for what it does instead."""
    for name, detail in state.items():
        return str((detail or {}).get("reason") or name.capitalize())
    return ""
