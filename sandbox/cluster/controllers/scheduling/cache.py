"""What each node offers and what its pods already ask, kept up to date pod by pod."""

from __future__ import annotations

from collections.abc import Iterator

from ..informer import Informer, Key, Obj, key_of
from ..objects import node_of, pod_finished
from ..quantities import Amounts, amounts, pod_requests


class NodeInfo:
    """One node; amounts are milli-CPUs for cpu and units for everything else."""

    def __init__(self, node: Obj) -> None:
        self.pods: dict[Key, Obj] = {}
        self.requested: Amounts = {}
        self.update(node)

    def update(self, node: Obj) -> None:
        """Take a new version of the node."""
        self.node = node
        self.name: str = node["metadata"]["name"]
        self.labels: dict[str, str] = node["metadata"].get("labels") or {}
        self.taints: list[Obj] = node["spec"].get("taints") or []
        self.unschedulable = bool(node["spec"].get("unschedulable"))
        status = node.get("status") or {}
        self.allocatable = amounts(status.get("allocatable") or status.get("capacity"))

    def count(self, asked: Amounts, sign: int) -> None:
        """Add (1) or take away (-1) what a pod asks."""
        for name, value in asked.items():
            self.requested[name] = self.requested.get(name, 0) + sign * value


class NodeCache:
    """All nodes with the pods bound to them."""

    def __init__(self, nodes: Informer, pods: Informer) -> None:
        self._infos: dict[str, NodeInfo] = {}
        self._bound: dict[Key, tuple[str, Amounts]] = {}
        self._homeless: dict[str, dict[Key, Obj]] = {}
        nodes.on_change(self._on_node)
        pods.on_change(self._on_pod)

    def __iter__(self) -> Iterator[NodeInfo]:
        return iter(self._infos.values())

    def __len__(self) -> int:
        return len(self._infos)

    def get(self, name: str) -> NodeInfo | None:
        """The node's record, or None."""
        return self._infos.get(name)

    def _on_node(self, new: Obj | None, old: Obj | None) -> None:
        if new is None:
            if old is not None:
                gone = self._infos.pop(old["metadata"]["name"], None)
                if gone is not None and gone.pods:
                    self._homeless[gone.name] = gone.pods
            return
        name = new["metadata"]["name"]
        if name in self._infos:
            self._infos[name].update(new)
            return
        info = self._infos[name] = NodeInfo(new)
        for key, pod in self._homeless.pop(name, {}).items():
            info.pods[key] = pod
            info.count(self._bound[key][1], 1)

    def _on_pod(self, new: Obj | None, old: Obj | None) -> None:
        pod = new or old or {}
        key = key_of(pod)
        place = node_of(new) if new is not None and not pod_finished(new) else ""
        before = self._bound.get(key)
        if before is not None and before[0] == place:
            self._members(place)[key] = pod
            return
        if before is not None:
            self._forget(key, *before)
        if place:
            asked = pod_requests(pod)
            self._bound[key] = (place, asked)
            self._members(place)[key] = pod
            if place in self._infos:
                self._infos[place].count(asked, 1)

    def _members(self, node: str) -> dict[Key, Obj]:
        info = self._infos.get(node)
        return info.pods if info else self._homeless.setdefault(node, {})

    def _forget(self, key: Key, node: str, asked: Amounts) -> None:
        del self._bound[key]
        self._members(node).pop(key, None)
        if node in self._infos:
            self._infos[node].count(asked, -1)
        elif not self._homeless.get(node):
            self._homeless.pop(node, None)
