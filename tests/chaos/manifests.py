"""The objects that people apply in the walkthroughs."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]
TOLERATIONS = [{"key": "virtual-kubelet.io/provider", "operator": "Exists", "effect": "NoSchedule"}]
SELECTOR = {"type": "virtual-kubelet"}
NODE = "virtual-kubelet-cn-hangzhou-k"


def container(image: str = "nginx:1.27", cpu: str = "0.25", **more: Any) -> Json:
    size = {"cpu": cpu, "memory": "512Mi"}
    return {"name": "main", "image": image, "resources": {"requests": size, "limits": size}, **more}


def spec(**more: Any) -> Json:
    """On any virtual node, as walkthrough J3 asks for one."""
    base = {"nodeSelector": SELECTOR, "tolerations": TOLERATIONS, "containers": [container()]}
    return {**base, "terminationGracePeriodSeconds": 1, **more}


def deployment(name: str, replicas: int, **more: Any) -> Json:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": spec(**more)}
    body = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": body,
    }


def pod(name: str, *, labels: Json | None = None, **more: Any) -> Json:
    meta = {"name": name, "labels": labels or {"app": name}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec(**more)}


def bound(name: str, node: str = NODE, *, labels: Json | None = None, **more: Any) -> Json:
    """A pod that names its node, past the scheduler (walkthroughs J2 and J3)."""
    containers = more.pop("containers", [container()])
    meta = {"name": name, "labels": labels or {"app": name}}
    body = {"nodeName": node, "containers": containers, "terminationGracePeriodSeconds": 1, **more}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": body}


def job(name: str, command: list[str], *, completions: int = 1, **more: Any) -> Json:
    body = spec(containers=[container("busybox", command=command)], restartPolicy="Never", **more)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {
            "completions": completions,
            "parallelism": completions,
            "backoffLimit": 0,
            "template": {"metadata": {"labels": {"app": name}}, "spec": body},
        },
    }
