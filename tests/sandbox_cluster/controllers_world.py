"""A cluster without a server, its loops on a clock that tests move."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from sandbox.cluster.clock import ManualClock
from sandbox.cluster.cluster import Cluster
from sandbox.cluster.controllers import Manager
from sandbox.cluster.controllers.config import Config, NodeConfig, Pace
from sandbox.cluster.controllers.timing import stamp, stamp_micro
from sandbox.cluster.store import Event, decode

Obj = dict[str, Any]


def node_config(number: int, *, cpu: str = "6", control_plane: bool = False) -> NodeConfig:
    return NodeConfig(
        name="master" if control_plane else f"idc-{number}",
        address=f"10.0.0.{10 + number}",
        capacity={"cpu": cpu, "memory": "16Gi", "pods": "110"},
        control_plane=control_plane,
        pod_cidr=f"10.244.{number}.0/24",
    )


class World:
    """One cluster, its loops and its clock."""

    def __init__(self, config: Config) -> None:
        self.clock = ManualClock()
        self.cluster = Cluster("test", clock=self.clock, controllers=False, seed=7)
        self.client = self.cluster.client
        self.changed_in_place: list[tuple[str, str]] = []
        self.manager = Manager(self.cluster, config)
        for resource in {r.storage for r in self.cluster.catalog}:
            self.cluster.store.listen(resource, self._on_commit)

    async def settle(self) -> None:
        """Let the loops work until none has anything to do at this instant."""
        quiet = 0
        while quiet < 5:
            await asyncio.sleep(0)
            quiet = quiet + 1 if self.manager.settled else 0

    async def pass_time(self, seconds: float, step: float = 1.0) -> None:
        """Advance, letting the loops work after each step."""
        await self.settle()
        while seconds > 0:
            await self.clock.advance(min(step, seconds))
            await self.settle()
            seconds -= step

    async def until(self, holds: Callable[[], Any], within: float = 120.0) -> Any:
        """Advance until `holds()` is true and return its value; fails after `within` seconds."""
        await self.settle()
        passed = 0.0
        while not (value := holds()):
            assert passed < within, f"did not come true within {within} s"
            await self.pass_time(0.25, 0.25)
            passed += 0.25
        return value

    def all(self, resource: str, namespace: str | None = "default") -> list[Obj]:
        return sorted(
            self.client.peek(resource, namespace), key=lambda o: str(o["metadata"]["name"])
        )

    def look(self, resource: str, name: str, namespace: str | None = "default") -> Obj | None:
        return self.client.look(resource, name, namespace)

    def pods(self, phase: str | None = None, namespace: str = "default") -> list[Obj]:
        found = [p for p in self.all("pods", namespace) if "deletionTimestamp" not in p["metadata"]]
        return [p for p in found if phase in {None, p["status"]["phase"]}]

    def reasons(self, name_prefix: str) -> set[str]:
        return {
            e["reason"]
            for e in self.client.peek("events")
            if e["involvedObject"]["name"].startswith(name_prefix)
        }

    def _on_commit(self, event: Event) -> None:
        """Every version, once replaced, still equals the bytes that were sent to clients."""
        assert event.entry.data
        if event.old and decode(event.old.data) != event.old.obj:
            self.changed_in_place.append(event.old.key)

    async def patch(self, resource: str, name: str, body: Obj, namespace: str | None = "default"):
        return await self.client.patch(resource, name, namespace, body, kind="merge")

    async def register_virtual_node(self, name: str = "virtual-kubelet-cn-hangzhou-k") -> Obj:
        """A node as somebody outside would register it: tainted, Ready, with a Lease."""
        node = {
            "metadata": {"name": name, "labels": {"type": "virtual-kubelet"}},
            "spec": {
                "taints": [
                    {
                        "key": "virtual-kubelet.io/provider",
                        "value": "alibabacloud",
                        "effect": "NoSchedule",
                    }
                ]
            },
        }
        made = await self.client.create("nodes", node)
        made["status"] = {
            "capacity": {"cpu": "1000", "memory": "4Ti", "pods": "2000"},
            "allocatable": {"cpu": "1000", "memory": "4Ti", "pods": "2000"},
            "conditions": [{"type": "Ready", "status": "True", **self._times()}],
        }
        await self.client.update("nodes", made, subresource="status")
        await self.renew(name)
        return made

    def _times(self) -> Obj:
        now = stamp(self.clock.now().timestamp())
        return {"lastHeartbeatTime": now, "lastTransitionTime": now, "reason": "KubeletReady"}

    async def renew(self, node: str) -> None:
        """Renew the node's Lease once."""
        now = stamp_micro(self.clock.now().timestamp())
        spec = {"holderIdentity": node, "leaseDurationSeconds": 40, "renewTime": now}
        lease = "leases.coordination.k8s.io"
        if self.look(lease, node, "kube-node-lease") is None:
            await self.client.create(
                lease, {"metadata": {"name": node}, "spec": spec}, "kube-node-lease"
            )
        else:
            await self.patch(lease, node, {"spec": spec}, "kube-node-lease")


def deployment(
    name: str = "nginx", replicas: int = 3, cpu: str = "100m", **template_spec: Any
) -> Obj:
    container = {"name": "nginx", "image": "nginx:1.25", "resources": {"requests": {"cpu": cpu}}}
    return {
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [container], **template_spec},
            },
        },
    }


def pod(name: str, *, image: str = "nginx", command: list[str] | None = None, **spec: Any) -> Obj:
    container: Obj = {"name": "main", "image": image}
    if command:
        container["command"] = command
    return {
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"containers": [container], **spec},
    }


VIRTUAL = {
    "nodeSelector": {"type": "virtual-kubelet"},
    "tolerations": [{"key": "virtual-kubelet.io/provider", "operator": "Exists"}],
}


@asynccontextmanager
async def world(*nodes: NodeConfig, **config: Any) -> AsyncIterator[World]:
    """A running world; by default one control-plane node and two workers with 6 CPUs."""
    chosen = nodes or (node_config(0, control_plane=True), node_config(1), node_config(2))
    settings = {"coredns_replicas": 0, "pace": Pace(pull=1.0, stop=1.0), **config}
    made = World(Config(nodes=chosen, **settings))
    tasks = made.manager.start()
    try:
        await made.until(lambda: len(made.all("nodes", None)) == len(chosen))
        await made.settle()
        yield made
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert made.changed_in_place == []
