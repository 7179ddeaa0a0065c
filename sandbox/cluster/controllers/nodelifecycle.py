"""Nodes that stop answering: Unknown conditions, taints by condition, pods marked not ready.

Timing as kube-controller-manager: a node is judged every 5 s by when its Lease or its status was
last seen to change, so clocks of nodes do not matter.
"""

from __future__ import annotations

from dataclasses import dataclass

from .informer import Obj
from .kubelet.nodes import LEASE_NAMESPACE, LEASES
from .loop import Controller
from .objects import clone, condition_of, condition_status, on_node, pod_finished, with_condition
from .timing import stamp

PERIOD = 5.0
STARTUP_GRACE = 60.0
STOPPED = "Kubelet stopped posting node status."
NEVER = "Kubelet never posted node status."
_KINDS = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")
_PREFIX = "node.kubernetes.io/"
_PRESSURE = {
    "MemoryPressure": "memory-pressure",
    "DiskPressure": "disk-pressure",
    "PIDPressure": "pid-pressure",
    "NetworkUnavailable": "network-unavailable",
}
_MANAGED = {_PREFIX + name for name in ("not-ready", "unreachable", "unschedulable")} | {
    _PREFIX + name for name in _PRESSURE.values()
}


@dataclass
class _Health:
    seen: tuple[str, str]
    since: float


class NodeLifecycle(Controller[str]):
    """Keys are names of nodes."""

    name = "node-controller"

    def setup(self) -> None:
        self._health: dict[str, _Health] = {}
        self.nodes = self.context.informer("nodes")
        self.leases = self.context.informer(LEASES)
        self.pods = self.context.informer("pods").index("node", on_node)
        self.nodes.on_change(self._on_node)

    def _on_node(self, new: Obj | None, old: Obj | None) -> None:
        if new is None:
            if old is not None:
                self._health.pop(old["metadata"]["name"], None)
        elif old is None or _concerns(new) != _concerns(old):
            self.queue.add(new["metadata"]["name"])

    async def reconcile(self, key: str) -> float | None:
        """Judge the node, then make its taints follow its conditions."""
        node = self.nodes.get(("", key))
        if node is None:
            return None
        if self.context.now() - self._last_sign(node) > self._grace(node):
            await self._give_up(node)
        node = self.nodes.get(("", key))
        if node is not None:
            await self._taint(node)
            if condition_status(node, "Ready") != "True" and condition_of(node, "Ready"):
                await self._mark_pods(key)
        return PERIOD

    def _grace(self, node: Obj) -> float:
        known = condition_of(node, "Ready") is not None
        return self.context.config.node_grace if known else STARTUP_GRACE

    def _last_sign(self, node: Obj) -> float:
        name = node["metadata"]["name"]
        lease = self.leases.get((LEASE_NAMESPACE, name))
        renewed = ((lease or {}).get("spec") or {}).get("renewTime") or ""
        ready = condition_of(node, "Ready") or {}
        seen = (renewed, ready.get("lastHeartbeatTime") or "")
        health = self._health.get(name)
        if health is None or health.seen != seen:
            health = self._health[name] = _Health(seen, self.context.now())
        return health.since

    async def _give_up(self, node: Obj) -> None:
        if condition_status(node, "Ready") == "Unknown" and condition_of(node, "Ready"):
            return
        status = dict(node.get("status") or {})
        conditions = status.get("conditions") or []
        now = self.context.now()
        for kind in _KINDS:
            before = condition_of(node, kind)
            condition = {
                "type": kind,
                "status": "Unknown",
                "reason": "NodeStatusUnknown" if before else "NodeStatusNeverUpdated",
                "message": STOPPED if before else NEVER,
                "lastHeartbeatTime": (before or {}).get("lastHeartbeatTime") or stamp(now),
            }
            conditions = with_condition(conditions, condition, now)
        status["conditions"] = conditions
        await self.context.write_status("nodes", node, status)
        name = node["metadata"]["name"]
        text = f"Node {name} status is now: NodeNotReady"
        await self.events.emit(self.name, node, "NodeNotReady", text)

    async def _taint(self, node: Obj) -> None:
        wanted = wanted_taints(node)
        current = node["spec"].get("taints") or []
        mine = {(t["key"], t.get("effect")) for t in current if t["key"] in _MANAGED}
        if mine == set(wanted):
            return
        now = self.context.stamp()
        kept = [
            t for t in current if t["key"] not in _MANAGED or (t["key"], t.get("effect")) in wanted
        ]
        added = [
            {"key": key, "effect": effect, "timeAdded": now}
            for key, effect in wanted
            if (key, effect) not in mine
        ]
        edited = clone(node)
        edited["spec"]["taints"] = kept + added
        await self.client.update("nodes", edited)

    async def _mark_pods(self, node: str) -> None:
        """The pods' Ready goes False, so that Services stop sending to them."""
        for pod in self.pods[node]:
            ready = condition_of(pod, "Ready")
            if ready is None or ready["status"] != "True" or pod_finished(pod):
                continue
            status = dict(pod["status"])
            condition = {**ready, "status": "False"}
            status["conditions"] = with_condition(
                status.get("conditions"), condition, self.context.now()
            )
            await self.context.write_status("pods", pod, status)
            await self.events.emit(
                self.name, pod, "NodeNotReady", "Node is not ready", kind="Warning"
            )


def wanted_taints(node: Obj) -> list[tuple[str, str]]:
    """(key, effect) of the taints that the node's conditions and cordon ask for."""
    wanted = []
    ready = condition_of(node, "Ready")
    if ready is not None and ready["status"] != "True":
        name = "unreachable" if ready["status"] == "Unknown" else "not-ready"
        wanted += [(_PREFIX + name, "NoSchedule"), (_PREFIX + name, "NoExecute")]
    for kind, name in _PRESSURE.items():
        if condition_status(node, kind) == "True":
            wanted.append((_PREFIX + name, "NoSchedule"))
    if node["spec"].get("unschedulable"):
        wanted.append((_PREFIX + "unschedulable", "NoSchedule"))
    return wanted


def _concerns(node: Obj) -> tuple[object, ...]:
    conditions = (node.get("status") or {}).get("conditions") or []
    return (
        [(c["type"], c["status"]) for c in conditions],
        node["spec"].get("taints"),
        node["spec"].get("unschedulable"),
    )
