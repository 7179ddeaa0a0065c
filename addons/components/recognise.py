"""What others installed: found by its workloads, with its version and values read back."""

from __future__ import annotations

from dataclasses import replace

from addons.components import helm
from addons.components.base import Component
from addons.components.kit import Recognised
from addons.components.kits import kit_of
from kube import DAEMONSETS, DEPLOYMENTS, Kube, Resource


async def recognise(kube: Kube, component: Component) -> Recognised | None:
    """The component as it stands in the cluster, whoever put it there; None: it is not there."""
    kit = kit_of(component.name)
    workloads = []
    for resource in (DEPLOYMENTS, DAEMONSETS):
        for item in (await kube.list(resource)).items:
            workloads.append({**item, **_typed(resource)})
    found = kit.recognise(workloads)
    if found is None:
        return None
    named = (component.release or component.name, found.release)
    for name in dict.fromkeys(named):
        if await helm.records(kube, name, found.namespace):
            return replace(found, release=name)
    return replace(found, release=named[0])


def _typed(resource: Resource) -> dict[str, str]:
    """Items of a list do not say what they are."""
    return {"apiVersion": resource.api_version, "kind": resource.kind}
