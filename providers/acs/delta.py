"""Which pods changed lately, without listing them all: a watch that is open for a moment.

A watch from a resource version tells at once what happened since (Kubernetes documentation, "API
concepts", efficient detection of changes); it is left as soon as it falls silent. When the server
no longer knows the version (410), or more is asked for than was followed, all pods are listed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing

from kube import PODS, Kube, Pod
from kube.errors import Gone

QUIET_SECONDS = 0.15
KEPT_SECONDS = 120.0
_WATCH_SECONDS = 5


class Delta:
    """The pods of one selector in one namespace. Raises `KubeError`."""

    def __init__(
        self,
        kube: Kube,
        namespace: str,
        labels: str,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._kube = kube
        self._namespace = namespace
        self._labels = labels
        self._monotonic = monotonic
        self._version = ""
        self._began = 0.0
        self._recent: dict[str, tuple[float, Pod]] = {}

    async def since(self, seconds: float | None) -> Sequence[Pod]:
        """At least the pods that changed within `seconds`; None: all. Never those deleted."""
        now = self._monotonic()
        followed = min(now - self._began, KEPT_SECONDS) if self._version else 0.0
        if seconds is None or seconds > followed:
            return await self._all(now)
        try:
            await self._follow(now)
        except Gone:
            return await self._all(now)
        return [pod for at, pod in self._recent.values() if at >= now - seconds]

    async def _all(self, now: float) -> Sequence[Pod]:
        found = await self._kube.list(PODS, self._namespace, labels=self._labels, type=Pod)
        self._version, self._began = found.resource_version, now
        self._recent.clear()
        return found.items

    async def _follow(self, now: float) -> None:
        self._recent = {
            name: told for name, told in self._recent.items() if told[0] >= now - KEPT_SECONDS
        }
        watch = self._kube.watch_batches(
            PODS,
            self._namespace,
            labels=self._labels,
            resource_version=self._version,
            type=Pod,
            seconds=_WATCH_SECONDS,
        )
        async with aclosing(watch) as batches:
            await anext(batches)
            try:
                async with asyncio.timeout(QUIET_SECONDS) as silence:
                    async for batch in batches:
                        for event in batch:
                            self._take(event.kind, event.object, event.resource_version, now)
                        silence.reschedule(asyncio.get_running_loop().time() + QUIET_SECONDS)
            except TimeoutError:
                return

    def _take(self, kind: str, pod: Pod, version: str, now: float) -> None:
        self._version = version
        if kind in {"ADDED", "MODIFIED"}:
            self._recent[pod.metadata.name] = (now, pod)
        elif kind == "DELETED":
            self._recent.pop(pod.metadata.name, None)
