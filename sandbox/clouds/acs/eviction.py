"""Taking instances away: a best-effort one with notice, any one by a failure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.cluster.controllers.informer import Obj
from sandbox.cluster.controllers.kubelet import containers
from sandbox.cluster.controllers.kubelet.podstatus import with_conditions
from sandbox.cluster.controllers.loop import Controller
from sandbox.cluster.controllers.objects import pod_finished, with_condition

from .scheduler import COMPONENT

if TYPE_CHECKING:
    from sandbox.cluster.controllers.context import Context

    from .cloud import AcsCloud
    from .model import Instance

KILLED = 137


class Evictions(Controller[str]):
    """Keys are ids of instances whose end is set. The events' texts follow ECI's spot notice."""

    name = "acs-evictions"
    manager = "acs-virtual-node"

    def __init__(self, context: Context, cloud: AcsCloud) -> None:
        self._cloud = cloud
        super().__init__(context)

    def user(self) -> str:
        """Who the loop writes as."""
        return "system:serviceaccount:kube-system:acs-virtual-node"

    def setup(self) -> None:
        """Go on with what was announced before a restart."""
        self.pods = self.context.informer("pods")
        for instance in self._cloud.living():
            if instance.cluster == self.context.name and instance.evict_at is not None:
                self.queue.add(instance.id)

    async def announce(self, instance: Instance, seconds: float) -> None:
        """Tell the pod that its instance will be taken away, and take it away in time."""
        pod = self._pod(instance)
        if pod is None:
            return
        instance.evict_at = self.context.now() + seconds
        self._cloud.settle(instance)
        minutes = max(1, round(seconds / 60))
        text = f"Spot ACS will be released in {minutes} minutes"
        await self.events.emit(COMPONENT, pod, "SpotToBeReleased", text, kind="Warning")
        self.queue.add(instance.id)

    async def reconcile(self, key: str) -> float | None:
        """Evict when the time has come."""
        instance = self._cloud.instances.get(key)
        if instance is None or not instance.alive or instance.evict_at is None:
            return None
        left = instance.evict_at - self.context.now()
        if left > 0:
            return left
        await self.end(instance, "Evicted", "The best-effort instance was released.")
        return None

    async def end(self, instance: Instance, reason: str, message: str, code: int = KILLED) -> None:
        """Fail the pod with every container killed."""
        pod = self._pod(instance)
        if pod is None or pod_finished(pod):
            return
        now = self.context.now()
        status = dict(pod.get("status") or {})
        for kind in ("initContainerStatuses", "containerStatuses"):
            if kind in status:
                status[kind] = [_ended(state, now, code) for state in status[kind]]
        status.update(phase="Failed", reason=reason, message=message)
        status = with_conditions(pod, status, now)
        target = {"type": "DisruptionTarget", "status": "True", "reason": "TerminationByKubelet"}
        conditions = with_condition(status["conditions"], {**target, "message": message}, now)
        await self.context.write_status("pods", pod, {**status, "conditions": conditions})
        await self.events.emit(COMPONENT, pod, reason, message, kind="Warning")
        self._cloud.record(reason, pod, instance.zone, instance)

    def _pod(self, instance: Instance) -> Obj | None:
        pod = self.pods.get((instance.namespace, instance.pod))
        if pod is None or pod["metadata"]["uid"] != instance.uid:
            return None
        return pod


def _ended(state: Obj, now: float, code: int) -> Obj:
    if "terminated" in state["state"]:
        return state
    return containers.terminated(state, now, code)
