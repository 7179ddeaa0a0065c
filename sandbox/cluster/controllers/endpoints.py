"""Endpoints and EndpointSlices of Services that select pods."""

from __future__ import annotations

from typing import Any

from .informer import Key, Obj, key_of
from .loop import Controller
from .objects import (
    deleting,
    in_namespace,
    labels_of,
    node_of,
    owner_reference,
    pod_finished,
    pod_ready,
)

SLICES = "endpointslices.discovery.k8s.io"
SERVICE_LABEL = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
MANAGER = "endpointslice-controller.k8s.io"
BATCH = 0.25
PER_SLICE = 100
PER_ENDPOINTS = 1000


class Endpoints(Controller[Key]):
    """Keys are (namespace, name) of Services; changes of pods are gathered for a moment."""

    name = "endpoint-controller"

    def setup(self) -> None:
        self.services = self.context.informer("services")
        self.pods = self.context.informer("pods")
        self.slices = self.context.informer(SLICES)
        self.pods_in = self.pods.index("namespace", in_namespace)
        self.services_in = self.services.index("namespace", in_namespace)
        self.slices_of = self.slices.index("service", _service_of)
        self.services.on_change(lambda new, old: self.queue.add(key_of(new or old or {})))
        self.pods.on_change(self._on_pod)

    def _on_pod(self, new: Obj | None, old: Obj | None) -> None:
        if new and old and _matters(new) == _matters(old):
            return
        namespace = (new or old or {})["metadata"]["namespace"]
        for service in self.services_in[namespace]:
            selector = service["spec"].get("selector")
            if selector and any(p and _selected(selector, p) for p in (new, old)):
                self.queue.add_after(key_of(service), BATCH)

    async def reconcile(self, key: Key) -> float | None:
        """Write what the Service leads to now."""
        service = self.services.get(key)
        if service is None:
            await self._remove(key)
            return None
        selector = service["spec"].get("selector")
        if not selector or deleting(service):
            return None
        pods = [
            pod
            for pod in self.pods_in[key[0]]
            if _selected(selector, pod) and not pod_finished(pod) and _address(pod)
        ]
        pods.sort(key=lambda pod: str(pod["metadata"]["name"]))
        await self._write_endpoints(service, pods)
        await self._write_slices(service, pods)
        return None

    async def _remove(self, key: Key) -> None:
        endpoints = self.client.look("endpoints", key[1], key[0])
        if endpoints is not None:
            await self.context.remove("endpoints", endpoints)

    async def _write_endpoints(self, service: Obj, pods: list[Obj]) -> None:
        namespace, name = key_of(service)
        subsets = _subsets(service, [pod for pod in pods if not deleting(pod)])
        current = self.client.look("endpoints", name, namespace)
        if current is None:
            meta = {
                "name": name,
                "namespace": namespace,
                "labels": {**labels_of(service), "endpoints.kubernetes.io/managed-by": self.name},
            }
            await self.client.create("endpoints", {"metadata": meta, "subsets": subsets}, namespace)
        elif (current.get("subsets") or []) != subsets:
            await self.client.update("endpoints", {**current, "subsets": subsets})

    async def _write_slices(self, service: Obj, pods: list[Obj]) -> None:
        existing = sorted(self.slices_of[key_of(service)], key=lambda s: str(s["metadata"]["name"]))
        chunks = [pods[i : i + PER_SLICE] for i in range(0, len(pods), PER_SLICE)] or [[]]
        for place, chunk in enumerate(chunks):
            body = {
                "endpoints": [_endpoint(pod) for pod in chunk],
                "ports": [_slice_port(port, chunk) for port in service["spec"].get("ports") or []],
            }
            if place >= len(existing):
                await self._create_slice(service, body)
                continue
            current = existing[place]
            if any((current.get(field) or []) != value for field, value in body.items()):
                await self.client.update(SLICES, {**current, **body})
        for extra in existing[len(chunks) :]:
            await self.context.remove(SLICES, extra)

    async def _create_slice(self, service: Obj, body: Obj) -> None:
        namespace, name = key_of(service)
        meta = {
            "generateName": f"{name}-",
            "namespace": namespace,
            "labels": {**labels_of(service), SERVICE_LABEL: name, MANAGED_BY: MANAGER},
            "ownerReferences": [
                owner_reference({"apiVersion": "v1", "kind": "Service", **service})
            ],
        }
        obj = {"metadata": meta, "addressType": "IPv4", **body}
        await self.client.create(SLICES, obj, namespace)


def _service_of(obj: Obj) -> list[Key]:
    labels = labels_of(obj)
    if labels.get(MANAGED_BY) != MANAGER or SERVICE_LABEL not in labels:
        return []
    return [(obj["metadata"]["namespace"], labels[SERVICE_LABEL])]


def _selected(selector: dict[str, str], pod: Obj) -> bool:
    return selector.items() <= labels_of(pod).items()


def _address(pod: Obj) -> str:
    return str((pod.get("status") or {}).get("podIP") or "")


def _matters(pod: Obj) -> tuple[object, ...]:
    return labels_of(pod), _address(pod), pod_ready(pod), pod_finished(pod), deleting(pod)


def _target(pod: Obj) -> Obj:
    meta = pod["metadata"]
    return {
        "kind": "Pod",
        "namespace": meta["namespace"],
        "name": meta["name"],
        "uid": meta["uid"],
    }


def _endpoint(pod: Obj) -> Obj:
    ready = pod_ready(pod)
    return {
        "addresses": [_address(pod)],
        "conditions": {
            "ready": ready and not deleting(pod),
            "serving": ready,
            "terminating": deleting(pod),
        },
        "targetRef": _target(pod),
        "nodeName": node_of(pod),
    }


def _number(port: Obj, pods: list[Obj]) -> int:
    target: Any = port.get("targetPort") or port["port"]
    if isinstance(target, int):
        return target
    for pod in pods:
        for container in pod["spec"]["containers"]:
            for candidate in container.get("ports") or []:
                if candidate.get("name") == target:
                    return int(candidate["containerPort"])
    return int(port["port"])


def _slice_port(port: Obj, pods: list[Obj]) -> Obj:
    return {
        "name": port.get("name") or "",
        "port": _number(port, pods),
        "protocol": port.get("protocol") or "TCP",
    }


def _endpoints_port(port: Obj, pods: list[Obj]) -> Obj:
    made = _slice_port(port, pods)
    return made if made["name"] else {k: v for k, v in made.items() if k != "name"}


def _subsets(service: Obj, pods: list[Obj]) -> list[Obj]:
    if not pods:
        return []
    pods = pods[:PER_ENDPOINTS]
    addresses: dict[bool, list[Obj]] = {True: [], False: []}
    for pod in pods:
        entry = {"ip": _address(pod), "nodeName": node_of(pod), "targetRef": _target(pod)}
        addresses[pod_ready(pod)].append(entry)
    subset: Obj = {}
    if addresses[True]:
        subset["addresses"] = addresses[True]
    if addresses[False]:
        subset["notReadyAddresses"] = addresses[False]
    ports = [_endpoints_port(port, pods) for port in service["spec"].get("ports") or []]
    if ports:
        subset["ports"] = ports
    return [subset]
