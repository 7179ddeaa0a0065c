"""Pod (anti-)affinity and topology spread, over the pods that nodes already hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from ..informer import Obj
from ..objects import labels_of, matches
from .cache import NodeInfo
from .filters import Refusal, selected

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
AFFINITY = "node(s) didn't match pod affinity rules"
ANTI_AFFINITY = "node(s) didn't match pod anti-affinity rules"
EXISTING = "node(s) didn't satisfy existing pods anti-affinity rules"
SPREAD = "node(s) didn't match pod topology spread constraints"
SPREAD_LABEL = "node(s) didn't match pod topology spread constraints (missing required label)"
Domain = tuple[str, str]


def required_terms(pod: Obj, kind: str) -> list[Obj]:
    """The required terms of podAffinity or podAntiAffinity."""
    affinity = (pod["spec"].get("affinity") or {}).get(kind) or {}
    return affinity.get(REQUIRED) or []


def covers(term: Obj, owner: Obj, other: Obj) -> bool:
    """The term of `owner` selects the pod `other`."""
    namespaces = term.get("namespaces") or []
    if not namespaces and term.get("namespaceSelector") is None:
        namespaces = [owner["metadata"]["namespace"]]
    if namespaces and other["metadata"]["namespace"] not in namespaces:
        return False
    return matches(term.get("labelSelector"), labels_of(other))


class Neighbours:
    """Domains that a pod must share or avoid; built once per pod, asked once per node."""

    def __init__(self, pod: Obj, infos: Iterable[NodeInfo]) -> None:
        self._pod = pod
        self._infos = list(infos)
        self._wanted = required_terms(pod, "podAffinity")
        self._unwanted = required_terms(pod, "podAntiAffinity")
        self._avoid: set[Domain] = set()
        self._near: list[set[Domain]] = [set() for _ in self._wanted]
        self._repelled: set[Domain] = set()
        self._spread = [
            _Spread(pod, constraint, self._infos)
            for constraint in pod["spec"].get("topologySpreadConstraints") or []
            if constraint.get("whenUnsatisfiable", "DoNotSchedule") == "DoNotSchedule"
        ]
        for info in self._infos:
            for other in info.pods.values():
                self._meet(other, info)

    def _meet(self, other: Obj, info: NodeInfo) -> None:
        for place, term in enumerate(self._wanted):
            if covers(term, self._pod, other):
                self._near[place].add(_domain(term, info))
        for term in self._unwanted:
            if covers(term, self._pod, other):
                self._avoid.add(_domain(term, info))
        if other["spec"].get("affinity"):
            for term in required_terms(other, "podAntiAffinity"):
                if covers(term, other, self._pod):
                    self._repelled.add(_domain(term, info))

    def refuse(self, info: NodeInfo) -> Refusal | None:
        """The first rule that the node breaks, or None."""
        for spread in self._spread:
            refusal = spread.refuse(info)
            if refusal is not None:
                return refusal
        if not self._affine(info):
            return Refusal([AFFINITY], final=True)
        if any(_domain(term, info) in self._avoid for term in self._unwanted):
            return Refusal([ANTI_AFFINITY], final=False)
        if any((key, info.labels.get(key)) == (key, value) for key, value in self._repelled):
            return Refusal([EXISTING], final=False)
        return None

    def _affine(self, info: NodeInfo) -> bool:
        for term, near in zip(self._wanted, self._near, strict=True):
            if term["topologyKey"] not in info.labels:
                return False
            first = not near and covers(term, self._pod, self._pod)
            if not first and _domain(term, info) not in near:
                return False
        return True


def _domain(term: Obj, info: NodeInfo) -> Domain:
    key = term["topologyKey"]
    return key, info.labels.get(key, "")


class _Spread:
    """One DoNotSchedule constraint."""

    def __init__(self, pod: Obj, constraint: Obj, infos: list[NodeInfo]) -> None:
        self._key = constraint["topologyKey"]
        self._skew = constraint.get("maxSkew", 1)
        self._selector = constraint.get("labelSelector")
        self._self = int(matches(self._selector, labels_of(pod)))
        self._counts: Counter[str] = Counter()
        namespace = pod["metadata"]["namespace"]
        for info in infos:
            if self._key in info.labels and selected(pod["spec"], info):
                self._counts[info.labels[self._key]] += sum(
                    other["metadata"]["namespace"] == namespace
                    and matches(self._selector, labels_of(other))
                    for other in info.pods.values()
                )
        self._least = min(self._counts.values(), default=0)

    def refuse(self, info: NodeInfo) -> Refusal | None:
        if self._key not in info.labels:
            return Refusal([SPREAD_LABEL], final=True)
        here = self._counts[info.labels[self._key]]
        if here + self._self - self._least > self._skew:
            return Refusal([SPREAD], final=False)
        return None
