"""The pods of virtual nodes whose cloud runs them: an instance each, its state written back.

Reasons and events are those of the virtual-kubelet library: ProviderFailed, ProviderCreateFailed,
ProviderCreateSuccess, NotFound.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.cluster.controllers.informer import Key, Obj, key_of
from sandbox.cluster.controllers.kubelet import containers
from sandbox.cluster.controllers.kubelet.podstatus import phase_of, with_conditions
from sandbox.cluster.controllers.loop import Controller
from sandbox.cluster.controllers.objects import deleting, node_of, pod_finished
from sandbox.cluster.controllers.timing import stamp

from .vendor import Cloud, NotCreated, Observed

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.cluster.controllers.context import Context

    from .nodes import VirtualNodes

LOOK = 0.3
RETRY = 5.0
GONE = "The provider says that the instance of the pod does not exist"


class VirtualPods(Controller[Key]):
    """``cloud_of`` gives what runs the pods of a node, None when nobody does."""

    name = "virtual-kubelet-pods"
    manager = "virtual-kubelet"
    workers = 8

    def __init__(
        self, context: Context, nodes: VirtualNodes, cloud_of: Callable[[str], Cloud | None]
    ) -> None:
        self._nodes = nodes
        self._cloud_of = cloud_of
        super().__init__(context)

    def setup(self) -> None:
        self._removed: dict[Key, Obj] = {}
        self.pods = self.context.informer("pods")
        self.pods.on_change(self._on_pod)

    def _on_pod(self, new: Obj | None, old: Obj | None) -> None:
        if new is None and old is not None and self._nodes.owner_of(node_of(old)):
            self._removed[key_of(old)] = old
            self.queue.add(key_of(old))
        if new is None or not self._nodes.owner_of(node_of(new)):
            return
        changed = old is None or new["spec"] != old["spec"] or _told(new) != _told(old)
        if changed or deleting(new):
            self.queue.add(key_of(new))

    def _hand(self, pod: Obj) -> Context:
        return self._nodes.as_node(node_of(pod))

    async def reconcile(self, key: Key) -> float | None:
        """Take the pod one step further; one of the same name that was removed goes first."""
        if key in self._removed and not await self._clean(key):
            return LOOK
        pod = self.pods.get(key)
        cloud = self._cloud_of(node_of(pod)) if pod else None
        if pod is None or cloud is None or not cloud.takes(pod):
            return None
        if deleting(pod):
            return await self._stop(pod, cloud)
        if pod_finished(pod):
            return None
        if cloud.has(pod) or (pod.get("status") or {}).get("podIP"):
            return await self._follow(pod, cloud)
        return await self._create(pod, cloud)

    async def _clean(self, key: Key) -> bool:
        """Delete the instance of a pod that somebody removed by force; True once it is gone."""
        pod = self._removed[key]
        cloud = self._cloud_of(node_of(pod))
        try:
            gone = cloud is None or not cloud.takes(pod) or await cloud.delete(pod)
        except NotCreated:
            return False
        if gone:
            self._removed.pop(key, None)
        return gone

    async def _create(self, pod: Obj, cloud: Cloud) -> float | None:
        hand = self._hand(pod)
        try:
            written = await cloud.create(pod, node_of(pod))
        except NotCreated as refused:
            final = pod["spec"].get("restartPolicy") == "Never"
            status = dict(pod.get("status") or {})
            status.update(reason="ProviderFailed", message=str(refused))
            status["phase"] = "Failed" if final else "Pending"
            await hand.write_status("pods", pod, status)
            await self._tell(pod, "ProviderCreateFailed", str(refused), "Warning")
            return None if final else RETRY / self.clock.speed
        await self._annotate(pod, written)
        await self._tell(pod, "ProviderCreateSuccess", "Create pod in provider successfully")
        return 0.0

    async def _annotate(self, pod: Obj, written: dict[str, str]) -> None:
        given = pod["metadata"].get("annotations") or {}
        if all(given.get(name) == value for name, value in written.items()):
            return
        namespace, name = key_of(pod)
        body = {"metadata": {"annotations": written}}
        await self._hand(pod).client.patch("pods", name, namespace, body)

    async def _follow(self, pod: Obj, cloud: Cloud) -> float | None:
        observed = cloud.observe(pod)
        if observed is None:
            await self._vanished(pod)
            return None
        await self._annotate(pod, cloud.annotations(pod))
        fresh = self.pods.get(key_of(pod))
        if fresh is None or fresh["metadata"]["uid"] != pod["metadata"]["uid"]:
            return None
        status = self._status(fresh, observed)
        await self._hand(pod).write_status("pods", fresh, status)
        return None if status["phase"] in {"Succeeded", "Failed"} else LOOK

    def _status(self, pod: Obj, observed: Observed) -> Obj:
        status, now, spec = dict(pod.get("status") or {}), self.context.now(), pod["spec"]
        status.pop("reason", None)
        status.pop("message", None)
        host = self._nodes.configs[node_of(pod)].address
        status.setdefault("startTime", stamp(now))
        status.update(hostIP=host, hostIPs=[{"ip": host}])
        if observed.ip:
            status.update(podIP=observed.ip, podIPs=[{"ip": observed.ip}])
        waits = [containers.waiting(c, "ContainerCreating") for c in spec["containers"]]
        status["containerStatuses"] = observed.statuses or status.get("containerStatuses") or waits
        if observed.inits is not None:
            status["initContainerStatuses"] = observed.inits
        inits = status.get("initContainerStatuses") or []
        status["phase"] = phase_of(spec, inits, status["containerStatuses"])
        if observed.failed:
            reason, message = observed.failed
            status.update(phase="Failed", reason=reason, message=message)
        return with_conditions(pod, status, now)

    async def _vanished(self, pod: Obj) -> None:
        status, now = dict(pod.get("status") or {}), self.context.now()
        ended = [
            s if "terminated" in s["state"] else containers.terminated(s, now, 137, "NotFound")
            for s in status.get("containerStatuses") or []
        ]
        status.update(phase="Failed", reason="NotFound", message=GONE, containerStatuses=ended)
        await self._hand(pod).write_status("pods", pod, with_conditions(pod, status, now))

    async def _stop(self, pod: Obj, cloud: Cloud) -> float | None:
        try:
            gone = await cloud.delete(pod)
        except NotCreated as refused:
            await self._tell(pod, "ProviderDeleteFailed", str(refused), "Warning")
            return RETRY / self.clock.speed
        if not gone:
            return LOOK
        await self._hand(pod).remove("pods", pod, grace=0)
        return None

    async def _tell(self, pod: Obj, reason: str, message: str, kind: str = "Normal") -> None:
        source = f"{node_of(pod)}/pod-controller"
        await self._hand(pod).events.emit(
            source, pod, reason, message, kind=kind, host=node_of(pod)
        )


def _told(pod: Obj) -> object:
    """What an agent inside an instance may have told of the containers."""
    return (pod.get("status") or {}).get("containerStatuses")
