"""What stands behind the virtual nodes of an ACS cluster: an instance for each pod."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.cluster.controllers.informer import Obj, key_of
from sandbox.cluster.controllers.kubelet.admit import Refused
from sandbox.cluster.controllers.kubelet.host import Delayed, Host
from sandbox.cluster.controllers.objects import controller_of, node_of, with_condition
from sandbox.cluster.controllers.timing import seconds_of

from ..groups.errors import ApiFault
from .scheduler import COMPONENT, CREATED, OUT_OF_STOCK, ZONE
from .wants import BY_TABLE, VENDORS, Want, want_of

if TYPE_CHECKING:
    from sandbox.cluster.controllers.context import Context
    from sandbox.cluster.controllers.kubelet.nodes import Nodes

    from .cloud import AcsCloud
    from .model import Instance

_NEVER_READY = {"exec": {"command": ["false"]}}
_NETWORK = "network.alibabacloud.com/"


class AcsHost(Host):
    """Makes an instance before a pod begins; the pod's annotations and conditions tell of it."""

    def __init__(self, context: Context, nodes: Nodes, cloud: AcsCloud) -> None:
        super().__init__(context, nodes)
        self._cloud = cloud
        self._pods = context.informer("pods")
        self._pods.on_change(self._observe)
        self._close_lost()

    async def admit(self, pod: Obj) -> Refused | None:
        """Make the instance and write it back; raises Delayed when ACS cannot make it now."""
        node = node_of(pod)
        zone, want = self.nodes.configs[node].labels[ZONE], want_of(pod)
        if self._cloud.of_pod(pod["metadata"]["uid"]) is None:
            await self._try(pod, want, zone)
        instance = self._cloud.create(self.context.name, pod, want, node, zone)
        hand = self.nodes.as_node(node)
        body: Obj = {"metadata": {"annotations": self._annotations(pod, instance)}}
        if want.compute_class in BY_TABLE:
            given = (pod["metadata"].get("annotations") or {}).get(VENDORS) or "intel"
            body["metadata"]["labels"] = {"alibabacloud.com/cpu-vendor": given.split(",")[0]}
        namespace, name = key_of(pod)
        await hand.client.patch("pods", name, namespace, body, kind="merge")
        return None

    async def _try(self, pod: Obj, want: Want, zone: str) -> None:
        fault = self._cloud.draw_fault("CreateInstance", pod, zone)
        if fault is None and not self._cloud.has_stock(zone, want):
            fault = ApiFault("NoStock", f"{OUT_OF_STOCK} {zone}")
        if fault is None:
            return
        self._cloud.record("CreateInstance", pod, zone, code=fault.code)
        hand = self.nodes.as_node(node_of(pod))
        await hand.events.emit(COMPONENT, pod, fault.code, fault.message, kind="Warning")
        raise Delayed(self._cloud.knobs.retry_seconds / self.context.clock.speed)

    def _annotations(self, pod: Obj, instance: Instance) -> dict[str, str]:
        network = self._cloud.network
        given = pod["metadata"].get("annotations") or {}
        groups = given.get(_NETWORK + "security-group-ids") or network.default_security_group.id
        written = {
            "ProviderCreate": "done",
            "alibabacloud.com/client-token": instance.client_token,
            "alibabacloud.com/instance-id": instance.id,
            "alibabacloud.com/pod-ephemeral-storage": f"{instance.storage}Gi",
            "alibabacloud.com/pod-use-spec": instance.spec,
            "alibabacloud.com/pod-gpu-use-spec": str(instance.cards or ""),
            "alibabacloud.com/request-id": instance.request_id,
            "alibabacloud.com/schedule-result": "finished",
            "alibabacloud.com/user-id": self._cloud.account_id,
            "kubernetes.io/pod-stream-port": "10250",
            "kubernetes.io/preferred-scheduling-node": f"{instance.node}/1",
            "kubernetes.io/resource-type": "serverless",
            _NETWORK + "allocated-eip-address": instance.eip,
            _NETWORK + "allocated-eip-id": instance.eip_id,
            _NETWORK + "allocated-eni-id": instance.eni_id,
            _NETWORK + "security-group-ids": groups,
            _NETWORK + "vpc-id": network.vpc_id,
            _NETWORK + "vswitch-id": instance.vswitch_id,
            "topology.kubernetes.io/region": self._cloud.region,
            "topology.kubernetes.io/zone": instance.zone,
        }
        return {name: value for name, value in written.items() if value}

    def sandbox_seconds(self) -> float:
        """How long ACS takes to start an instance."""
        return self._cloud.knobs.schedule_seconds / self.context.clock.speed

    def pull_seconds(self, _pod: Obj, _container: Obj) -> float:
        """How long the image takes: every instance pulls it again."""
        return self._cloud.knobs.pull_seconds / self.context.clock.speed

    def stop_seconds(self) -> float:
        """How long containers take to stop."""
        return self._cloud.knobs.stop_seconds / self.context.clock.speed

    def lacks(self, image: str) -> bool:
        """No registry has the image."""
        return self._cloud.knobs.pull_fails(image)

    def as_run(self, pod: Obj, container: Obj) -> Obj:
        """Pods of a DaemonSet start and do not become ready: ACS does not support them."""
        owner = controller_of(pod)
        if owner is not None and owner["kind"] == "DaemonSet":
            return {**container, "readinessProbe": _NEVER_READY}
        return container

    def told(self, pod: Obj, status: Obj) -> Obj:
        """With the conditions of ACS: Creating until the sandbox has its address."""
        instance = self._cloud.of_pod(pod["metadata"]["uid"])
        if instance is None or instance.compute_class not in BY_TABLE:
            return status
        made = bool(status.get("podIP"))
        created = {"type": CREATED, "status": "True" if made else "False"}
        if not made:
            created.update(reason="Creating", message="Creating")
        now = self.context.now()
        conditions = with_condition(status.get("conditions"), created, now)
        ready = made and status["phase"] not in {"Succeeded", "Failed"}
        sandbox = {"type": "SandboxReady", "status": "True" if ready else "False"}
        return {**status, "conditions": with_condition(conditions, sandbox, now)}

    def address(self, pod: Obj) -> str:
        """The address of the instance's network interface."""
        instance = self._cloud.of_pod(pod["metadata"]["uid"])
        return instance.ip if instance else ""

    def _observe(self, new: Obj | None, old: Obj | None) -> None:
        pod = new or old or {}
        instance = self._cloud.of_pod(pod["metadata"]["uid"])
        if instance is None:
            return
        if new is None:
            self._cloud.record("DeleteInstance", pod, instance.zone, instance)
            self._cloud.close(instance, status="Deleted")
            return
        status = new.get("status") or {}
        phase = status.get("phase", "Pending")
        if instance.billed_from is None and status.get("startTime"):
            instance.billed_from = seconds_of(status["startTime"])
            self._cloud.settle(instance)
        if phase in {"Succeeded", "Failed"} and instance.ended_at is None:
            reason = status.get("reason", "")
            self._cloud.close(instance, at=_ended_at(status), status=phase, reason=reason)
        elif phase != instance.status and instance.alive:
            instance.status = phase
            self._cloud.settle(instance)

    def _close_lost(self) -> None:
        """End what belongs to pods that are gone, e.g. forgotten by a journal cut short."""
        there = {pod["metadata"]["uid"] for pod in self._pods}
        for instance in list(self._cloud.living()):
            if instance.cluster == self.context.name and instance.uid not in there:
                self._cloud.close(instance, status="Deleted")


def _ended_at(status: Obj) -> float:
    """When the last container ended, 0.0 when none ever ran."""
    states = status.get("containerStatuses") or []
    ends = [(state.get("state") or {}).get("terminated") or {} for state in states]
    return max((seconds_of(end.get("finishedAt")) for end in ends), default=0.0)
