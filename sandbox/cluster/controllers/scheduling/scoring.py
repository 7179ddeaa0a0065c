"""How good a node is for a pod: 0..100 per plugin, weighted as kube-scheduler's default profile."""

from __future__ import annotations

from collections import Counter

from ..informer import Obj
from ..objects import controller_of, labels_of, matches
from ..quantities import Amounts
from .cache import NodeInfo
from .filters import term_holds, tolerates
from .interpod import covers

PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_FLOOR = {"cpu": 100, "memory": 200 * 2**20}


def rank(pod: Obj, asked: Amounts, candidates: list[NodeInfo]) -> list[float]:
    """One score per candidate."""
    affinity = _scaled([_affinity(pod, info) for info in candidates])
    taints = _scaled([_soft_taints(pod, info) for info in candidates], reverse=True)
    spread = _scaled(_crowding(pod, candidates), reverse=True)
    friends = _scaled([_friends(pod, info) for info in candidates])
    return [
        _free(asked, info) + _balance(asked, info) + 2 * near + 3 * clean + 2 * apart + 2 * liked
        for info, near, clean, apart, liked in zip(
            candidates, affinity, taints, spread, friends, strict=True
        )
    ]


def _scaled(values: list[float], *, reverse: bool = False) -> list[float]:
    low, high = min(values, default=0.0), max(values, default=0.0)
    low = min(low, 0.0)
    if high == low:
        return [100.0 if reverse else 0.0 for _ in values]
    shares = [100.0 * (value - low) / (high - low) for value in values]
    return [100.0 - share for share in shares] if reverse else shares


def _fractions(asked: Amounts, info: NodeInfo) -> list[float]:
    result = []
    for name, floor in _FLOOR.items():
        room = info.allocatable.get(name, 0)
        used = info.requested.get(name, 0) + max(asked.get(name, 0), floor)
        result.append(min(1.0, used / room) if room else 1.0)
    return result


def _free(asked: Amounts, info: NodeInfo) -> float:
    used = _fractions(asked, info)
    return 100.0 * (1 - sum(used) / len(used))


def _balance(asked: Amounts, info: NodeInfo) -> float:
    cpu, memory = _fractions(asked, info)
    return 100.0 * (1 - abs(cpu - memory) / 2)


def _affinity(pod: Obj, info: NodeInfo) -> float:
    affinity = (pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}
    terms = affinity.get(PREFERRED) or []
    return float(sum(t["weight"] for t in terms if term_holds(t["preference"], info)))


def _soft_taints(pod: Obj, info: NodeInfo) -> float:
    tolerations = pod["spec"].get("tolerations") or []
    soft = (taint for taint in info.taints if taint.get("effect") == "PreferNoSchedule")
    return float(sum(not tolerates(tolerations, taint) for taint in soft))


def _crowding(pod: Obj, candidates: list[NodeInfo]) -> list[float]:
    """Soft spread constraints, or by default the pods of the same owner per node."""
    soft = [
        constraint
        for constraint in pod["spec"].get("topologySpreadConstraints") or []
        if constraint.get("whenUnsatisfiable") == "ScheduleAnyway"
    ]
    if not soft:
        return [_siblings(pod, info) for info in candidates]
    totals = [0.0 for _ in candidates]
    for constraint in soft:
        key = constraint["topologyKey"]
        counts: Counter[str] = Counter()
        for info in candidates:
            counts[info.labels.get(key, "")] += sum(
                matches(constraint.get("labelSelector"), labels_of(p)) for p in info.pods.values()
            )
        for place, info in enumerate(candidates):
            totals[place] += counts[info.labels.get(key, "")]
    return totals


def _siblings(pod: Obj, info: NodeInfo) -> float:
    owner = controller_of(pod)
    if owner is None:
        return 0.0
    uid = owner["uid"]
    return float(
        sum((controller_of(other) or {}).get("uid") == uid for other in info.pods.values())
    )


def _friends(pod: Obj, info: NodeInfo) -> float:
    affinity = pod["spec"].get("affinity") or {}
    total = 0.0
    for kind, sign in (("podAffinity", 1), ("podAntiAffinity", -1)):
        for weighted in (affinity.get(kind) or {}).get(PREFERRED) or []:
            term = weighted["podAffinityTerm"]
            found = sum(covers(term, pod, other) for other in info.pods.values())
            total += sign * weighted["weight"] * found
    return total
