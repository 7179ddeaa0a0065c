"""Registering on-premises nodes, keeping their status and renewing their Leases."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sandbox.cluster.errors import ApiError

from ..config import NodeConfig
from ..context import Context
from ..informer import Obj
from ..loop import Controller
from ..objects import clone, condition_of
from ..quantities import amount
from ..timing import seconds_of, stamp, stamp_micro
from .containers import digest

LEASES = "leases.coordination.k8s.io"
LEASE_NAMESPACE = "kube-node-lease"
STATUS_EVERY = 300.0
_ENOUGH = "kubelet has sufficient "
_CONDITIONS = (
    ("MemoryPressure", "False", "KubeletHasSufficientMemory", _ENOUGH + "memory available"),
    ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "False", "KubeletHasSufficientPID", _ENOUGH + "PID available"),
    ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
)  # fmt: skip


def allocatable(config: NodeConfig) -> dict[str, str]:
    """Capacity minus what the node keeps for itself."""
    left = dict(config.capacity)
    for name, kept in config.reserved.items():
        if name not in left:
            continue
        if name == "cpu":
            left[name] = f"{amount(left[name], milli=True) - amount(kept, milli=True)}m"
        else:
            left[name] = f"{(amount(left[name]) - amount(kept)) // 1024}Ki"
    return left


def node_labels(config: NodeConfig, region: str) -> dict[str, str]:
    """The labels that the kubelet and the installer put on a node."""
    if config.virtual:
        return dict(config.labels)
    labels = {
        "beta.kubernetes.io/arch": "amd64",
        "beta.kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": config.name,
        "kubernetes.io/os": "linux",
        "topology.kubernetes.io/region": region,
    }
    if config.control_plane:
        labels["node-role.kubernetes.io/control-plane"] = ""
        labels["node.kubernetes.io/exclude-from-external-load-balancers"] = ""
    return {**labels, **config.labels}


def new_node(config: NodeConfig, region: str) -> Obj:
    """The Node as its kubelet registers it."""
    spec: dict[str, Any] = {"podCIDR": config.pod_cidr, "podCIDRs": [config.pod_cidr]}
    if config.control_plane:
        key = "node-role.kubernetes.io/control-plane"
        spec["taints"] = [{"key": key, "effect": "NoSchedule"}]
    if config.taints:
        spec["taints"] = [dict(taint) for taint in config.taints]
    if config.provider_id:
        spec["providerID"] = config.provider_id
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": config.name, "labels": node_labels(config, region)},
        "spec": spec,
    }


def node_status(config: NodeConfig, node: Obj, now: float) -> Obj:
    """The status that the kubelet posts; transition times are kept."""
    status = dict(node.get("status") or {})
    old = {c["type"]: c for c in status.get("conditions") or []}
    conditions = [c for kind, c in old.items() if kind not in {row[0] for row in _CONDITIONS}]
    for kind, state, reason, message in _CONDITIONS:
        before = old.get(kind) or {}
        since = before.get("lastTransitionTime") if before.get("status") == state else None
        conditions.append(
            {
                "type": kind,
                "status": state,
                "lastHeartbeatTime": stamp(now),
                "lastTransitionTime": since or stamp(now),
                "reason": reason,
                "message": message,
            }
        )
    status.update(
        capacity=dict(config.capacity),
        allocatable=allocatable(config),
        conditions=conditions,
        addresses=[
            {"type": "InternalIP", "address": config.address},
            {"type": "Hostname", "address": config.name},
        ],
        daemonEndpoints={"kubeletEndpoint": {"Port": 10250}},
        nodeInfo=_node_info(config),
    )
    return status


def _node_info(config: NodeConfig) -> Obj:
    name = config.name
    return {
        "machineID": digest(name)[:32],
        "systemUUID": digest(name + "/system")[:32],
        "bootID": digest(name + "/boot")[:32],
        "kernelVersion": config.kernel,
        "osImage": config.os_image,
        "containerRuntimeVersion": config.runtime,
        "kubeletVersion": config.version,
        "kubeProxyVersion": "",
        "operatingSystem": "linux",
        "architecture": "amd64",
    }


class Nodes(Controller[str]):
    """Registers each configured node once, then keeps it alive; keys are node names.

    A node deleted by hand stays away until the process starts again, as with a real kubelet. A name
    in `down` is a node whose kubelet is dead.
    """

    name = "kubelet"
    manager = "kubelet"

    def user(self) -> str:
        """All nodes share one loop; `as_node` gives each its own hand."""
        return "system:node"

    def as_node(self, name: str) -> Context:
        """The context that writes as this node's kubelet."""
        if name not in self._hands:
            self._hands[name] = self.context.speaking_as(f"system:node:{name}", "kubelet")
        return self._hands[name]

    def __init__(self, context: Context, configs: Iterable[NodeConfig] | None = None) -> None:
        given = context.config.nodes if configs is None else configs
        self.configs = {config.name: config for config in given}
        self.down: set[str] = set()
        self._hands: dict[str, Context] = {}
        self._registered: set[str] = set()
        super().__init__(context)

    def setup(self) -> None:
        self.nodes = self.context.informer("nodes")
        self.leases = self.context.informer(LEASES)
        for name in self.configs:
            self.queue.add(name)

    async def reconcile(self, key: str) -> float | None:
        """Register when new, post the status when due, renew the Lease."""
        config = self.configs.get(key)
        if config is None:
            return None
        if key in self.down:
            return self.context.config.pace.lease
        node = self.nodes.get(("", key))
        if node is None and key not in self._registered:
            node = await self._register(config)
        self._registered.add(key)
        if node is None:
            return self.context.config.pace.lease
        await self._post(config, node)
        await self._renew(node)
        return self.context.config.pace.lease

    async def _register(self, config: NodeConfig) -> Obj:
        hand = self.as_node(config.name)
        node = await hand.client.create("nodes", new_node(config, self.context.config.region))
        await hand.events.emit("kubelet", node, "Starting", "Starting kubelet.", host=config.name)
        return node

    async def _post(self, config: NodeConfig, node: Obj) -> None:
        now = self.context.now()
        ready = condition_of(node, "Ready") or {}
        old = node.get("status") or {}
        fresh = now - seconds_of(ready.get("lastHeartbeatTime")) < STATUS_EVERY
        version = (old.get("nodeInfo") or {}).get("kubeletVersion")
        same = old.get("capacity") == dict(config.capacity) and version == config.version
        if fresh and same and ready.get("status") == "True":
            return
        status = node_status(config, node, now)
        hand = self.as_node(config.name)
        await hand.write_status("nodes", node, status)
        if ready.get("status") != "True":
            text = f"Node {config.name} status is now: NodeReady"
            await hand.events.emit("kubelet", node, "NodeReady", text, host=config.name)

    async def _renew(self, node: Obj) -> None:
        name = node["metadata"]["name"]
        lease = self.leases.get((LEASE_NAMESPACE, name))
        now = stamp_micro(self.context.now())
        if lease is None:
            await self._new_lease(node, now)
            return
        edited = clone(lease)
        edited["spec"]["renewTime"] = now
        await self.as_node(name).client.update(LEASES, edited)

    async def _new_lease(self, node: Obj, now: str) -> None:
        name = node["metadata"]["name"]
        owner = {"apiVersion": "v1", "kind": "Node", "name": name, "uid": node["metadata"]["uid"]}
        lease = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {
                "name": name,
                "namespace": LEASE_NAMESPACE,
                "ownerReferences": [owner],
            },
            "spec": {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": now},
        }
        try:
            await self.as_node(name).client.create(LEASES, lease, LEASE_NAMESPACE)
        except ApiError as error:
            if error.code != 409:
                raise
