"""Pods that no kubelet will ever finish: of deleted nodes, unbound and deleting, too many ended."""

from __future__ import annotations

from .informer import Obj, key_of
from .loop import Controller
from .objects import deleting, on_node, pod_finished, with_condition
from .timing import seconds_of

PERIOD = 20.0


class PodGarbage(Controller[str]):
    """One key, looked at every 20 s."""

    name = "pod-garbage-collector"

    def setup(self) -> None:
        self._missing: dict[str, float] = {}
        self.nodes = self.context.informer("nodes")
        self.pods = self.context.informer("pods")
        self.by_node = self.pods.index("node", on_node)
        self.ended = self.pods.index("ended", lambda pod: [""] if pod_finished(pod) else [])
        self.queue.add("")

    async def reconcile(self, _key: str) -> float:
        """One sweep."""
        await self._sweep_orphans()
        for pod in self.by_node[""]:
            if deleting(pod):
                await self._kill(pod)
        ended = self.ended[""]
        excess = len(ended) - self.context.config.terminated_pods
        if excess > 0:
            ended.sort(key=lambda pod: seconds_of(pod["metadata"].get("creationTimestamp")))
            for pod in ended[:excess]:
                await self._kill(pod)
        return PERIOD

    async def _sweep_orphans(self) -> None:
        now = self.context.now()
        absent = {
            str(name)
            for name in self.by_node.values()
            if name and self.nodes.get(("", str(name))) is None
        }
        self._missing = {name: self._missing.get(name, now) for name in absent}
        for name, since in self._missing.items():
            if now - since < self.context.config.quarantine:
                continue
            for pod in self.by_node[name]:
                await self._disrupt(pod)

    async def _disrupt(self, pod: Obj) -> None:
        if not pod_finished(pod):
            condition = {
                "type": "DisruptionTarget",
                "status": "True",
                "reason": "DeletionByPodGC",
                "message": "PodGC: node no longer exists",
            }
            status = dict(pod.get("status") or {})
            status["phase"] = "Failed"
            status["conditions"] = with_condition(
                status.get("conditions"), condition, self.context.now()
            )
            await self.context.write_status("pods", pod, status)
        current = self.pods.get(key_of(pod))
        if current is not None:
            await self._kill(current)

    async def _kill(self, pod: Obj) -> None:
        if not (deleting(pod) and pod["metadata"].get("finalizers")):
            await self.context.remove("pods", pod, grace=0)
