"""The default scheduler: binds pods that name it, says why the others wait."""

from __future__ import annotations

from collections import Counter

from sandbox.cluster.errors import ApiError

from .informer import Key, Obj, key_of
from .loop import Controller
from .objects import condition_of, deleting, node_of, pod_finished, with_condition
from .quantities import Amounts, pod_requests
from .scheduling.cache import NodeCache, NodeInfo
from .scheduling.filters import Refusal, refuse
from .scheduling.interpod import Neighbours, required_terms
from .scheduling.scoring import rank

NAME = "default-scheduler"
NOT_HELPFUL = "Preemption is not helpful for scheduling"
NO_VICTIMS = "No preemption victims found for incoming pod"
FIRST_WAIT = 1.0
LONGEST_WAIT = 10.0
FLUSH = 300.0


class Scheduler(Controller[Key]):
    """Keys are (namespace, name) of unbound pods."""

    name = NAME
    manager = "kube-scheduler"

    def user(self) -> str:
        """Who the scheduler writes as."""
        return "system:kube-scheduler"

    def setup(self) -> None:
        self.pods = self.context.informer("pods")
        self.nodes = self.context.informer("nodes")
        self.repelling = self.pods.index("repelling", _repels)
        self._waiting: dict[Key, int] = {}
        self.cache = NodeCache(self.nodes, self.pods)
        self.pods.on_change(self._on_pod)
        self.nodes.on_change(self._on_node)

    def _on_pod(self, new: Obj | None, old: Obj | None) -> None:
        pod = new or old or {}
        if pod["spec"].get("schedulerName", NAME) == NAME and not node_of(pod):
            if new is None:
                self._waiting.pop(key_of(pod), None)
            elif old is None or new["spec"] != old["spec"] or _labels_changed(new, old):
                self.queue.add(key_of(pod))
        freed = new is None or pod_finished(new)
        if freed and node_of(pod) and not (old and pod_finished(old)):
            self._retry_waiting()

    def _on_node(self, new: Obj | None, old: Obj | None) -> None:
        if new is not None and (old is None or _node_traits(new) != _node_traits(old)):
            self._retry_waiting()

    def _retry_waiting(self) -> None:
        for key, attempts in self._waiting.items():
            wait = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(attempts - 1, 10))
            self.queue.add_after(key, wait)

    async def reconcile(self, key: Key) -> float | None:
        """Bind the pod or record why no node takes it."""
        pod = self.pods.get(key)
        if pod is None or node_of(pod) or deleting(pod) or pod_finished(pod):
            self._waiting.pop(key, None)
            return None
        if pod["spec"].get("schedulingGates"):
            return None
        asked = pod_requests(pod)
        fitting, refusals = self._sieve(pod, asked)
        if not fitting:
            self._waiting[key] = self._waiting.get(key, 0) + 1
            await self._explain(pod, explanation(len(self.cache), refusals))
            return FLUSH
        self._waiting.pop(key, None)
        await self._bind(pod, choose(pod, asked, fitting))
        return None

    def _sieve(self, pod: Obj, asked: Amounts) -> tuple[list[NodeInfo], list[Refusal]]:
        neighbours: Neighbours | None = None
        if self._social(pod):
            neighbours = Neighbours(pod, self.cache)
        fitting, refusals = [], []
        for info in self.cache:
            refusal = refuse(pod, asked, info)
            if refusal is None and neighbours is not None:
                refusal = neighbours.refuse(info)
            if refusal is None:
                fitting.append(info)
            else:
                refusals.append(refusal)
        return fitting, refusals

    def _social(self, pod: Obj) -> bool:
        return bool(
            self.repelling.count("")
            or pod["spec"].get("topologySpreadConstraints")
            or required_terms(pod, "podAffinity")
            or required_terms(pod, "podAntiAffinity")
        )

    async def _bind(self, pod: Obj, info: NodeInfo) -> None:
        namespace, name = key_of(pod)
        try:
            await self.client.bind(namespace, name, info.name)
        except ApiError as error:
            if error.code in {404, 409}:
                return
            raise
        text = f"Successfully assigned {namespace}/{name} to {info.name}"
        await self.events.emit(NAME, pod, "Scheduled", text)

    async def _explain(self, pod: Obj, message: str) -> None:
        await self.events.emit(NAME, pod, "FailedScheduling", message, kind="Warning")
        current = condition_of(pod, "PodScheduled") or {}
        if current.get("message") == message and current.get("status") == "False":
            return
        condition = {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": message,
        }
        status = pod.get("status") or {}
        conditions = with_condition(status.get("conditions"), condition, self.context.now())
        await self.context.write_status("pods", pod, {**status, "conditions": conditions})


def choose(pod: Obj, asked: Amounts, fitting: list[NodeInfo]) -> NodeInfo:
    """The best node; the first by name among equals."""
    if len(fitting) == 1:
        return fitting[0]
    scores = rank(pod, asked, fitting)
    best = max(scores)
    equals = [info for info, score in zip(fitting, scores, strict=True) if score >= best - 1e-9]
    return min(equals, key=lambda info: info.name)


def explanation(total: int, refusals: list[Refusal]) -> str:
    """The FailedScheduling text."""
    if not total:
        return "no nodes available to schedule pods"
    reasons = Counter(reason for refusal in refusals for reason in refusal.reasons)
    listed = ", ".join(sorted(f"{count} {reason}" for reason, count in reasons.items()))
    hints = Counter(NOT_HELPFUL if refusal.final else NO_VICTIMS for refusal in refusals)
    advice = ", ".join(sorted(f"{count} {hint}" for hint, count in hints.items()))
    head = f"0/{total} nodes are available"
    return f"{head}: {listed}. preemption: {head}: {advice}."


def _repels(pod: Obj) -> list[str]:
    return [""] if required_terms(pod, "podAntiAffinity") and node_of(pod) else []


def _labels_changed(new: Obj, old: Obj) -> bool:
    return bool(new["metadata"].get("labels") != old["metadata"].get("labels"))


def _node_traits(node: Obj) -> tuple[object, ...]:
    spec = node["spec"]
    return (
        node["metadata"].get("labels"),
        spec.get("taints"),
        spec.get("unschedulable"),
        (node.get("status") or {}).get("allocatable"),
    )
