"""What stays behind when a cluster is forgotten: told before, and put on the orphan list.

Nothing in the cluster is touched and no instance is deleted. Components stay and work on by
themselves; Nodes of ours get no heartbeat any more; our instances go on, billed, as orphans that
a person may delete.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Count, QuerySet, Sum

from addons.models import Cluster, Installation, Operation
from addons.operations import RUNNING
from addons.pods import reasons
from addons.sweep import orphans
from providers.models import CloudAccount, Instance

State = Instance.State


@dataclass(frozen=True, slots=True)
class Held:
    """Of a cluster: `cost_per_hour` of our instances, by currency. `keys` are credentials that are
    renewed from the cluster, `operations` those under way, `creating` instances whose create has
    no answer yet: with one of these nothing can be forgotten."""

    components: tuple[Installation, ...] = ()
    nodes: tuple[str, ...] = ()
    instances: int = 0
    cost_per_hour: Mapping[str, Decimal] = field(default_factory=dict)
    keys: tuple[str, ...] = ()
    operations: tuple[int, ...] = ()
    creating: int = 0

    @property
    def anything(self) -> bool:
        """Whether forgetting leaves something behind."""
        return bool(self.components or self.nodes or self.instances)

    def as_dict(self) -> dict[str, Any]:
        """For programs and for the audit."""
        return {
            "components": [
                {"component": row.component, "version": row.version, "delivery": row.delivery}
                for row in self.components
            ],
            "nodes": list(self.nodes),
            "instances": self.instances,
            "cost_per_hour": {
                name: f"{value.normalize():f}" for name, value in self.cost_per_hour.items()
            },
        }


def held(cluster: Cluster) -> Held:
    """As the rows have it; neither the cluster nor a cloud is asked."""
    rows = _instances(cluster)
    costs = (
        rows.exclude(price_per_hour=None)
        .order_by()
        .values("currency")
        .annotate(sum=Sum("price_per_hour"))
    )
    there = rows.exclude(cloud_id="").aggregate(n=Count("pk"))["n"]
    running = Operation.objects.filter(cluster=cluster, state__in=RUNNING)
    return Held(
        components=tuple(cluster.installations.order_by("component")),
        nodes=tuple(cluster.nodes.order_by("name").values_list("name", flat=True)),
        instances=there,
        cost_per_hour={row["currency"]: row["sum"] for row in costs},
        keys=tuple(
            CloudAccount.objects.filter(key_source__cluster=cluster.uid).values_list(
                "name", flat=True
            )
        ),
        operations=tuple(running.order_by("pk").values_list("pk", flat=True)),
        creating=rows.filter(state=State.CREATING, cloud_id="").count(),
    )


def _instances(cluster: Cluster) -> QuerySet[Instance]:
    return Instance.objects.filter(cluster_uid=cluster.uid, state__in=Instance.OPEN)


def leave(cluster: Cluster, now: datetime) -> int:
    """Our instances go on the orphan list; how many. In a transaction.

    An intent without a call is closed: its worker finds it closed before it asks the cloud.
    """
    rows = _instances(cluster)
    left = 0
    for row in rows.exclude(cloud_id=""):
        orphans.leave(row, now)
        left += 1
    rows.filter(state=State.INTENT, cloud_id="").update(
        state=State.CLOSED, closed_at=now, close_reason=reasons.ORPHAN_LEFT
    )
    return left
