"""ReplicaSet: as many pods as asked, the least valuable removed first."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from sandbox.cluster.errors import ApiError

from .informer import Key, Obj, key_of
from .loop import Controller
from .objects import (
    annotations_of,
    condition_of,
    controller_of,
    controller_uid,
    deleting,
    in_namespace,
    labels_of,
    matches,
    node_of,
    pod_active,
    pod_ready,
    with_condition,
)
from .owning import PodControl, claim, orphaned, pod_from
from .timing import seconds_of

BURST = 500
WIDEST_BATCH = 64
GATHER = 0.0002
DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
_PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}


class ReplicaSets(Controller[Key]):
    """Keeps every ReplicaSet's pods; keys are (namespace, name)."""

    name = "replicaset-controller"
    resource = "replicasets.apps"
    kind = "ReplicaSet"
    workers = 4

    def setup(self) -> None:
        self.sets = self.context.informer(self.resource)
        self.pods = self.context.informer("pods")
        self.by_owner = self.pods.index("controller", controller_uid)
        self.orphans = self.pods.index("orphaned", orphaned)
        self.by_namespace = self.sets.index("namespace", in_namespace)
        self.pod_control = PodControl(self.context, self.name)
        self.sets.on_change(lambda new, old: self.queue.add(key_of(new or old or {})))
        self.pods.on_change(self._on_pod)

    def _on_pod(self, new: Obj | None, old: Obj | None) -> None:
        for pod in (new, old):
            ref = controller_of(pod) if pod else None
            if pod and ref and ref["kind"] == self.kind:
                delay = GATHER * self.by_owner.count(ref["uid"])
                self.queue.add_after((pod["metadata"]["namespace"], ref["name"]), delay)
        if new and controller_of(new) is None and not deleting(new):
            for owner in self.by_namespace[new["metadata"]["namespace"]]:
                if matches(owner["spec"].get("selector"), labels_of(new)):
                    self.queue.add(key_of(owner))

    async def reconcile(self, key: Key) -> float | None:
        """Adopt, create or delete pods, then write the counts."""
        owner = self.sets.get(key)
        if owner is None:
            return None
        uid = owner["metadata"]["uid"]
        candidates = [p for p in self.orphans[key[0]] if pod_active(p)]
        claimed = await claim(self.context, "pods", owner, self.by_owner[uid], candidates)
        active = [pod for pod in claimed if pod_active(pod)]
        failure: ApiError | None = None
        if not deleting(owner):
            failure = await self._manage(owner, active)
        current = [p for p in self.by_owner[uid] if pod_active(p)]
        latest = self.sets.get(key)
        if latest is None or latest["metadata"]["uid"] != uid:
            return None
        again = await self._publish(latest, current, failure)
        if failure is not None:
            raise failure
        return again

    async def _manage(self, owner: Obj, active: list[Obj]) -> ApiError | None:
        missing = owner["spec"].get("replicas", 1) - len(active)
        if missing > 0:
            return await self._grow(owner, min(missing, BURST))
        if missing < 0:
            doubled = self._doubled(owner, active)
            now = self.context.now()
            ranked = sorted(active, key=lambda pod: removal_rank(pod, doubled, now))
            for pod in ranked[: min(-missing, BURST)]:
                await self.pod_control.delete(owner, pod)
        return None

    async def _grow(self, owner: Obj, count: int) -> ApiError | None:
        """Create in batches of 1, 2, 4, ... so that a refusal is met once, not `count` times."""
        batch = 1
        while count > 0 and (self.sets.get(key_of(owner)) or {}).get("spec") == owner["spec"]:
            results = await asyncio.gather(
                *(self._create(owner) for _ in range(min(batch, count))), return_exceptions=True
            )
            for result in results:
                if isinstance(result, ApiError):
                    return result
                if isinstance(result, BaseException):
                    raise result
            count -= batch
            batch = min(WIDEST_BATCH, batch * 2)
        return None

    async def _create(self, owner: Obj) -> None:
        await self.pod_control.create(owner, pod_from(owner["spec"]["template"], owner))

    def _doubled(self, owner: Obj, active: list[Obj]) -> Counter[str]:
        """Pods per node of this ReplicaSet and its siblings of the same Deployment."""
        controller = controller_of(owner)
        pods = list(active)
        if controller:
            for other in self.by_namespace[owner["metadata"]["namespace"]]:
                ref = controller_of(other)
                if other is not owner and ref and ref["uid"] == controller["uid"]:
                    pods += self.by_owner[other["metadata"]["uid"]]
        return Counter(node_of(pod) for pod in pods if pod_active(pod))

    async def _publish(self, owner: Obj, pods: list[Obj], failure: ApiError | None) -> float | None:
        status = dict(owner.get("status") or {})
        min_ready = owner["spec"].get("minReadySeconds") or 0
        now = self.context.now()
        waits = [available_in(pod, min_ready, now) for pod in pods if pod_ready(pod)]
        wanted = (owner["spec"]["template"].get("metadata") or {}).get("labels") or {}
        counts = {
            "fullyLabeledReplicas": sum(wanted.items() <= labels_of(p).items() for p in pods),
            "readyReplicas": len(waits),
            "availableReplicas": sum(wait <= 0 for wait in waits),
        }
        for name, count in counts.items():
            status.pop(name, None)
            if count:
                status[name] = count
        status["replicas"] = len(pods)
        status["observedGeneration"] = owner["metadata"].get("generation", 1)
        _failure_condition(owner, status, failure, now)
        await self.context.write_status(self.resource, owner, status)
        pending = [wait for wait in waits if wait > 0]
        return min(pending) if pending else None


def _failure_condition(owner: Obj, status: Obj, failure: ApiError | None, now: float) -> None:
    conditions = status.get("conditions") or []
    if failure is not None:
        if condition_of(owner, "ReplicaFailure") is None:
            condition = {
                "type": "ReplicaFailure",
                "status": "True",
                "reason": "FailedCreate",
                "message": failure.message,
            }
            status["conditions"] = with_condition(conditions, condition, now)
        return
    conditions = [c for c in conditions if c["type"] != "ReplicaFailure"]
    status.pop("conditions", None)
    if conditions:
        status["conditions"] = conditions


def available_in(pod: Obj, min_ready: float, now: float) -> float:
    """Seconds until a ready pod counts as available; <= 0 when it does."""
    if not min_ready:
        return 0.0
    condition = condition_of(pod, "Ready")
    return seconds_of((condition or {}).get("lastTransitionTime")) + min_ready - now


def removal_rank(pod: Obj, doubled: Counter[str], now: float) -> tuple[Any, ...]:
    """Smaller goes first; the order of ActivePodsWithRanks in the real controller.

    Unassigned, Pending < Unknown < Running, not ready, lower deletion cost, more doubled up on
    its node, ready for a shorter time (log scale), more restarts, newer (log scale).
    """
    status = pod.get("status") or {}
    ready = condition_of(pod, "Ready")
    is_ready = pod_ready(pod)
    since = seconds_of((ready or {}).get("lastTransitionTime")) if is_ready else now
    restarts = max(
        (c.get("restartCount", 0) for c in status.get("containerStatuses") or []), default=0
    )
    created = seconds_of(pod["metadata"].get("creationTimestamp"))
    return (
        bool(node_of(pod)),
        _PHASES.get(status.get("phase", "Pending"), 0),
        is_ready,
        deletion_cost(pod),
        -doubled[node_of(pod)],
        _log2(now - since),
        -restarts,
        _log2(now - created),
        pod["metadata"]["uid"],
    )


def _log2(seconds: float) -> int:
    return max(0, int(seconds)).bit_length()


def deletion_cost(pod: Obj) -> int:
    """The pod-deletion-cost annotation, 0 when absent or malformed."""
    try:
        return int(annotations_of(pod).get(DELETION_COST, "0"))
    except ValueError:
        return 0
