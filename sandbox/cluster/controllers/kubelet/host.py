"""What the pods of a kubelet run on. Here: the node's own machine."""

from __future__ import annotations

from fnmatch import fnmatch
from typing import TYPE_CHECKING

from ..informer import Obj
from ..objects import node_of, on_node, pod_finished
from .addresses import Addresses
from .admit import Refused, refusal

if TYPE_CHECKING:
    from ..context import Context
    from .nodes import Nodes

RETRY = 2.0


class Delayed(Exception):
    """The pod cannot begin yet; `seconds` until it is worth another look."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"not before {seconds} s")
        self.seconds = seconds


class Host:
    """Real machines; durations are in seconds of the clock."""

    def __init__(self, context: Context, nodes: Nodes) -> None:
        self.context = context
        self.nodes = nodes
        self._addresses = {c.name: Addresses(c.pod_cidr) for c in nodes.configs.values()}
        self._by_node = context.informer("pods").index("node", on_node)

    async def admit(self, pod: Obj) -> Refused | None:
        """Why the node will not run the pod, or None; raises Delayed."""
        node = self.context.informer("nodes").get(("", node_of(pod)))
        if node is None:
            raise Delayed(RETRY)
        running = [
            other
            for other in self._by_node[node_of(pod)]
            if not pod_finished(other) and (other.get("status") or {}).get("startTime")
        ]
        return refusal(pod, node, running)

    def sandbox_seconds(self) -> float:
        """How long a pod's sandbox takes."""
        return self.context.config.pace.sandbox / self.context.clock.speed

    def pull_seconds(self, pod: Obj, container: Obj) -> float:
        """How long the image takes; nothing when another pod of the node has run it."""
        if container.get("imagePullPolicy") != "Always" and self._has(pod, container):
            return 0.0
        return self.context.config.pace.pull / self.context.clock.speed

    def stop_seconds(self) -> float:
        """How long containers take to stop."""
        return self.context.config.pace.stop / self.context.clock.speed

    def lacks(self, image: str) -> bool:
        """No registry has the image."""
        return any(fnmatch(image, glob) for glob in self.context.config.missing_images)

    def as_run(self, _pod: Obj, container: Obj) -> Obj:
        """The container as it will be run."""
        return container

    def told(self, _pod: Obj, status: Obj) -> Obj:
        """The status with what the host adds to it."""
        return status

    def address(self, pod: Obj) -> str:
        """An address for the pod."""
        node = node_of(pod)
        if pod["spec"].get("hostNetwork"):
            return self.nodes.configs[node].address
        used = (
            (other.get("status") or {}).get("podIP", "")
            for other in self._by_node[node]
            if not pod_finished(other)
        )
        return self._addresses[node].take(used)

    def _has(self, pod: Obj, container: Obj) -> bool:
        return any(
            status.get("image") == container.get("image") and status.get("imageID")
            for other in self._by_node[node_of(pod)]
            for status in (other.get("status") or {}).get("containerStatuses") or []
        )
