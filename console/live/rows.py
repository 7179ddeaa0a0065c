"""Rows of the live tables: which cells each topic shows.

Cells are raw values (codes, numbers, ISO times); the browser renders them. Only sentences that the
server alone can make (`blocker`, `reason`, `status`, `title`) come in the reader's language.
Builders take many objects at once, so that what has to be counted is counted in one query.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Count, Q, QuerySet, Sum
from django.urls import reverse
from django.utils.translation import gettext as _

from addons import operations
from addons.models import Cluster, Operation, PodRow, VirtualNode
from addons.pods import reasons
from addons.pods.quantity import parse as quantity
from addons.sentences import read
from console.billing import rates
from console.live import tones
from providers.models import Instance, Orphan

Row = dict[str, Any]


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


def asked_text(instance: Instance) -> str:
    """`1.5 / 3Gi`; a dash for what was not asked for, empty when nothing was."""
    cpu, memory = instance.asked_cpu, instance.asked_memory
    if cpu is None and memory is None:
        return ""
    told = (f"{cpu.normalize():f}" if cpu else "–", f"{memory.normalize():f}Gi" if memory else "–")
    return " / ".join(told)


def pod_rows(pods: Sequence[PodRow], now: datetime) -> list[Row]:
    wanted = _wanted_instances(pods)
    own = [(pod, pod.instance or wanted.get(pod.uid)) for pod in pods]
    prices = rates.of_instances((instance for _, instance in own if instance), now)
    return [_pod(pod, instance, prices, now) for pod, instance in own]


def _wanted_instances(pods: Sequence[PodRow]) -> dict[str, Instance]:
    """The latest ledger row of each pod that no instance was made for yet."""
    bare = [pod.uid for pod in pods if pod.instance is None]
    if not bare:
        return {}
    rows = Instance.objects.filter(pod_uid__in=bare).order_by("generation")
    return {row.pod_uid: row for row in rows}


def _pod(
    pod: PodRow,
    instance: Instance | None,
    prices: Mapping[int, tuple[Decimal | None, str]],
    now: datetime,
) -> Row:
    price, currency = prices[instance.pk] if instance else (None, "")
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
        "provider": _provider(pod, instance),
        "instance_id": instance.shown_id if instance else "",
        "asked": asked_text(instance) if instance else "",
        "spec": spec_text(instance.cpu, instance.memory, instance.gpu) if instance else "",
        "node": pod.node_name,
        "zone": (instance.zone if instance else "") or (pod.node.zone if pod.node else ""),
        "ready": f"{pod.ready}/{pod.containers}",
        "restarts": pod.restarts,
        "ip": pod.ip,
        "price_per_hour": money(price) if not ended else None,
        "currency": currency,
        "created_at": iso(pod.created_at),
        "running_at": iso(pod.running_at),
        "blocker": reasons.sentence(pod.blocker, pod.blocker_values) if pod.blocker else "",
        "next_try_at": iso(pod.next_try_at),
        "deleted": gone,
        "url": reverse("pod", args=[pod.pk]),
    }


def _provider(pod: PodRow, instance: Instance | None) -> str:
    """Its instance's; without one its node's, as long as only one serves there.

    The same as `console.filters.POD_PROVIDER`.
    """
    if instance:
        return instance.provider
    alone = pod.node is not None and pod.node.second_account_id is None
    return pod.node.provider if alone and pod.node else ""


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


@dataclass(slots=True)
class Load:
    """What runs on a node or cluster now: live pods, billed vCPU and GiB, price per currency."""

    pods: int = 0
    cpu: Decimal = Decimal(0)
    memory: Decimal = Decimal(0)
    prices: dict[str, Decimal] = field(default_factory=dict)

    @property
    def price(self) -> tuple[str | None, str]:
        """Price per hour and currency; none when two currencies cannot be added."""
        if len(self.prices) != 1:
            return None, ""
        [(currency, amount)] = self.prices.items()
        return money(amount), currency


def loads(pods: QuerySet[PodRow], by: str) -> dict[int, Load]:
    """Loads of all nodes (`by="node"`) or clusters that the pods are on, in as many queries for
    one as for all."""
    result: dict[int, Load] = defaultdict(Load)
    live = Q(gone_at=None) & ~Q(phase__in=["Succeeded", "Failed"])
    counted = pods.order_by().values_list(by)
    sums = counted.annotate(
        n=Count("pk", filter=live),
        cpu=Sum("instance__cpu", filter=live),
        memory=Sum("instance__memory", filter=live),
    )
    prices = rates.of_pods(pods, by)
    for pk, number, cpu, memory in sums:
        load = result[pk]
        load.pods += number
        load.cpu += cpu or 0
        load.memory += memory or 0
        load.prices = prices.get(pk, {})
    return result


def node_rows(nodes: Sequence[VirtualNode], now: datetime) -> list[Row]:
    found = loads(PodRow.objects.filter(node__in=nodes), "node")
    return [_node(node, found.get(node.pk, Load()), now) for node in nodes]


def _node(node: VirtualNode, load: Load, now: datetime) -> Row:
    price, currency = load.price
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
        "providers": [account.provider for account in node.accounts],
        "region": node.region,
        "zone": node.zone,
        "version": node.version,
        "pods_used": load.pods,
        "pods_capacity": _whole(node.capacity.get("pods")),
        "cpu_used": float(load.cpu),
        "cpu_capacity": float(quantity(node.capacity.get("cpu", "0"))),
        "memory_used": int(load.memory * 2**30),
        "memory_capacity": int(quantity(node.capacity.get("memory", "0"))),
        "price_per_hour": price,
        "currency": currency,
        "taints": len(node.taints),
        "heartbeat_at": iso(node.heartbeat_at),
        "created_at": iso(node.created_at),
        "url": reverse("node", args=[node.pk]),
    }


def cluster_rows(clusters: Sequence[Cluster], _now: datetime) -> list[Row]:
    found = loads(PodRow.objects.filter(cluster__in=clusters), "cluster")
    ready = Count("pk", filter=Q(state=VirtualNode.State.READY))
    counted = VirtualNode.objects.filter(cluster__in=clusters).order_by().values_list("cluster")
    nodes = {pk: (up, total) for pk, up, total in counted.annotate(up=ready, n=Count("pk"))}
    return [
        _cluster(item, found.get(item.pk, Load()), nodes.get(item.pk, (0, 0))) for item in clusters
    ]


def _cluster(cluster: Cluster, load: Load, nodes: tuple[int, int]) -> Row:
    price, currency = load.price
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
        "nodes_ready": nodes[0],
        "nodes_total": nodes[1],
        "pods": load.pods,
        "price_per_hour": price,
        "currency": currency,
        "last_seen_at": iso(cluster.last_seen_at),
        "credential": cluster.account_id,
        "url": reverse("cluster", args=[cluster.slug]),
    }


def operation_rows(found: Sequence[Operation], now: datetime) -> list[Row]:
    return [_operation(item, now) for item in found]


def _operation(operation: Operation, now: datetime) -> Row:
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
        "reason": read(operation.error),
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


def orphan_rows(found: Sequence[Orphan], now: datetime) -> list[Row]:
    return [_orphan(item, now) for item in found]


def _orphan(orphan: Orphan, now: datetime) -> Row:
    start = orphan.created_at or orphan.found_at
    hours = Decimal((now - start).total_seconds()) / 3600
    so_far = orphan.price_per_hour * hours if orphan.price_per_hour is not None else None
    return {
        "id": orphan.pk,
        "instance_id": orphan.instance.shown_id if orphan.instance else orphan.cloud_id,
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
