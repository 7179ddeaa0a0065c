"""One ConfigMap of a cluster, followed live."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from addons.runtime.ending import end
from kube import CONFIGMAPS, Event, Kube, Reflector
from kube.errors import Forbidden, KubeError, NotFound

log = logging.getLogger(__name__)
POLL_SECONDS = 30.0

Json = dict[str, Any]
# Told what the ConfigMap is now; None: there is none.
Take = Callable[[Json | None], Awaitable[None]]


async def read(kube: Kube, namespace: str, name: str) -> Json | None:
    """Raises `KubeError` when the cluster does not answer or does not allow it."""
    try:
        found: Json = await kube.get(CONFIGMAPS, name, namespace)
    except NotFound:
        return None
    return found


async def follow(kube: Kube, namespace: str, name: str, take: Take) -> None:
    """Until cancelled. A role from before lists were asked for may still get: then it is polled."""

    async def on_list(items: list[Json], _version: str) -> None:
        await take(items[0] if items else None)

    async def on_events(events: list[Event[Json]]) -> None:
        last = events[-1]
        await take(None if last.kind == "DELETED" else last.object)

    source = Reflector(
        kube,
        CONFIGMAPS,
        namespace,
        fields=f"metadata.name={name}",
        on_list=on_list,
        on_events=on_events,
    )
    watching = asyncio.create_task(source.run())
    polling = asyncio.create_task(_poll(kube, namespace, name, source, take))
    try:
        done, _ = await asyncio.wait({watching, polling}, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        await end(watching, polling)


async def _poll(kube: Kube, namespace: str, name: str, source: Reflector[Json], take: Take) -> None:
    version: str | None = ""
    while True:
        if isinstance(source.state.error, Forbidden):
            try:
                found = await read(kube, namespace, name)
            except KubeError as error:
                log.info("ConfigMap %s/%s may not be read: %s", namespace, name, error)
            else:
                now = found["metadata"]["resourceVersion"] if found else None
                if now != version:
                    await take(found)
                version = now
            await asyncio.sleep(POLL_SECONDS)
        else:
            await asyncio.sleep(1.0)
