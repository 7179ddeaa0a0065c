"""Logs and exec of the pods of a virtual node."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

from sandbox.cluster.controllers.informer import Obj
from sandbox.cluster.controllers.kubelet.backend import NodeBackend
from sandbox.cluster.controllers.timing import stamp_micro
from sandbox.cluster.errors import bad_request, internal

if TYPE_CHECKING:
    from sandbox.cluster.clock import Clock
    from sandbox.cluster.controllers.kubelet.environment import Environment

    from .vendor import Cloud


class VirtualBackend(NodeBackend):
    """``cloud_of`` gives what runs a pod, None when nobody runs the node."""

    def __init__(
        self,
        name: str,
        environment: Environment,
        clock: Clock,
        cloud_of: Callable[[str], Cloud | None],
    ) -> None:
        super().__init__(name, environment, clock, set())
        self._cloud_of = cloud_of

    def _check_alive(self) -> None:
        if self._cloud_of(self.name) is None:
            raise internal(f"error dialing backend: dial tcp {self.name}: connection refused")

    async def logs(
        self,
        pod: Obj,
        container: str,
        *,
        follow: bool = False,
        tail_lines: int | None = None,
        since_seconds: int | None = None,
        timestamps: bool = False,
        previous: bool = False,
    ) -> AsyncIterator[bytes]:
        """Lines as the cloud keeps them; ApiError 400 when the pod has no instance."""
        self._check_alive()
        cloud = self._cloud_of(self.name)
        assert cloud
        if not cloud.takes(pod):
            inner = super().logs(
                pod,
                container,
                follow=follow,
                tail_lines=tail_lines,
                since_seconds=since_seconds,
                timestamps=timestamps,
                previous=previous,
            )
            async for chunk in inner:
                yield chunk
            return
        if not cloud.has(pod):
            text = f'container "{container}" in pod "{pod["metadata"]["name"]}" is waiting to start'
            raise bad_request(text)
        since = self._clock.now().timestamp() - since_seconds if since_seconds else 0.0
        shown: deque[tuple[float, str]] = deque(maxlen=tail_lines)
        async for line in cloud.logs(pod, container, follow=False, previous=previous):
            shown.append(line)
        last = max((at for at, _ in shown), default=0.0)
        for at, text in shown:
            if at >= since:
                yield _format(at, text, stamped=timestamps)
        if follow:
            async for at, text in cloud.logs(pod, container, follow=True, previous=previous):
                if at > last:
                    yield _format(at, text, stamped=timestamps)
        await asyncio.sleep(0)


def _format(at: float, text: str, *, stamped: bool) -> bytes:
    prefix = stamp_micro(at).replace("Z", "000Z") + " " if stamped else ""
    return f"{prefix}{text}\n".encode()
