"""The numbers of the first page: counted by the database, per reader, in a handful of queries."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Count, F, Q, QuerySet

from addons.models import Cluster, Operation, PodRow, VirtualNode
from addons.pods import reasons
from addons.sentences import read
from console.access import AnyUser, visible
from console.billing import live, rates
from console.billing.rates import UNPRICED
from console.billing.readers import teams_of
from console.live import tones
from console.models import Budget
from providers.models import CloudAccount, Orphan

# Of a budget, what is worth a look.
NEARLY = Decimal("0.8")


@dataclass(frozen=True, slots=True)
class PodNumbers:
    """Pods that are there now, and what they cost per hour in each currency."""

    running: int
    pending: int
    failed: int
    unpriced: int
    spend_per_hour: dict[str, Decimal]


@dataclass(frozen=True, slots=True)
class Numbers:
    clusters: int
    clusters_connected: int
    nodes: int
    nodes_ready: int
    pods_running: int
    pods_pending: int
    pods_failed: int
    orphans: int
    spend_per_hour: dict[str, Decimal]
    pods_unpriced: int


@dataclass(slots=True)
class ProviderLoad:
    """Instances of one provider that pods have now, and their price per hour by currency."""

    provider: str
    pods: int = 0
    unpriced: int = 0
    spend_per_hour: dict[str, Decimal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Attention:
    """One line of "needs attention": what kind, which object, since when."""

    kind: str
    tone: str
    target: Any
    since: datetime | None = None
    text: str = ""


def _spend(pods: QuerySet[PodRow]) -> dict[str, Decimal]:
    """What the pods' instances that are billed now cost per hour, by currency."""
    sums: dict[str, Decimal] = {}
    for found in rates.of_pods(pods, "instance__provider").values():
        for currency, amount in found.items():
            sums[currency] = sums.get(currency, Decimal(0)) + amount
    return sums


def _phases(pods: QuerySet[PodRow]) -> dict[str, int]:
    counted: dict[str, int] = pods.aggregate(
        running=Count("pk", filter=Q(phase="Running")),
        pending=Count("pk", filter=Q(phase="Pending")),
        failed=Count("pk", filter=Q(phase="Failed")),
        unpriced=Count("pk", filter=UNPRICED),
    )
    return counted


def pod_numbers(user: AnyUser, clusters: list[str]) -> PodNumbers:
    """Of the pods of these clusters (slugs), or of all that the user sees."""
    pods = visible(PodRow, user).filter(gone_at=None)
    if clusters:
        pods = pods.filter(cluster__slug__in=clusters)
    return PodNumbers(**_phases(pods), spend_per_hour=_spend(pods))


def numbers(user: AnyUser, spent: live.Live) -> Numbers:
    """`spent`: what the meters say, orphans among it."""
    clusters = visible(Cluster, user)
    nodes = visible(VirtualNode, user)
    pods = visible(PodRow, user).filter(gone_at=None)
    orphans = visible(Orphan, user).filter(closed_at=None)
    phases = _phases(pods)
    return Numbers(
        clusters=clusters.count(),
        clusters_connected=clusters.filter(state=Cluster.State.CONNECTED).count(),
        nodes=nodes.count(),
        nodes_ready=nodes.filter(state=VirtualNode.State.READY).count(),
        pods_running=phases["running"],
        pods_pending=phases["pending"],
        pods_failed=phases["failed"],
        orphans=orphans.count(),
        spend_per_hour={
            currency: one.per_hour for currency, one in spent.today.items() if one.per_hour
        },
        pods_unpriced=spent.unpriced,
    )


def attention(user: AnyUser, now: datetime) -> list[Attention]:
    """What a person should look at, the worst first."""
    found: list[Attention] = []
    for account in visible(CloudAccount, user).exclude(halted_at=None):
        found.append(Attention("account_halted", "bad", account, account.halted_at))
    for account in visible(CloudAccount, user).filter(halted_at=None).exclude(trouble=""):
        found.append(Attention("account_trouble", "bad", account, account.verified_at))
    for cluster in visible(Cluster, user).exclude(state=Cluster.State.CONNECTED):
        found.append(Attention("cluster", tones.cluster(cluster), cluster, cluster.last_seen_at))
    for node in visible(VirtualNode, user).filter(state=VirtualNode.State.NOT_READY):
        found.append(Attention("node", "bad", node, node.heartbeat_at))
    failed = visible(Operation, user).filter(
        state=Operation.State.FAILED, ended_at__gt=now - timedelta(days=1)
    )
    for operation in failed[:5]:
        found.append(
            Attention("operation", "bad", operation, operation.ended_at, read(operation.error))
        )
    stuck = visible(PodRow, user).filter(gone_at=None, phase="Pending").exclude(blocker="")
    for pod in stuck.select_related("cluster").order_by("created_at")[:5]:
        text = reasons.sentence(pod.blocker, pod.blocker_values)
        found.append(Attention("pod", "warn", pod, pod.created_at, text))
    for budget in visible(Budget, user).filter(enabled=True, spent__gte=F("amount") * NEARLY):
        tone = "bad" if budget.spent >= budget.amount else "warn"
        found.append(Attention("budget", tone, budget, budget.looked_at))
    for orphan in visible(Orphan, user).filter(closed_at=None).select_related("account")[:5]:
        found.append(Attention("orphan", "warn", orphan, orphan.found_at))
    return found


def providers(pods: QuerySet[PodRow]) -> list[ProviderLoad]:
    """Of pods that have an instance and are there, by provider; most pods first."""
    alive = pods.filter(gone_at=None, instance__isnull=False).exclude(
        phase__in=["Succeeded", "Failed"]
    )
    found: dict[str, ProviderLoad] = {}
    prices = rates.of_pods(alive, "instance__provider")
    counted = alive.order_by().values_list("instance__provider")
    for provider, number, unpriced in counted.annotate(
        Count("pk"),
        unpriced=Count("pk", filter=UNPRICED),
    ):
        found[provider] = ProviderLoad(provider, number, unpriced, prices.get(provider, {}))
    return sorted(found.values(), key=lambda load: (-load.pods, load.provider))


def top_namespaces(user: AnyUser, now: datetime, limit: int = 5) -> list[dict[str, Any]]:
    """Namespaces by what they cost per hour now, with what they cost today."""
    found = live.by(teams_of(user), "namespace", now)
    return [
        {"namespace": namespace, "currency": currency, "meter": one, "today": one.value(now)}
        for (namespace, currency), one in list(found.items())[:limit]
    ]
