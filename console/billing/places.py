"""What pages of clusters, virtual nodes and components ask of the books, and their short answer.

Only instances of the ledger are metered: what a vendor's own virtual kubelet makes is billed by the
cloud to the same account, but no row here knows when it began and ended.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from addons.components import hosted_nodes
from addons.components.base import Delivery
from addons.models import Cluster, Installation, VirtualNode
from console.access import AnyUser
from console.billing import live
from console.billing.groups import Where
from console.billing.readers import teams_of


def of_cluster(cluster: Cluster) -> Where:
    return {"cluster": (cluster.slug,)}


def of_node(node: VirtualNode) -> Where:
    return {**of_cluster(node.cluster), "node": (node.name,)}


def of_installation(installation: Installation) -> Where | None:
    """The nodes it has now, of our own workers; None: it has none, or a vendor runs them."""
    if installation.delivery != Delivery.HOSTED:
        return None
    return of_hosted(installation.cluster)


def of_hosted(cluster: Cluster) -> Where | None:
    names = tuple(node.name for node in hosted_nodes.nodes_of(cluster))
    return {**of_cluster(cluster), "node": names} if names else None


def cost(user: AnyUser, where: Where | None, now: datetime) -> dict[str, Any] | None:
    """`{"currencies": {"CNY": {"per_hour", "today", "month"}}, "unpriced": 0}`, decimals as text;
    None: nothing of it is metered here."""
    if where is None:
        return None
    found = live.spend(teams_of(user), now, where)
    return {
        "currencies": {
            code: {
                "per_hour": f"{meter.per_hour:f}",
                "today": _amount(found.today.get(code), now),
                "month": _amount(meter, now),
            }
            for code, meter in sorted(found.month.items())
        },
        "unpriced": found.unpriced,
    }


def _amount(meter: live.Meter | None, now: datetime) -> str:
    return f"{meter.value(now) if meter else 0:.8f}"
