"""The kubelet's own admission: what it refuses although the pod is bound to its node."""

from __future__ import annotations

from collections.abc import Iterable

from ..informer import Obj
from ..objects import node_of
from ..quantities import pod_requests
from ..scheduling.cache import NodeInfo
from ..scheduling.filters import AFFINITY, selected, shortages, untolerated

Refused = tuple[str, str]


def refusal(pod: Obj, node: Obj, neighbours: Iterable[Obj]) -> Refused | None:
    """(reason, message) of a pod that the node cannot run, or None.

    `neighbours` are the pods that the node already runs.
    """
    info = NodeInfo(node)
    for other in neighbours:
        info.pods[(other["metadata"]["namespace"], other["metadata"]["name"])] = other
        info.count(pod_requests(other), 1)
    if not selected(pod["spec"], info):
        return "NodeAffinity", f"Pod was rejected: Predicate NodeAffinity failed: {AFFINITY}"
    asked = pod_requests(pod)
    for name in shortages(asked, info):
        want = 1 if name == "pods" else asked[name]
        used = len(info.pods) if name == "pods" else info.requested.get(name, 0)
        text = (
            f"Pod was rejected: Node didn't have enough resource: {name}, requested: {want}, "
            f"used: {used}, capacity: {info.allocatable.get(name, 0)}"
        )
        return f"OutOf{name}", text
    return _taint(pod, info)


def _taint(pod: Obj, info: NodeInfo) -> Refused | None:
    blocking = [t for t in info.taints if t.get("effect") == "NoExecute"]
    taint = untolerated(pod["spec"].get("tolerations") or [], blocking)
    if taint is None:
        return None
    text = f"Predicate TaintToleration failed: {node_of(pod)} has taint {taint['key']}"
    return "TaintToleration", f"Pod was rejected: {text}"
