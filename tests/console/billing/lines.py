"""Usage lines as posting would write them, for what reads them."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from console.billing.models import Scope, Sums
from console.models import UsageLine, UsageSum
from providers.calendar import day_of
from providers.models import CloudAccount

_numbers = itertools.count(1)
START = datetime(2026, 11, 20, 2, tzinfo=UTC)
NAMES = ("seconds", "cpu_seconds", "memory_seconds", "list_amount", "amount")


def usage(
    account: CloudAccount,
    *,
    seconds: int = 3600,
    per_hour: str = "0.5",
    list_per_hour: str = "0.6",
    start: datetime = START,
    **fields: Any,
) -> UsageLine:
    number = next(_numbers)
    hours = Decimal(seconds) / 3600
    amount = (Decimal(per_hour) * hours).quantize(Decimal("0.00000001"))
    values: dict[str, Any] = {
        "team_id": account.team_id,
        "account": account,
        "provider": account.provider,
        "region": account.region,
        "zone": "cn-hangzhou-k",
        "cluster_uid": "uid-of-prod",
        "node_name": "vk-1",
        "namespace": "shop",
        "workload": "Deployment/web",
        "kind": "running",
        "day": day_of(start),
        "currency": "CNY",
        "cloud_id": f"eci-{number}",
        "pod_name": f"web-{number}",
        "pod_uid": f"uid-{number}",
        "labels": {"app": "web"},
        "spec": "2-4Gi",
        "start": start,
        "end": start + timedelta(seconds=seconds),
        "starts": 1,
        "cpu": Decimal(2),
        "memory": Decimal(4),
        "list_per_hour": Decimal(list_per_hour),
        "per_hour": Decimal(per_hour),
        "price_source": "price list, 2026-01-01",
        "seconds": seconds,
        "cpu_seconds": Decimal(2 * seconds),
        "memory_seconds": Decimal(4 * seconds),
        "list_amount": (Decimal(list_per_hour) * hours).quantize(Decimal("0.00000001")),
        "amount": amount,
        "cpu_amount": amount,
        "created_at": start,
    }
    return _with_sum(UsageLine(**values | fields))


def _with_sum(line: UsageLine) -> UsageLine:
    """As posting does: the sum of its scope grows with it."""
    line.save(force_insert=True)
    fields = [*Scope._meta.fields, *Sums._meta.fields]
    names = {one.name: f"{one.name}_id" if one.is_relation else one.name for one in fields}
    values = {name: getattr(line, name) for name in names.values()}
    sign = -1 if line.takes_back_id else 1
    counts = {"starts": line.starts, "lines": sign, "estimated_lines": sign * line.estimated}
    UsageSum.objects.create(key=f"line-{line.pk}", **values, **counts)
    return line


def taken_back(line: UsageLine, reason: str = "facts", **fields: Any) -> UsageLine:
    skip = {"id", *NAMES, "cpu_amount"}
    kept = {f.attname: getattr(line, f.attname) for f in UsageLine._meta.fields}
    values = {name: value for name, value in kept.items() if name not in skip}
    negative = {name: -getattr(line, name) for name in (*NAMES, "cpu_amount")}
    again = {"takes_back_id": line.pk, "reason": reason, "starts": -line.starts}
    return _with_sum(UsageLine(**values | negative | again | fields))


def day(text: str) -> date:
    return date.fromisoformat(text)
