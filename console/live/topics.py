"""The live tables: for each topic who sees which rows, in which order, with which cells.

One definition serves the first HTML page, the ids and rows of REST, and the websocket.
Cells are raw values (codes, numbers, ISO times); the browser renders them. Only sentences that the
server alone can make (`blocker`, `state_label`) come in the reader's language.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

import django_filters as df
from django.db.models import Count, Model, QuerySet, Sum
from django.http import QueryDict
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from addons import operations
from addons.models import Cluster, Operation, PodRow, VirtualNode
from addons.pods import reasons
from addons.pods.quantity import parse as quantity
from console import filters
from console.access import AnyUser, visible
from console.live import tones
from providers.models import Orphan

Row = dict[str, Any]
# Beyond this the table asks to narrow the filter instead of pinning the list.
MAX_IDS = 50_000


@dataclass(frozen=True)
class Topic:
    name: str
    model: type[Model]
    filterset: type[df.FilterSet]
    order: tuple[str, ...]
    related: tuple[str, ...]
    row: Callable[[Any, datetime], Row]
    facets: Mapping[str, str] = field(default_factory=dict)
    sortable: Mapping[str, str] = field(default_factory=dict)

    def select(self, user: AnyUser, params: str) -> QuerySet[Any]:
        """What this user sees under these filters, unordered."""
        rows: QuerySet[Any] = visible(self.model, user)
        found: QuerySet[Any] = self.filterset(data=QueryDict(params), queryset=rows).qs
        return found

    def _order(self, sort: str) -> tuple[str, ...]:
        """`sort=name` or `sort=-name`; what cannot be sorted by keeps the topic's own order."""
        path = self.sortable.get(sort.lstrip("-"))
        if path is None:
            return self.order
        return (f"-{path}" if sort.startswith("-") else path, *self.order)

    def ids(self, user: AnyUser, params: str) -> list[int]:
        ordered = self.select(user, params).order_by(
            *self._order(QueryDict(params).get("sort") or "")
        )
        return list(ordered.values_list("pk", flat=True)[: MAX_IDS + 1])

    def matching(self, user: AnyUser, params: str, ids: Iterable[int]) -> set[int]:
        return set(self.select(user, params).filter(pk__in=list(ids)).values_list("pk", flat=True))

    def rows(self, ids: Sequence[int]) -> dict[int, Row]:
        """Rows by id, whoever asks: callers pass only ids that the reader may see."""
        now = timezone.now()
        query = self.model._default_manager.select_related(*self.related)
        return {item.pk: self.row(item, now) for item in query.filter(pk__in=list(ids))}

    def count_facets(self, user: AnyUser, params: str) -> dict[str, dict[str, int]]:
        """For each facet the counts of its values; its own choice is left out of its filter."""
        result: dict[str, dict[str, int]] = {}
        for name, path in self.facets.items():
            others = QueryDict(params, mutable=True)
            others.pop(name, None)
            counted = (
                self.select(user, others.urlencode())
                .order_by()
                .values_list(path)
                .annotate(Count("pk"))
            )
            result[name] = {str(value): n for value, n in counted if value not in (None, "")}
        return result


def iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def money(amount: Decimal | None) -> str | None:
    return f"{amount.normalize():f}" if amount is not None else None


def spec_text(cpu: Decimal | None, memory: Decimal | None, gpu: int = 0) -> str:
    """`2 / 4Gi`, the size as it is billed."""
    if cpu is None or memory is None:
        return ""
    text = f"{cpu.normalize():f} / {memory.normalize():f}Gi"
    return f"{text} · {gpu}×GPU" if gpu else text


def pod_row(pod: PodRow, now: datetime) -> Row:
    instance, node = pod.instance, pod.node
    gone = pod.gone_at is not None
    ended = gone or bool(instance and instance.billed_to)
    return {
        "id": pod.pk,
        "uid": pod.uid,
        "name": pod.name,
        "namespace": pod.namespace,
        "cluster": pod.cluster.slug,
        "cluster_name": pod.cluster.name,
        "status": pod.status,
        "tone": tones.pod(pod, now),
        "reason": pod.reason,
        "workload_kind": pod.workload_kind,
        "workload": pod.workload_name,
        "provider": node.provider if node else "",
        "instance_id": instance.cloud_id if instance else "",
        "spec": spec_text(instance.cpu, instance.memory, instance.gpu) if instance else "",
        "node": pod.node_name,
        "zone": (instance.zone if instance else "") or (node.zone if node else ""),
        "ready": f"{pod.ready}/{pod.containers}",
        "restarts": pod.restarts,
        "ip": pod.ip,
        "price_per_hour": money(instance.price_per_hour) if instance and not ended else None,
        "currency": instance.currency if instance else "",
        "created_at": iso(pod.created_at),
        "running_at": iso(pod.running_at),
        "blocker": reasons.sentence(pod.blocker, pod.blocker_values) if pod.blocker else "",
        "next_try_at": iso(pod.next_try_at),
        "deleted": gone,
        "url": reverse("pod", args=[pod.pk]),
    }


def _whole(text: object) -> int | None:
    return int(str(text)) if text is not None and str(text).isdecimal() else None


def _node_reason(node: VirtualNode) -> str:
    """The first thing wrong with it, as its conditions tell."""
    if node.unschedulable:
        return _("Cordoned")
    for condition in node.conditions:
        good = "False" if str(condition.get("type", "")).endswith("Pressure") else "True"
        if condition.get("type") == "NetworkUnavailable":
            good = "False"
        if condition.get("status") != good:
            return str(condition.get("message") or condition.get("reason") or "")
    return ""


def _orphan_status(orphan: Orphan) -> str:
    if orphan.closed_at:
        return _("Closed")
    return _("Deleting") if orphan.delete_asked_at else _("Running and billed")


def node_row(node: VirtualNode, now: datetime) -> Row:
    load = PodRow.objects.filter(node=node, gone_at=None).exclude(phase__in=["Succeeded", "Failed"])
    used = load.aggregate(
        pods=Count("pk"),
        cpu=Sum("instance__cpu"),
        memory=Sum("instance__memory"),
        price=Sum("instance__price_per_hour"),
    )
    return {
        "id": node.pk,
        "name": node.name,
        "cluster": node.cluster.slug,
        "cluster_name": node.cluster.name,
        "state": node.state,
        "status": node.get_state_display(),
        "tone": tones.node(node, now),
        "reason": _node_reason(node),
        "unschedulable": node.unschedulable,
        "provider": node.provider,
        "region": node.region,
        "zone": node.zone,
        "version": node.version,
        "pods_used": used["pods"],
        "pods_capacity": _whole(node.capacity.get("pods")),
        "cpu_used": float(used["cpu"] or 0),
        "cpu_capacity": float(quantity(node.capacity.get("cpu", "0"))),
        "memory_used": int((used["memory"] or 0) * 2**30),
        "memory_capacity": int(quantity(node.capacity.get("memory", "0"))),
        "price_per_hour": money(used["price"]),
        "currency": "CNY" if used["price"] is not None else "",
        "taints": len(node.taints),
        "heartbeat_at": iso(node.heartbeat_at),
        "created_at": iso(node.created_at),
        "url": reverse("node", args=[node.pk]),
    }


def cluster_row(cluster: Cluster, _now: datetime) -> Row:
    nodes = cluster.nodes.all()
    pods = PodRow.objects.filter(cluster=cluster, gone_at=None)
    price = pods.filter(instance__billed_to=None).aggregate(p=Sum("instance__price_per_hour"))["p"]
    return {
        "id": cluster.pk,
        "slug": cluster.slug,
        "name": cluster.name,
        "state": cluster.state,
        "status": _("Paused") if cluster.paused else cluster.get_state_display(),
        "tone": tones.cluster(cluster),
        "reason": cluster.state_message,
        "paused": cluster.paused,
        "kind": cluster.kind,
        "version": cluster.version,
        "region": cluster.region,
        "nodes_ready": sum(node.state == VirtualNode.State.READY for node in nodes),
        "nodes_total": len(nodes),
        "pods": pods.count(),
        "price_per_hour": money(price),
        "currency": "CNY" if price is not None else "",
        "last_seen_at": iso(cluster.last_seen_at),
        "url": reverse("cluster", args=[cluster.slug]),
    }


def operation_row(operation: Operation, now: datetime) -> Row:
    steps = list(operation.steps.all())
    done = sum(step.state == "done" for step in steps)
    end = operation.ended_at or (now if operation.started_at else None)
    return {
        "id": operation.pk,
        "kind": operation.kind,
        "title": operations.title(operation),
        "target": operation.target,
        "cluster": operation.cluster.slug if operation.cluster else "",
        "cluster_name": operation.cluster.name if operation.cluster else "",
        "state": operation.state,
        "status": operation.get_state_display(),
        "tone": tones.operation(operation),
        "reason": operation.error,
        "steps_done": done,
        "steps_total": len(steps),
        "actor": operation.actor,
        "created_at": iso(operation.created_at),
        "started_at": iso(operation.started_at),
        "ended_at": iso(operation.ended_at),
        "seconds": int((end - operation.started_at).total_seconds())
        if end and operation.started_at
        else None,
        "url": reverse("operation", args=[operation.pk]),
    }


def orphan_row(orphan: Orphan, now: datetime) -> Row:
    start = orphan.created_at or orphan.found_at
    hours = Decimal((now - start).total_seconds()) / 3600
    so_far = orphan.price_per_hour * hours if orphan.price_per_hour is not None else None
    return {
        "id": orphan.pk,
        "instance_id": orphan.cloud_id,
        "name": orphan.name,
        "provider": orphan.account.provider,
        "account": orphan.account.name,
        "region": orphan.region,
        "zone": orphan.zone,
        "owner": f"{orphan.namespace}/{orphan.pod_name}" if orphan.pod_name else "",
        "reason_code": orphan.reason,
        "reason": orphan.last_error or reasons.sentence(orphan.reason, {}),
        "status": _orphan_status(orphan),
        "tone": tones.orphan(orphan),
        "spec": orphan.spec,
        "price_per_hour": money(orphan.price_per_hour),
        "cost_so_far": money(so_far.quantize(Decimal("0.0001"))) if so_far is not None else None,
        "currency": orphan.currency,
        "created_at": iso(orphan.created_at),
        "found_at": iso(orphan.found_at),
        "deleting": orphan.delete_asked_at is not None,
        "deleted": orphan.closed_at is not None,
    }


TOPICS: dict[str, Topic] = {
    topic.name: topic
    for topic in (
        Topic(
            "pods",
            PodRow,
            filters.PodFilter,
            ("-created_at", "-pk"),
            ("cluster", "node", "instance"),
            pod_row,
            {
                "phase": "phase",
                "cluster": "cluster__slug",
                "namespace": "namespace",
                "provider": "node__provider",
                "node": "node_name",
            },
            {
                "name": "name",
                "status": "status",
                "namespace": "namespace",
                "provider": "node__provider",
                "node": "node_name",
                "restarts": "restarts",
                "price_per_hour": "instance__price_per_hour",
                "created_at": "created_at",
            },
        ),
        Topic(
            "nodes",
            VirtualNode,
            filters.NodeFilter,
            ("cluster__name", "name"),
            ("cluster",),
            node_row,
            {
                "provider": "provider",
                "cluster": "cluster__slug",
                "zone": "zone",
                "state": "state",
            },
            {
                "name": "name",
                "status": "state",
                "provider": "provider",
                "zone": "zone",
                "heartbeat_at": "heartbeat_at",
            },
        ),
        Topic(
            "clusters",
            Cluster,
            filters.ClusterFilter,
            ("name",),
            (),
            cluster_row,
            {"state": "state", "kind": "kind", "region": "region"},
            {"name": "name", "status": "state", "last_seen_at": "last_seen_at"},
        ),
        Topic(
            "operations",
            Operation,
            filters.OperationFilter,
            ("-pk",),
            ("cluster",),
            operation_row,
            {"state": "state", "kind": "kind"},
            {"title": "kind", "status": "state", "started_at": "started_at"},
        ),
        Topic(
            "orphans",
            Orphan,
            filters.OrphanFilter,
            ("found_at", "pk"),
            ("account",),
            orphan_row,
            {"zone": "zone", "reason": "reason"},
            {
                "instance_id": "cloud_id",
                "zone": "zone",
                "price_per_hour": "price_per_hour",
                "created_at": "created_at",
            },
        ),
    )
}
