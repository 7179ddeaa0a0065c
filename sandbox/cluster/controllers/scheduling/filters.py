"""Which nodes may take a pod, and why not, in the words of kube-scheduler.

A verdict is a list of reasons; empty means that the node fits. Order of the checks and texts follow
k8s.io/kubernetes pkg/scheduler/framework/plugins.
"""

from __future__ import annotations

from typing import NamedTuple

from ..informer import Obj
from ..objects import expression_holds
from ..quantities import Amounts
from .cache import NodeInfo

AFFINITY = "node(s) didn't match Pod's node affinity/selector"
CORDONED = "node(s) were unschedulable"
PORTS = "node(s) didn't have free ports for the requested pod ports"
UNSCHEDULABLE_TAINT = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}


class Refusal(NamedTuple):
    """Why a node is refused; `final` when evicting pods would not help."""

    reasons: list[str]
    final: bool


def tolerates(tolerations: list[Obj], taint: Obj) -> bool:
    """Some toleration covers the taint."""
    return any(covers(toleration, taint) for toleration in tolerations)


def covers(toleration: Obj, taint: Obj) -> bool:
    """This toleration covers the taint (core/v1 Toleration.ToleratesTaint)."""
    effect = toleration.get("effect")
    if effect and effect != taint.get("effect"):
        return False
    key = toleration.get("key")
    if key and key != taint["key"]:
        return False
    if toleration.get("operator") == "Exists":
        return True
    if not key:
        return False
    return (toleration.get("value") or "") == (taint.get("value") or "")


def refuse(pod: Obj, asked: Amounts, info: NodeInfo) -> Refusal | None:
    """The first check that the node fails, or None."""
    spec = pod["spec"]
    tolerations = spec.get("tolerations") or []
    if info.unschedulable and not tolerates(tolerations, UNSCHEDULABLE_TAINT):
        return Refusal([CORDONED], final=True)
    taint = untolerated(tolerations, info.taints)
    if taint is not None:
        text = f"node(s) had untolerated taint {{{taint['key']}: {taint.get('value') or ''}}}"
        return Refusal([text], final=True)
    if not selected(spec, info):
        return Refusal([AFFINITY], final=True)
    if _port_taken(spec, info):
        return Refusal([PORTS], final=False)
    return _resources(asked, info)


def untolerated(tolerations: list[Obj], taints: list[Obj]) -> Obj | None:
    """The first NoSchedule or NoExecute taint that is not tolerated."""
    for taint in taints:
        if taint.get("effect") in {"NoSchedule", "NoExecute"} and not tolerates(tolerations, taint):
            return taint
    return None


def selected(spec: Obj, info: NodeInfo) -> bool:
    """nodeSelector and required node affinity hold."""
    wanted = spec.get("nodeSelector") or {}
    if not wanted.items() <= info.labels.items():
        return False
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    if required is None:
        return True
    return any(term_holds(term, info) for term in required.get("nodeSelectorTerms") or [])


def term_holds(term: Obj, info: NodeInfo) -> bool:
    """A NodeSelectorTerm; an empty one matches nothing."""
    expressions = term.get("matchExpressions") or []
    fields = term.get("matchFields") or []
    if not expressions and not fields:
        return False
    names = {"metadata.name": info.name}
    return all(expression_holds(e, info.labels) for e in expressions) and all(
        expression_holds(f, names) for f in fields
    )


def host_ports(spec: Obj) -> set[tuple[str, str, int]]:
    """(address, protocol, port) of every hostPort."""
    found = set()
    for container in spec.get("containers") or []:
        for port in container.get("ports") or []:
            if port.get("hostPort"):
                address = port.get("hostIP") or "0.0.0.0"  # noqa: S104
                found.add((address, port.get("protocol") or "TCP", port["hostPort"]))
    return found


def _port_taken(spec: Obj, info: NodeInfo) -> bool:
    wanted = host_ports(spec)
    if not wanted:
        return False
    return any(
        _clash(mine, theirs)
        for pod in info.pods.values()
        for theirs in host_ports(pod["spec"])
        for mine in wanted
    )


def _clash(mine: tuple[str, str, int], theirs: tuple[str, str, int]) -> bool:
    if mine[1:] != theirs[1:]:
        return False
    everywhere = "0.0.0.0"  # noqa: S104
    return mine[0] == theirs[0] or everywhere in {mine[0], theirs[0]}


def shortages(asked: Amounts, info: NodeInfo) -> list[str]:
    """Names of resources of which too little is left; "pods" when the node is full."""
    short = []
    if len(info.pods) + 1 > info.allocatable.get("pods", 0):
        short.append("pods")
    for name, value in asked.items():
        left = info.allocatable.get(name, 0) - info.requested.get(name, 0)
        if value > 0 and value > left:
            short.append(name)
    return short


def _resources(asked: Amounts, info: NodeInfo) -> Refusal | None:
    short = shortages(asked, info)
    if not short:
        return None
    reasons = ["Too many pods" if name == "pods" else f"Insufficient {name}" for name in short]
    final = any(asked.get(n, 0) > info.allocatable.get(n, 0) for n in short if n != "pods")
    return Refusal(reasons, final)
