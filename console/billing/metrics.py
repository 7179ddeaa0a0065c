"""Spend, usage, instances and budgets as Prometheus metrics, for one reader's teams.

Gauges, because each is a state: a correction may lower any of them. The number of series is
bounded: beyond `MOST` per metric, the smallest are added up under the namespace `__other__`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal

from django.db.models import Count
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from addons.models import Cluster
from console.access import AnyUser, visible
from console.billing import live, used
from console.billing.budgets import manage
from console.billing.live import Meter
from console.billing.readers import Teams, teams_of
from console.models import Budget
from providers.models import Instance, Orphan

MOST = 1000
OTHER = "__other__"
_PLACE = ("currency", "provider", "cluster", "namespace")
Values = dict[tuple[str, ...], float]


def render(user: AnyUser, now: datetime, accept: str = "") -> tuple[bytes, str]:
    """The text and its media type: OpenMetrics where `accept` (of HTTP) names it, else Prometheus'
    own."""
    encode, media_type = choose_encoder(accept)
    registry = CollectorRegistry()
    registry.register(_Money(user, now))
    return encode(registry), media_type


class _Money(Collector):
    def __init__(self, user: AnyUser, now: datetime) -> None:
        self._user, self._now = user, now
        self._teams: Teams = teams_of(user)
        self._clusters = dict(Cluster.objects.values_list("uid", "slug"))

    def describe(self) -> Iterable[Metric]:
        """Nothing is collected when it is registered."""
        return ()

    def collect(self) -> Iterator[Metric]:
        meters = dict(self._meters())
        spend = "what runs costs an hour at this moment"
        rates: Values = {key: float(meter.per_hour) for key, meter in meters.items()}
        yield _family("spillway_spend_per_hour", spend, _PLACE, rates)
        today: Values = {key: float(meter.value(self._now)) for key, meter in meters.items()}
        yield _family("spillway_spend_today", "since midnight, UTC+8", _PLACE, today)
        yield from self._month()
        yield from self._instances()
        yield from self._budgets()

    def _meters(self) -> Iterator[tuple[tuple[str, ...], Meter]]:
        teams, now = self._teams, self._now
        for provider in sorted({key for key, _ in live.by(teams, "provider", now)}):
            where = {"provider": (provider,)}
            for uid in sorted({key for key, _ in live.by(teams, "cluster", now, where)}):
                found = live.by(teams, "namespace", now, {**where, "cluster": (uid,)})
                for (namespace, currency), meter in found.items():
                    yield (currency, provider, self._slug(uid), namespace), meter

    def _month(self) -> Iterator[Metric]:
        found: dict[tuple[str, ...], used.Used] = {}
        for (currency, provider, uid, namespace), one in used.this_month(
            self._teams, self._now
        ).items():
            found[currency, provider, self._slug(uid), namespace] = one
        for name, text, read in _MONTH:
            values: Values = {
                key: getattr(one, read) for key, one in found.items() if key[0] or read != "amount"
            }
            yield _family(name, text, _PLACE, values)
        unpriced: Values = {(): sum(one.lines for key, one in found.items() if not key[0])}
        yield _family("spillway_month_unpriced_lines", "usage lines without a price", (), unpriced)

    def _slug(self, uid: str) -> str:
        return self._clusters.get(uid, uid)

    def _instances(self) -> Iterator[Metric]:
        rows = Instance.objects.filter(state__in=Instance.OPEN)
        orphans = Orphan.objects.filter(closed_at=None)
        if self._teams is not None:
            rows = rows.filter(account__team__in=self._teams)
            orphans = orphans.filter(account__team__in=self._teams)
        counts = rows.order_by().values_list("provider", "state").annotate(n=Count("pk"))
        values: Values = {(provider, state): float(n) for provider, state, n in counts}
        text = "instances in the ledger that are not closed"
        yield _family("spillway_instances", text, ("provider", "state"), values)
        lost = orphans.order_by().values_list("account__provider").annotate(n=Count("pk"))
        values = {(str(provider),): float(n) for provider, n in lost}
        yield _family("spillway_orphans", "instances without a pod", ("provider",), values)

    def _budgets(self) -> Iterator[Metric]:
        budgets = list(visible(Budget, self._user).select_related("team")[:MOST])
        held = manage.held(budgets)
        names = [(b.team.name, b.name, b.currency, b.period) for b in budgets]
        parts: Mapping[str, tuple[str, list[Decimal | int | None]]] = {
            "amount": ("the budget", [b.amount for b in budgets]),
            "spent": ("spent in its period, at its last look", [b.spent for b in budgets]),
            "expected": ("expected at the end of its period", [b.expected for b in budgets]),
            "held": ("places where it refuses new instances", [held.get(b.pk, 0) for b in budgets]),
        }
        for name, (text, found) in parts.items():
            pairs = zip(names, found, strict=True)
            values: Values = {key: float(value) for key, value in pairs if value is not None}
            labels = ("team", "budget", "currency", "period")
            yield _family(f"spillway_budget_{name}", text, labels, values)


_MONTH = (
    ("spillway_month_spend", "month to date", "amount"),
    ("spillway_month_cpu_core_seconds", "billed vCPU seconds, month to date", "cpu_seconds"),
    ("spillway_month_memory_gib_seconds", "billed GiB seconds, month to date", "memory_seconds"),
    ("spillway_month_gpu_seconds", "billed GPU seconds, month to date", "gpu_seconds"),
    ("spillway_month_instance_starts", "instances begun, month to date", "starts"),
)


def _family(name: str, text: str, labels: tuple[str, ...], values: Values) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=labels)
    for key, value in sorted(bounded(values, labels).items()):
        family.add_metric(list(key), value)
    return family


def bounded(values: Values, labels: tuple[str, ...]) -> Values:
    """At most `MOST` namespaces of their own, the largest ones."""
    if len(values) <= MOST or "namespace" not in labels:
        return values
    place = labels.index("namespace")
    by_size = sorted(values.items(), key=lambda one: (-one[1], one[0]))
    kept: Values = dict(by_size[:MOST])
    for key, value in by_size[MOST:]:
        other = (*key[:place], OTHER, *key[place + 1 :])
        kept[other] = kept.get(other, 0.0) + value
    return kept
