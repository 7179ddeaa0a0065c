"""Pods whose label sends them to virtual nodes although they do not tolerate the taint there.

The vendor's webhook adds affinity and toleration when such a pod is created. Without it the API
allows few changes to a pod; one is to add tolerations (Kubernetes API reference, Pod). So a
labelled pod that the scheduler found no node for is given the toleration, and the scheduler tries
again; a pod that fits on a real node stays there.

Labels: ACK user guide, "Schedule pods to run on virtual nodes" (`alibabacloud.com/eci`, on the pod
or its namespace; `virtual-node-affinity-injection` on the namespace), Alibaba Cloud help, "Run pods
on ACS using virtual nodes" (`alibabacloud.com/acs`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from addons.pods import reasons
from addons.pods.events import events_of
from kube import NAMESPACES, PODS, Kube, Pod
from kube.errors import KubeError
from kube.objects import OnlyMeta

log = logging.getLogger(__name__)
TAINT = "virtual-kubelet.io/provider"
VENDOR = "alibabacloud"
ON_POD = {"alibabacloud.com/eci": "true", "alibabacloud.com/acs": "true"}
ON_NAMESPACE = {"alibabacloud.com/eci": "true", "virtual-node-affinity-injection": "enabled"}
NAMESPACE_SECONDS = 10.0

Toleration = dict[str, Any]


def toleration_of(taints: Iterable[Mapping[str, Any]]) -> Toleration | None:
    """What lets a pod onto the vendor's virtual nodes; None when the cluster has none of them."""
    for taint in taints:
        if taint.get("key") == TAINT and taint.get("value") == VENDOR:
            return {
                "key": TAINT,
                "operator": "Equal",
                "value": VENDOR,
                "effect": taint.get("effect", ""),
            }
    return None


def stranded(pod: Pod) -> bool:
    """The scheduler found no node for it, and its owner gave it no toleration for ours."""
    tolerated = any(t.key in {"", TAINT} for t in pod.spec.tolerations or ())
    return not tolerated and any(
        c.type == "PodScheduled" and c.status == "False" and c.reason == "Unschedulable"
        for c in pod.status.conditions or ()
    )


def labelled(labels: Mapping[str, str] | None, wanted: Mapping[str, str]) -> bool:
    return any((labels or {}).get(key) == value for key, value in wanted.items())


class Labelled:
    """Of one cluster."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self._namespaces: dict[str, tuple[float, bool]] = {}

    async def admit(self, pods: Iterable[Pod], toleration: Toleration, *, now: datetime) -> int:
        """Let the stranded ones onto the virtual nodes; how many were."""
        done = 0
        for pod in pods:
            try:
                if stranded(pod) and not pod.terminating and await self._sent_there(pod):
                    await self._tolerate(pod, toleration, now)
                    done += 1
            except KubeError as error:
                # The scheduler reports it again within minutes, and so does the next list.
                log.info("%s is not let onto virtual nodes: %s", pod.key, error)
        return done

    async def _sent_there(self, pod: Pod) -> bool:
        if labelled(pod.metadata.labels, ON_POD):
            return True
        name = pod.metadata.namespace
        at, answer = self._namespaces.get(name, (0.0, False))
        if not at or time.monotonic() - at > NAMESPACE_SECONDS:
            namespace = await self._kube.get(NAMESPACES, name, type=OnlyMeta)
            answer = labelled(namespace.metadata.labels, ON_NAMESPACE)
            self._namespaces[name] = (time.monotonic(), answer)
        return answer

    async def _tolerate(self, pod: Pod, toleration: Toleration, now: datetime) -> None:
        """The list is replaced as a whole, so the version that it was read at counts."""
        raw = await self._kube.get(PODS, pod.metadata.name, pod.metadata.namespace)
        if raw["metadata"]["uid"] != pod.metadata.uid or raw["spec"].get("nodeName"):
            return
        body = {
            "metadata": {"resourceVersion": raw["metadata"]["resourceVersion"]},
            "spec": {"tolerations": [*(raw["spec"].get("tolerations") or ()), toleration]},
        }
        await self._kube.patch(PODS, pod.metadata.name, body, pod.metadata.namespace, kind="merge")
        await events_of(self._kube).say(self._kube, raw, reasons.LET_IN, {}, now=now)
