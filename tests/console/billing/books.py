"""Lives in the ledger and their books, at times that tests choose."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from console.billing import posting
from console.billing.models import UsageLine, UsageSum
from providers.models import CloudAccount, Instance, Orphan

HOUR = timedelta(hours=1)
# Noon of a Wednesday in UTC+8.
NOON = datetime(2026, 11, 18, 4, tzinfo=UTC)
# ECI of 2 vCPU and 4 GiB in mainland China, per hour.
RATE = (2 * Decimal("0.000049") + 4 * Decimal("0.00000613")) * 3600
_numbers = itertools.count(1)


def life(account: CloudAccount, begin: datetime, end: datetime | None = None, **fields: Any) -> Any:
    """A row of the ledger whose instance cost from `begin` to `end`, as the cloud told."""
    number = next(_numbers)
    started = fields.pop("started", begin + timedelta(seconds=20))
    ended = end.isoformat() if end else None
    seen = {
        "id": f"eci-book-{number}",
        "name": f"p{number}",
        "state": "succeeded" if end else "running",
        "raw_state": "Succeeded" if end else "Running",
        "region": account.region,
        "billed_from": begin.isoformat(),
        **({"ended_at": ended} if ended else {}),
    }
    values: dict[str, Any] = {
        "account": account,
        "provider": account.provider,
        "region": account.region,
        "zone": f"{account.region}-k",
        "cluster_uid": "uid-a",
        "node_name": "vk-1",
        "namespace": "shop",
        "pod_name": f"web-{number}",
        "pod_uid": f"uid-book-{number}",
        "workload": "Deployment/web",
        "labels": {"app": "web"},
        "state": Instance.State.CLOSED if end else Instance.State.ACTIVE,
        "token": f"book-{number}",
        "cloud_id": f"eci-book-{number}",
        "shard": "node:1",
        "asked_cpu": Decimal("1.5"),
        "asked_memory": Decimal(3),
        "cpu": Decimal(2),
        "memory": Decimal(4),
        "spec": "2-4Gi",
        "seen": seen,
        "seen_at": end or begin,
        "intended_at": begin,
        "cloud_created_at": begin,
        "billed_from": begin,
        "billed_to": end,
        "started_at": started,
        "closed_at": end,
        "unposted": True,
    }
    return Instance.objects.create(**values | fields)


def stray(account: CloudAccount, begin: datetime | None, found: datetime, **fields: Any) -> Orphan:
    """An orphan that no row of the ledger knows."""
    number = next(_numbers)
    values: dict[str, Any] = {
        "account": account,
        "cloud_id": f"eci-stray-{number}",
        "name": f"stray-{number}",
        "region": account.region,
        "namespace": "lost",
        "reason": "NoPod",
        "spec": "2-4Gi",
        "price_per_hour": Decimal("0.5"),
        "currency": "CNY",
        "created_at": begin,
        "found_at": found,
        "seen_at": found,
    }
    return Orphan.objects.create(**values | fields)


def post(now: datetime) -> int:
    """Everything that is due."""
    written = posting.post(list(posting.due(now).values_list("pk", flat=True)), now)
    return written + posting.post_strays(now)


def lines(row: Instance | Orphan) -> list[UsageLine]:
    own = {"orphan": row} if isinstance(row, Orphan) else {"instance": row}
    return list(UsageLine.objects.filter(**own).order_by("pk"))


def told(found: Sequence[UsageLine]) -> list[tuple[Any, ...]]:
    """(seconds, kind, day, reason) of each."""
    return [(one.seconds, one.kind, one.day.day, one.reason) for one in found]


def sum_of(name: str, **where: Any) -> Any:
    return sum(getattr(one, name) for one in UsageSum.objects.filter(**where))
