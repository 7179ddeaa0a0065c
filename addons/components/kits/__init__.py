"""The code of components, by name: dotted paths of `Kit`s, imported on first use."""

from __future__ import annotations

from django.utils.module_loading import import_string

from addons.components.base import Release
from addons.components.kit import Kit
from addons.components.kits.plain import render

_HERE = "addons.components.kits"
KITS = {
    "rbkci-virtual-kubelet": f"{_HERE}.rbkci.KIT",
    "ack-virtual-node": f"{_HERE}.ack_virtual_node.KIT",
    "ack-co-scheduler": f"{_HERE}.co_scheduler.KIT",
    "alibaba-addon-credentials": f"{_HERE}.addon_credentials.KIT",
}
_PLAIN = Kit(render=render)


def kit_of(component: str) -> Kit:
    """Its own, or the one of plain manifests."""
    path = KITS.get(component)
    if path is None:
        return _PLAIN
    kit: Kit = import_string(path)
    return kit


def rendered(release: Release) -> list[dict[str, object]]:
    return [dict(obj) for obj in kit_of(release.component.name).render(release)]
