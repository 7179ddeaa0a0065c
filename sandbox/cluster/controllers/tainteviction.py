"""NoExecute taints: pods leave at once, after their tolerationSeconds, or never."""

from __future__ import annotations

from .informer import Key, Obj, key_of
from .loop import Controller
from .objects import deleting, node_of, on_node, pod_finished, with_condition
from .scheduling.filters import covers
from .timing import seconds_of

REASON = "DeletionByTaintManager"


class TaintEviction(Controller[Key]):
    """Keys are (namespace, name) of pods on tainted nodes."""

    name = "taint-eviction-controller"

    def setup(self) -> None:
        self.nodes = self.context.informer("nodes")
        self.pods = self.context.informer("pods")
        self.by_node = self.pods.index("node", on_node)
        self.nodes.on_change(self._on_node)
        self.pods.on_change(self._on_pod)

    def _on_node(self, new: Obj | None, old: Obj | None) -> None:
        if new is None or _no_execute(new) == (_no_execute(old) if old else []):
            return
        for pod in self.by_node[new["metadata"]["name"]]:
            self.queue.add(key_of(pod))

    def _on_pod(self, new: Obj | None, old: Obj | None) -> None:
        if new is None or not node_of(new) or (old is not None and new["spec"] == old["spec"]):
            return
        node = self.nodes.get(("", node_of(new)))
        if node is not None and _no_execute(node):
            self.queue.add(key_of(new))

    async def reconcile(self, key: Key) -> float | None:
        """Evict the pod when its time is over; returns the seconds left otherwise."""
        pod = self.pods.get(key)
        if pod is None or deleting(pod) or pod_finished(pod) or not node_of(pod):
            return None
        node = self.nodes.get(("", node_of(pod)))
        deadline = eviction_time(pod, _no_execute(node) if node else [])
        if deadline is None:
            return None
        left = deadline - self.context.now()
        if left > 0:
            return left
        await self._evict(pod)
        return None

    async def _evict(self, pod: Obj) -> None:
        namespace, name = key_of(pod)
        await self.events.emit(
            self.name, pod, "TaintManagerEviction", f"Marking for deletion Pod {namespace}/{name}"
        )
        condition = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": REASON,
            "message": "Taint manager: deleting due to NoExecute taint",
        }
        status = dict(pod.get("status") or {})
        conditions = with_condition(status.get("conditions"), condition, self.context.now())
        await self.context.write_status("pods", pod, {**status, "conditions": conditions})
        await self.context.remove("pods", pod)


def _no_execute(node: Obj) -> list[Obj]:
    return [t for t in node["spec"].get("taints") or [] if t.get("effect") == "NoExecute"]


def eviction_time(pod: Obj, taints: list[Obj]) -> float | None:
    """When the pod must go, in seconds since the epoch; None when it may stay."""
    tolerations = pod["spec"].get("tolerations") or []
    deadlines = []
    for taint in taints:
        fitting = [t for t in tolerations if covers(t, taint)]
        if not fitting:
            return 0.0
        bounds = [t["tolerationSeconds"] for t in fitting if t.get("tolerationSeconds") is not None]
        if bounds:
            deadlines.append(seconds_of(taint.get("timeAdded")) + max(0, min(bounds)))
    return min(deadlines) if deadlines else None
