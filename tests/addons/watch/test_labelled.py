"""Pods whose label sends them to virtual nodes, in a cluster without the vendor's webhook."""

from __future__ import annotations

import asyncio
from typing import Any

from addons.models import VirtualNode
from addons.runtime.loop import Runtime
from addons.watch.labelled import toleration_of
from kube import NAMESPACES, PODS
from tests.addons.watch.test_watch import cluster, node, ready

__all__ = ["cluster", "node"]
TAINT = {"key": "virtual-kubelet.io/provider", "value": "alibabacloud", "effect": "NoSchedule"}


def pod(name: str, labels: dict[str, str]) -> dict[str, Any]:
    """It asks for more than any node of the data centre has."""
    size = {"cpu": "60", "memory": "8Gi"}
    main = {"name": "main", "image": "busybox", "resources": {"requests": size, "limits": size}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels},
        "spec": {"containers": [main], "terminationGracePeriodSeconds": 0},
    }


def test_only_the_taint_of_the_vendor_is_tolerated() -> None:
    wanted = {**TAINT, "operator": "Equal"}
    assert toleration_of([{"key": "node.kubernetes.io/unschedulable"}, TAINT]) == wanted
    assert toleration_of([{**TAINT, "value": "kingsoftcloud"}]) is None


def test_a_labelled_pod_without_room_goes_to_the_virtual_node_and_no_other_does(
    runtime: Runtime, node: VirtualNode
) -> None:
    places = {"by-label": "default", "by-namespace": "burst", "unlabelled": "default"}

    async def scenario() -> None:
        async with ready(runtime, node) as kube:

            async def on(name: str) -> str:
                found = await kube.get(PODS, name, places[name])
                return str(found["spec"].get("nodeName") or "")

            label = {"alibabacloud.com/eci": "true"}
            await kube.create(NAMESPACES, {"metadata": {"name": "burst", "labels": label}})
            for name, namespace in places.items():
                labels = label if name == "by-label" else {}
                await kube.create(PODS, pod(name, labels), namespace)
            try:
                async with asyncio.timeout(20):
                    for name in ("by-label", "by-namespace"):
                        while await on(name) != node.name:
                            await asyncio.sleep(0.05)
                assert not await on("unlabelled")
            finally:
                for name, namespace in places.items():
                    await kube.delete(PODS, name, namespace, grace_seconds=0)
                await kube.delete(NAMESPACES, "burst")

    runtime.run(scenario(), timeout=60)
