"""What ACK does to pods at submission: routes them to virtual nodes, and sizes those of ACS.

Routing labels: ACK help pages "Schedule pods to run on elastic container instances" and the one of
the older chart. With the feature gate ACSPodResourcesMutation the API server gives pods of ACS the
size that is billed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from sandbox.cluster.admission import Attributes
from sandbox.cluster.controllers.objects import labels_of

from ..acs.admission import AcsAdmission
from ..acs.knobs import Knobs
from .virtualnode import ACS, profile_of, wants_acs

if TYPE_CHECKING:
    from sandbox.cluster.client import Client

Obj = dict[str, Any]
GATE = "ACSPodResourcesMutation"
_POD = (("alibabacloud.com/eci", "true"), ("eci", "true"), (ACS, "true"))
_NAMESPACE = (("alibabacloud.com/eci", "true"), ("virtual-node-affinity-injection", "enabled"))
_TOLERATION = {"key": "virtual-kubelet.io/provider", "operator": "Exists", "effect": "NoSchedule"}
_WHERE = {"key": "type", "operator": "In", "values": ["virtual-kubelet"]}


class AckAdmission(AcsAdmission):
    """``routes`` tells whether ack-virtual-node runs; ``gates`` are the API server's."""

    def __init__(
        self,
        client: Client,
        knobs: Callable[[], Knobs],
        gates: Mapping[str, bool],
        routes: Callable[[], bool],
    ) -> None:
        super().__init__(knobs)
        self._client = client
        self._gates = gates
        self._routes = routes

    def mutate(self, attributes: Attributes, obj: Obj) -> None:
        """Route and size a new pod."""
        if attributes.operation != "CREATE" or attributes.resource.name != "pods":
            return
        if self._routes():
            chosen = self._selected(attributes, obj)
            if chosen or self._routed(attributes, obj):
                _send(obj["spec"])
        if self._gates.get(GATE) and wants_acs(obj):
            super().mutate(attributes, obj)

    def validate(self, attributes: Attributes) -> None:
        """Nothing is refused: Services are the cluster's own."""

    def _selected(self, attributes: Attributes, obj: Obj) -> bool:
        """Apply the selectors of eci-profile that match; what the pod has already stays."""
        try:
            given = json.loads(profile_of(self._client).get("selectors") or "[]")
        except ValueError:
            return False
        space = self._client.look("namespaces", attributes.namespace)
        around = labels_of(space) if space else {}
        chosen = False
        for selector in given:
            if not _matches(selector, around, labels_of(obj)):
                continue
            chosen = True
            for field in ("annotations", "labels"):
                effect = (selector.get("effect") or {}).get(field) or {}
                meta = obj["metadata"]
                meta[field] = {**effect, **(meta.get(field) or {})}
        return chosen

    def _routed(self, attributes: Attributes, obj: Obj) -> bool:
        labels = labels_of(obj)
        if any(labels.get(name) == value for name, value in _POD):
            return True
        space = self._client.look("namespaces", attributes.namespace)
        around = labels_of(space) if space else {}
        return any(around.get(name) == value for name, value in _NAMESPACE)


def _matches(selector: Obj, around: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """One without conditions is for what goes to a virtual node anyway."""
    wanted = [
        (where, ((selector.get(field) or {}).get("matchLabels") or {}))
        for where, field in ((around, "namespaceSelector"), (labels, "objectSelector"))
    ]
    asked = any(pairs for _, pairs in wanted)
    return asked and all(where.get(k) == v for where, pairs in wanted for k, v in pairs.items())


def _send(spec: Obj) -> None:
    """Have a pod go to a virtual node, and nowhere else."""
    spec["tolerations"] = [*(spec.get("tolerations") or []), dict(_TOLERATION)]
    affinity = spec.setdefault("affinity", {}).setdefault("nodeAffinity", {})
    required = affinity.setdefault("requiredDuringSchedulingIgnoredDuringExecution", {})
    for term in required.setdefault("nodeSelectorTerms", [{}]):
        term["matchExpressions"] = [*(term.get("matchExpressions") or []), dict(_WHERE)]
