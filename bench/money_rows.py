"""Usage lines in bulk, as the posting would have written them, with their instances and sums."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any

from django.contrib.auth.models import Group
from django.db import connection, transaction
from django.db.models import Model
from django.utils import timezone

from console.billing.figures import NAMES
from console.billing.models import BillDay, BillItem, UsageLine, UsageSum
from kube.secret import Secret
from providers import sealing
from providers.calendar import day_of, day_start, whole
from providers.models import CloudAccount, Instance

CLUSTERS, NAMESPACES, WORKLOADS = 4, 30, 400
_RATES = (Decimal("0.00004900"), Decimal("0.00000613"))
_SIZES = ((Decimal(2), Decimal(4)), (Decimal(4), Decimal(8)), (Decimal("0.5"), Decimal(1)))
_PLACES = Decimal("0.00000001")
_CHUNK = 20_000
COPIES = 10


def fill(lines: int, *, days: int, long_days: int, now: datetime) -> Group:
    """Half of the lines are of lives of `long_days`, half of short ones with two lines each.

    A tenth of them is made here; the database makes nine more of each.
    """
    team = Group.objects.create(name="bench")
    accounts = [_account(team, number) for number in range(3)]
    made = _Made(team, accounts, now, days)
    short, long = lines // 4 // COPIES, lines // 2 // long_days // COPIES
    for count, whose in ((long, long_days), (short, 0)):
        rows = made.lives(count, whose)
        while chunk := list(islice(rows, _CHUNK // (long_days if whose else 2))):
            with transaction.atomic():
                _copy(Instance, [instance for instance, _ in chunk])
                _copy(UsageLine, [line for _, lines in chunk for line in lines])
    _multiply(Instance, {"pod_uid", "cloud_id"}, {"id"})
    _multiply(UsageLine, {"pod_uid", "cloud_id"}, {"id", "instance_id"})
    _sum_up()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return team


def bill(heard_at: datetime) -> str:
    """Final bills of all days that are posted: two items for each instance and day."""
    quote = connection.ops.quote_name
    items, days, lines = (quote(model._meta.db_table) for model in (BillItem, BillDay, UsageLine))
    raw = "CAST('{}' AS jsonb)" if connection.vendor == "postgresql" else "'{}'"
    with transaction.atomic(), connection.cursor() as cursor:
        for item, amount in (("cpu", "cpu_amount"), ("mem", "memory_amount")):
            cursor.execute(
                f"INSERT INTO {items} (account_id, day, payer, cloud_id, product, item, region,"
                " usage_unit, seconds, list_amount, amount, currency, key, raw, heard_at)"
                f" SELECT account_id, day, '', cloud_id, 'eci', '{item}', 'cn-hangzhou', '',"
                f" SUM(seconds), SUM({amount}), ROUND(SUM({amount}), 2), currency,"
                f" cloud_id || ':' || day || ':{item}', {raw}, %s"
                f" FROM {lines} GROUP BY account_id, day, cloud_id, currency",
                [heard_at],
            )
        cursor.execute(
            f"INSERT INTO {days} (account_id, day, currency, state, estimate, billed, rounding,"
            " matched, only_billed, only_used, asked_at, trouble)"
            " SELECT DISTINCT account_id, day, currency, 'final', 0, 0, 0, 0, 0, 0,"
            f" {'CAST(%s AS timestamptz)' if connection.vendor == 'postgresql' else '%s'}, ''"
            f" FROM {lines}",
            [heard_at],
        )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return f"{BillItem.objects.count():,} lines of bills"


def counted() -> str:
    many = f"{UsageLine.objects.count():,} lines of {Instance.objects.count():,} instances"
    return f"{many}, {UsageSum.objects.count():,} sums"


def _account(team: Group, number: int) -> CloudAccount:
    row = CloudAccount(
        team=team,
        name=f"bench-{number}",
        provider="eci",
        region="cn-hangzhou",
        rotated_at=timezone.now(),
    )
    sealing.seal_into(row, key_id="LTAI00000000", secret=Secret("s"), token=Secret(""))
    row.save()
    return row


class _Made:
    def __init__(
        self, team: Group, accounts: Sequence[CloudAccount], now: datetime, days: int
    ) -> None:
        self._team, self._accounts, self._now, self._days = team, accounts, now, days
        self._dice = random.Random(1)
        self._instances = self._lines = 0

    def lives(self, count: int, days: int) -> Iterator[tuple[Instance, list[UsageLine]]]:
        """Of `days` days, or short ones within a day; all over before today."""
        today = day_start(day_of(self._now))
        for _ in range(count):
            back = timedelta(days=self._dice.randrange(max(days, 1), self._days))
            begin = today - back + timedelta(seconds=self._dice.randrange(80_000))
            length = timedelta(days=days) if days else timedelta(seconds=3600)
            yield self._life(begin, min(begin + length, today))

    def _life(self, begin: datetime, end: datetime) -> tuple[Instance, list[UsageLine]]:
        self._instances += 1
        number, workload = self._instances, self._dice.randrange(WORKLOADS)
        account = self._accounts[workload % len(self._accounts)]
        cpu, memory = _SIZES[workload % len(_SIZES)]
        scope: dict[str, Any] = {
            "account_id": account.pk,
            "provider": "eci",
            "region": "cn-hangzhou",
            "zone": "cn-hangzhou-k",
            "cluster_uid": f"uid-{workload % CLUSTERS}",
            "node_name": f"vk-{workload % CLUSTERS}-{number % 2}",
            "namespace": f"ns-{workload % NAMESPACES}",
            "workload": f"Deployment/app-{workload}",
            "labels": {"app": f"app-{workload}", "team": f"t{workload % 9}"},
        }
        names = {"cloud_id": f"eci-{number}", "pod_name": f"p{number}", "pod_uid": f"u{number}"}
        times = {"intended_at": begin, "billed_from": begin, "billed_to": end, "closed_at": end}
        started = begin + timedelta(seconds=20)
        row = Instance(
            pk=number,
            **scope,
            **names,
            **times,
            started_at=started,
            posted_until=end,
            cpu=cpu,
            memory=memory,
            state=Instance.State.CLOSED,
            token=f"t{number}",
            shard="bench",
        )
        spans = [(begin, started, "starting"), *_days(started, end)]
        lines = [self._line(row, scope | names, span, begin) for span in spans]
        return row, lines

    def _line(
        self,
        row: Instance,
        scope: dict[str, Any],
        span: tuple[datetime, datetime, str],
        at: datetime,
    ) -> UsageLine:
        self._lines += 1
        start, end, kind = span
        seconds = int((end - start).total_seconds())
        cpu, memory = row.cpu or Decimal(0), row.memory or Decimal(0)
        parts = [(cpu * _RATES[0] * seconds), (memory * _RATES[1] * seconds)]
        cpu_amount, memory_amount = (part.quantize(_PLACES) for part in parts)
        return UsageLine(
            pk=self._lines,
            team_id=self._team.pk,
            instance_id=row.pk,
            **scope,
            kind=kind,
            day=day_of(start),
            currency="CNY",
            start=start,
            end=end,
            starts=int(start == at),
            cpu=cpu,
            memory=memory,
            seconds=seconds,
            cpu_seconds=cpu * seconds,
            memory_seconds=memory * seconds,
            cpu_amount=cpu_amount,
            memory_amount=memory_amount,
            amount=cpu_amount + memory_amount,
            list_amount=cpu_amount + memory_amount,
            created_at=end,
        )


def _days(start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime, str]]:
    while start < end:
        border = min(day_start(day_of(start) + timedelta(days=1)), end)
        yield whole(start), whole(border), "running"
        start = border


def _copy(model: type[Model], rows: Iterable[Model]) -> None:
    """COPY on PostgreSQL, one prepared INSERT on SQLite."""
    fields = model._meta.concrete_fields
    quote = connection.ops.quote_name
    table = quote(model._meta.db_table)
    columns = ", ".join(quote(str(field.column)) for field in fields)
    values = (
        [field.get_db_prep_save(getattr(row, field.attname), connection) for field in fields]
        for row in rows
    )
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
                for row in values:
                    copy.write_row(row)
        else:
            marks = ", ".join(["%s"] * len(fields))
            cursor.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", values)


def _multiply(model: type[Model], texts: set[str], numbers: set[str]) -> None:
    """Rows like those there, under other names and numbers."""
    quote = connection.ops.quote_name
    table = quote(model._meta.db_table)
    columns = [str(field.column) for field in model._meta.concrete_fields]
    into = ", ".join(map(quote, columns))
    step = 10_000_000
    with transaction.atomic(), connection.cursor() as cursor:
        for number in range(1, COPIES):
            changed = {
                **{name: f"{quote(name)} || '-{number}'" for name in texts},
                **{name: f"{quote(name)} + {number * step}" for name in numbers},
            }
            what = ", ".join(changed.get(name, quote(name)) for name in columns)
            cursor.execute(
                f"INSERT INTO {table} ({into}) SELECT {what} FROM {table} WHERE id < {step}"
            )


def _sum_up() -> None:
    """The sums that the posting would have grown, by one statement."""
    scope = [
        str(field.column)
        for field in UsageSum._meta.concrete_fields
        if field.name not in {*NAMES, "id", "key"}
    ]
    sums = [name for name in NAMES if name not in {"lines", "estimated_lines"}]
    quote = connection.ops.quote_name
    into = ", ".join(quote(name) for name in (*scope, *sums, "lines", "estimated_lines", "key"))
    what = ", ".join([*map(quote, scope), *(f"SUM({quote(name)})" for name in sums)])
    by = ", ".join(map(quote, scope))
    table, lines = (quote(model._meta.db_table) for model in (UsageSum, UsageLine))
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({into}) SELECT {what}, COUNT(*), 0, MIN(id) "
            f"FROM {lines} GROUP BY {by}"
        )
