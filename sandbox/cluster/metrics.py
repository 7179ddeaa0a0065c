"""The metrics API (``metrics.k8s.io/v1beta1``) that ``kubectl top`` reads.

Usage is simulated: a steady share of what a container asks for, different for each pod.
"""

import zlib
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from aiohttp import web

from sandbox.cluster import errors, wire
from sandbox.cluster.clock import rfc3339
from sandbox.cluster.quantity import parse
from sandbox.cluster.selectors import compile_match

if TYPE_CHECKING:
    from sandbox.cluster.verbs import Call

Obj = dict[str, Any]
_API = "metrics.k8s.io/v1beta1"


def _share(key: str) -> Decimal:
    return Decimal(20 + zlib.crc32(key.encode()) % 50) / 100


def _usage(resources: Obj, key: str) -> tuple[int, int]:
    asked = resources.get("requests") or resources.get("limits") or {}
    share = _share(key)
    cores = parse(asked.get("cpu", "100m")) * share
    memory = parse(asked.get("memory", "128Mi")) * share
    return int(cores * 1_000_000_000), int(memory / 1024)


def _amounts(nano: int, kibi: int) -> Obj:
    return {"cpu": f"{nano}n", "memory": f"{kibi}Ki"}


def pod_metrics(pod: Obj, moment: str) -> Obj:
    """Return the PodMetrics of a running pod."""
    meta = pod["metadata"]
    containers = []
    for item in pod["spec"]["containers"]:
        usage = _usage(item.get("resources") or {}, meta["uid"] + item["name"])
        containers.append({"name": item["name"], "usage": _amounts(*usage)})
    kept = {k: meta[k] for k in ("name", "namespace", "labels", "creationTimestamp") if k in meta}
    return {
        "kind": "PodMetrics",
        "apiVersion": _API,
        "metadata": kept,
        "timestamp": moment,
        "window": "15s",
        "containers": containers,
    }


def _node_metrics(node: Obj, pods: list[Obj], moment: str) -> Obj:
    nano, kibi = 50_000_000, 300_000
    for pod in pods:
        for item in pod["spec"]["containers"]:
            usage = _usage(item.get("resources") or {}, pod["metadata"]["uid"] + item["name"])
            nano, kibi = nano + usage[0], kibi + usage[1]
    meta = node["metadata"]
    return {
        "kind": "NodeMetrics",
        "apiVersion": _API,
        "metadata": {k: meta[k] for k in ("name", "labels", "creationTimestamp") if k in meta},
        "timestamp": moment,
        "window": "15s",
        "usage": _amounts(nano, kibi),
    }


def _running(call: "Call", namespace: str | None) -> list[Obj]:
    entries = call.cluster.store.ordered("pods", namespace)
    return [e.obj for e in entries if e.obj.get("status", {}).get("phase") == "Running"]


def serve(call: "Call") -> web.Response:
    """Answer a read of pods or nodes; ApiError 404 for one that has no metrics."""
    moment = rfc3339(call.cluster.clock.now())
    if call.resource.plural == "pods":
        pods = _running(call, call.target.namespace or None)
        items = [pod_metrics(pod, moment) for pod in pods]
    else:
        pods = _running(call, None)
        items = []
        for entry in call.cluster.store.ordered("nodes"):
            mine = [p for p in pods if p["spec"].get("nodeName") == entry.key[1]]
            items.append(_node_metrics(entry.obj, mine, moment))
    if call.target.name:
        for item in items:
            if item["metadata"]["name"] == call.target.name:
                return wire.document(item)
        raise errors.not_found(call.resource.plural, call.resource.group, call.target.name)
    match = compile_match(call.query.get("labelSelector", ""), "", "pods")
    items = [item for item in items if match is None or match(item)]
    meta = {"resourceVersion": str(call.cluster.store.revision)}
    kind = f"{call.resource.kind}List"
    return wire.document({"kind": kind, "apiVersion": _API, "metadata": meta, "items": items})
