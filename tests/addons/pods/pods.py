"""Pods as the API server gives them."""

from __future__ import annotations

from typing import Any


def pod(**spec: Any) -> dict[str, Any]:
    containers = spec.pop("containers", [{"name": "app", "image": "nginx:1"}])
    meta = spec.pop("metadata", {})
    status = spec.pop("status", {"phase": "Pending"})
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "web",
            "namespace": "shop",
            "uid": "u-1",
            "resourceVersion": "7",
            **meta,
        },
        "spec": {"nodeName": "virtual-kubelet-cn-hangzhou-j", "containers": containers, **spec},
        "status": status,
    }
