"""Usage lines in our own columns: one row per line, those that take back included."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from console.billing.exports.source import Asked, Names, each
from console.models import UsageLine

Columns = dict[str, Callable[[UsageLine, Names], Any]]


def _field(name: str) -> Callable[[UsageLine, Names], Any]:
    return lambda line, _: getattr(line, name)


COLUMNS: Columns = {
    "id": _field("id"),
    "day": lambda line, _: line.day.isoformat(),
    "start": _field("start"),
    "end": _field("end"),
    "seconds": _field("seconds"),
    "kind": _field("kind"),
    "team": lambda line, names: names.teams.get(line.team_id, ""),
    "provider": _field("provider"),
    "account": lambda line, names: names.accounts[line.account_id].name,
    "region": _field("region"),
    "zone": _field("zone"),
    "cluster": lambda line, names: names.clusters.get(line.cluster_uid, line.cluster_uid),
    "node": _field("node_name"),
    "namespace": _field("namespace"),
    "workload": _field("workload"),
    "pod": _field("pod_name"),
    "pod_uid": _field("pod_uid"),
    "instance": _field("cloud_id"),
    "type": _field("type"),
    "tier": _field("tier"),
    "spec": _field("spec"),
    "cpu": _field("cpu"),
    "memory_gib": _field("memory"),
    "gpu": _field("gpu"),
    "storage_gib": _field("storage"),
    "cpu_seconds": _field("cpu_seconds"),
    "memory_gib_seconds": _field("memory_seconds"),
    "gpu_seconds": _field("gpu_seconds"),
    # Empty, not zero: nobody knows the price.
    "currency": _field("currency"),
    "list_per_hour": _field("list_per_hour"),
    "per_hour": _field("per_hour"),
    "list_amount": lambda line, _: line.list_amount if line.currency else None,
    "amount": lambda line, _: line.amount if line.currency else None,
    "over_amount": lambda line, _: line.over_amount if line.currency else None,
    "price_source": _field("price_source"),
    "estimated": _field("estimated"),
    "bound_seconds": _field("bound_seconds"),
    "takes_back": _field("takes_back_id"),
    "reason": _field("reason"),
    "labels": _field("labels"),
}


def rows(asked: Asked) -> Iterator[list[Any]]:
    names = Names.read()
    for line in each(asked):
        yield [read(line, names) for read in COLUMNS.values()]
