"""Virtual nodes of our own workers, read as the component that they are.

People also add and remove them one by one. The rows of the nodes are the truth: a cluster with
nodes and no installation has the component recognised, and it can be adopted when its nodes are
such as one set of values makes. Where there is an installation, nodes that differ are drift.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from addons.components.apply import Difference
from addons.components.base import Component, Json
from addons.components.kit import Recognised
from addons.models import Cluster, VirtualNode
from providers import registry
from providers.models import CloudAccount

_COMPARED = ("placements", "security_group", "settings")


def wanted_nodes(values: Mapping[str, Any]) -> dict[str, list[Json]]:
    """Name -> placements, its own zone first. Raises DoesNotExist for an unknown credential."""
    account = CloudAccount.objects.get(pk=values["credential"])
    dialect = registry.dialect(account.provider)
    placements = values["placements"]
    return {
        dialect.node_name(own["zone"]): [own, *(other for other in placements if other is not own)]
        for own in placements
    }


def nodes_of(cluster: Cluster) -> list[VirtualNode]:
    """Those that stay, by name."""
    return list(cluster.nodes.filter(removing_at=None).order_by("name"))


def recognised(cluster: Cluster, component: Component) -> Recognised | None:
    """The component as its nodes show it; None: there are none. `values` are empty when no one
    set of values makes these nodes."""
    nodes = nodes_of(cluster)
    if not nodes:
        return None
    return Recognised(
        version=component.latest.version,
        values=_values(nodes),
        namespace=component.namespace,
        release=component.release or component.name,
        evidence=", ".join(node.name for node in nodes),
    )


def _values(nodes: Sequence[VirtualNode]) -> Json:
    first = nodes[0]
    values: Json = {
        "credential": first.account_id,
        "placements": [node.placements[0] for node in nodes if node.placements],
        "security_group": first.security_group,
        "settings": dict(first.settings),
    }
    if first.second_account_id:
        values["second_credential"] = first.second_account_id
    alike = {(node.account_id, node.second_account_id) for node in nodes}
    return values if len(alike) == 1 and not _differing(nodes, values) else {}


def differing(cluster: Cluster, values: Mapping[str, Any]) -> list[Difference]:
    """Where the nodes are not as the values say."""
    return _differing(nodes_of(cluster), values)


def _differing(nodes: Sequence[VirtualNode], values: Mapping[str, Any]) -> list[Difference]:
    there = {node.name: node for node in nodes}
    try:
        wanted = wanted_nodes(values)
    except CloudAccount.DoesNotExist:
        wanted = {}
    found = [
        Difference(_named(name), "", None, None, "missing") for name in wanted if name not in there
    ]
    found += [
        Difference(_named(name), "", None, None, "surplus") for name in there if name not in wanted
    ]
    for name, placements in wanted.items():
        if name in there:
            found += _fields(there[name], {**values, "placements": placements})
    return found


def _fields(node: VirtualNode, values: Mapping[str, Any]) -> list[Difference]:
    live = {name: getattr(node, name) for name in _COMPARED}
    wanted = {"security_group": "", "settings": {}} | dict(values)
    return [
        Difference(_named(node.name), name, live[name], wanted[name])
        for name in _COMPARED
        if _comparable(live[name]) != _comparable(wanted[name])
    ]


def _named(name: str) -> str:
    return f"VirtualNode {name}"


def _comparable(value: Any) -> Any:
    """Placements: its own zone first; the others in any order."""
    if isinstance(value, list):
        pairs = [(one["zone"], one["subnet"]) for one in value]
        return pairs[:1], sorted(pairs[1:])
    return value
