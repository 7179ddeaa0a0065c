"""PodDisruptionBudget status: how many pods may be evicted now."""

from __future__ import annotations

from .informer import Key, Obj, key_of
from .loop import Controller
from .objects import (
    controller_of,
    deleting,
    in_namespace,
    labels_of,
    matches,
    pod_finished,
    pod_ready,
    with_condition,
)
from .revisions import scaled
from .timing import seconds_of

RESOURCE = "poddisruptionbudgets.policy"
BATCH = 0.1
FORGET = 120.0
_SCALABLE = {
    "ReplicaSet": "replicasets.apps",
    "StatefulSet": "statefulsets.apps",
    "ReplicationController": "replicationcontrollers",
}


class DisruptionBudgets(Controller[Key]):
    """Keys are (namespace, name) of budgets."""

    name = "disruption-controller"

    def setup(self) -> None:
        self.budgets = self.context.informer(RESOURCE)
        self.pods = self.context.informer("pods")
        self.pods_in = self.pods.index("namespace", in_namespace)
        self.budgets_in = self.budgets.index("namespace", in_namespace)
        self.budgets.on_change(lambda new, _: self.queue.add(key_of(new)) if new else None)
        self.pods.on_change(self._on_pod)

    def _on_pod(self, new: Obj | None, old: Obj | None) -> None:
        pod = new or old or {}
        if new and old and _matters(new) == _matters(old):
            return
        for budget in self.budgets_in[pod["metadata"]["namespace"]]:
            if matches(budget["spec"].get("selector"), labels_of(pod)):
                self.queue.add_after(key_of(budget), BATCH)

    async def reconcile(self, key: Key) -> float | None:
        """Count and write; looks again while evicted pods are still to be seen going."""
        budget = self.budgets.get(key)
        if budget is None or deleting(budget):
            return None
        selector = budget["spec"].get("selector")
        pods = [
            p
            for p in self.pods_in[key[0]]
            if not pod_finished(p) and matches(selector, labels_of(p))
        ]
        disrupted = self._disrupted(budget, pods)
        healthy = sum(
            pod_ready(p) and not deleting(p) and p["metadata"]["name"] not in disrupted
            for p in pods
        )
        expected, desired = self._expected(budget, pods)
        allowed = max(0, healthy - desired) if expected else 0
        status = {
            "observedGeneration": budget["metadata"].get("generation", 1),
            "currentHealthy": healthy,
            "desiredHealthy": desired,
            "disruptionsAllowed": allowed,
            "expectedPods": expected,
            "conditions": self._conditions(budget, allowed),
        }
        if disrupted:
            status["disruptedPods"] = disrupted
        await self.context.write_status(RESOURCE, budget, status)
        return FORGET if disrupted else None

    def _disrupted(self, budget: Obj, pods: list[Obj]) -> dict[str, str]:
        """Pods whose eviction was granted and that are not yet seen deleting."""
        known = (budget.get("status") or {}).get("disruptedPods") or {}
        alive = {pod["metadata"]["name"] for pod in pods if not deleting(pod)}
        limit = self.context.now() - FORGET
        return {n: t for n, t in known.items() if n in alive and seconds_of(t) > limit}

    def _expected(self, budget: Obj, pods: list[Obj]) -> tuple[int, int]:
        spec = budget["spec"]
        if spec.get("maxUnavailable") is not None:
            total = self._scale(pods)
            return total, max(0, total - scaled(spec["maxUnavailable"], total, up=True))
        minimum = spec.get("minAvailable", 1)
        if isinstance(minimum, int):
            return len(pods), minimum
        total = self._scale(pods)
        return total, scaled(minimum, total, up=True)

    def _scale(self, pods: list[Obj]) -> int:
        """The sum of what the pods' controllers ask for."""
        sizes: dict[str, int] = {}
        for pod in pods:
            ref = controller_of(pod)
            if ref is None or ref["kind"] not in _SCALABLE:
                sizes[pod["metadata"]["uid"]] = 1
                continue
            owner = self.context.informer(_SCALABLE[ref["kind"]]).get(
                (pod["metadata"]["namespace"], ref["name"])
            )
            sizes[ref["uid"]] = int((owner or {"spec": {}})["spec"].get("replicas") or 0)
        return sum(sizes.values())

    def _conditions(self, budget: Obj, allowed: int) -> list[Obj]:
        condition = {
            "type": "DisruptionAllowed",
            "status": "True" if allowed else "False",
            "reason": "SufficientPods" if allowed else "InsufficientPods",
            "message": "",
            "observedGeneration": budget["metadata"].get("generation", 1),
        }
        old = (budget.get("status") or {}).get("conditions")
        return with_condition(old, condition, self.context.now())


def _matters(pod: Obj) -> tuple[object, ...]:
    return labels_of(pod), pod_ready(pod), pod_finished(pod), deleting(pod)
