"""A workload as a cluster has it, with its namespace and the Services there."""

from __future__ import annotations

import asyncio
from typing import Any

from addons.compat.documents import Document
from kube import Kube
from kube.resources import (
    CRONJOBS,
    DAEMONSETS,
    DEPLOYMENTS,
    JOBS,
    NAMESPACES,
    PODS,
    REPLICASETS,
    SERVICES,
    STATEFULSETS,
    Resource,
)

RESOURCES: dict[str, Resource] = {
    resource.kind: resource
    for resource in (
        *(DEPLOYMENTS, STATEFULSETS, DAEMONSETS, REPLICASETS),
        *(JOBS, CRONJOBS, PODS),
    )
}


async def fetch(kube: Kube, *, kind: str, namespace: str, name: str) -> list[Document]:
    """The workload first. Raises `KubeError`; `kind` is one of `RESOURCES`."""
    workload, space, services = await asyncio.gather(
        kube.get(RESOURCES[kind], name, namespace),
        kube.get(NAMESPACES, namespace),
        kube.list(SERVICES, namespace),
    )
    return [
        _stored(workload, RESOURCES[kind]),
        _stored(space, NAMESPACES),
        *(_stored(service, SERVICES) for service in services.items),
    ]


def _stored(body: dict[str, Any], resource: Resource) -> Document:
    """Lists leave out kind and apiVersion of their items."""
    typed = {"apiVersion": resource.api_version, "kind": resource.kind}
    return Document({**typed, **body}, stored=True)
