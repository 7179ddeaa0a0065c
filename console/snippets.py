"""YAML that people paste into their workloads."""

from __future__ import annotations

from typing import Any

import yaml

from addons.models import VirtualNode
from console.keys import known

# Labels that tell virtual nodes, and this one's zone, from the others.
_SELECTING = ("type", "topology.kubernetes.io/zone")


def snippet(node: VirtualNode) -> str:
    """What a pod says to come here: the selector, and the taints that the node is made with."""
    dialect = known(node.provider)
    wanted: dict[str, Any] = {"nodeSelector": {"kubernetes.io/hostname": node.name}}
    if dialect:
        profile = dialect.node_profile(
            region=node.region, zone=node.zone, name=node.name, settings=node.settings
        )
        labels = {k: v for k, v in profile.labels.items() if k in _SELECTING}
        wanted["nodeSelector"] = labels or wanted["nodeSelector"]
        wanted["tolerations"] = [
            {"key": taint["key"], "operator": "Exists", "effect": taint["effect"]}
            for taint in profile.taints
        ]
    return yaml.safe_dump({k: v for k, v in wanted.items() if v}, sort_keys=False)
