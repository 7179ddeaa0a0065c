"""What is measured on the filled tables: statements, posting, live spend."""

from __future__ import annotations

import time
from datetime import date, datetime, timedelta
from decimal import Decimal

from django.contrib.auth.models import Group
from django.db import connection

from bench import money_rows
from bench.money import timed
from console.billing import live, posting, series, statements
from console.billing.models import UsageLine, UsageSum
from console.billing.series import Step
from console.billing.statements import Query
from providers.calendar import day_of
from providers.models import CloudAccount, Instance

_DAY = timedelta(days=1)


def measure(team: Group, now: datetime, *, days: int, runs: int, still_open: int) -> None:
    """Prints; `still_open` lives go on and are metered in every statement."""
    teams, today = frozenset({team.pk}), day_of(now)
    asked = Query(today - days * _DAY, today + _DAY, ("namespace",))
    with_sums = timed(
        f"{days} days by namespace, from sums",
        lambda: statements.posted(teams, asked, {}, UsageSum),
        runs,
    )
    without = timed(
        "the same from the lines themselves",
        lambda: statements.posted(teams, asked, {}, UsageLine),
        3 if connection.vendor == "sqlite" else runs,
    )
    print(f"  sums are {without / with_sums:.1f} times as fast")
    _lives(team, now, still_open)
    begun = time.monotonic()
    written = sum(posting.post(pks, now) for pks in posting.batches(now))
    took = time.monotonic() - begun
    print(f"  posted {still_open:,} lives: {written:,} lines, {written / took:,.0f} lines/s")
    print(f"  {money_rows.bill(now)}")
    for what, query in (
        (f"the whole statement, {still_open:,} lives going on among it", asked),
        ("this month by workload", _month(today, "workload")),
        ("this month by label", _month(today, "label:team")),
    ):
        alone = timed(what, lambda query=query: statements.read(teams, query, now), runs)
        beside = timed(
            "  the same beside what was billed",
            lambda query=query: statements.read(teams, query, now, bills=True),
            runs,
        )
        print(f"    bills make it {beside / alone:.1f} times as slow")
    hours = Query(today - _DAY, today + _DAY, ("namespace",))
    timed("two days by hour", lambda: series.read(teams, hours, Step.HOUR, now), 5)
    _live(teams, now, runs)


def _month(today: date, group: str) -> Query:
    return Query(today.replace(day=1), today + _DAY, (group,))


def _lives(team: Group, now: datetime, count: int) -> None:
    """Lives that began two days ago and go on."""
    account = CloudAccount.objects.filter(team=team).first()
    begin = now - 2 * _DAY
    rows = [
        Instance(
            account=account,
            provider="eci",
            region="cn-hangzhou",
            zone="cn-hangzhou-k",
            cluster_uid=f"uid-{number % 4}",
            node_name=f"vk-{number % 4}-0",
            namespace=f"ns-{number % 30}",
            workload=f"Deployment/app-{number % 400}",
            labels={"team": f"t{number % 9}"},
            pod_name=f"open-{number}",
            pod_uid=f"open-{number}",
            cloud_id=f"open-{number}",
            state=Instance.State.ACTIVE,
            token=f"open-{number}",
            shard="bench",
            cpu=Decimal(2),
            memory=Decimal(4),
            spec="2-4Gi",
            intended_at=begin,
            billed_from=begin,
            started_at=begin + timedelta(seconds=20),
            seen={
                "id": f"open-{number}",
                "name": "p",
                "state": "running",
                "raw_state": "Running",
                "region": "cn-hangzhou",
                "billed_from": begin.isoformat(),
            },
            unposted=True,
        )
        for number in range(count)
    ]
    top = Instance.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    for number, row in enumerate(rows, top + 1):
        row.pk = number
    Instance.objects.bulk_create(rows, batch_size=500)
    _past_filled_ids()


def _past_filled_ids() -> None:
    """Rows that were filled in bulk brought their own ids along."""
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        for model in (Instance, UsageLine):
            table = model._meta.db_table
            cursor.execute(
                f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), MAX(id)) FROM {table}"
            )


def _live(teams: frozenset[int], now: datetime, runs: int) -> None:
    timed("live spend, all that Overview shows", lambda: live.spend(teams, now), runs)
    one = Instance.objects.filter(state=Instance.State.ACTIVE).values_list("pk", flat=True)[0]

    def change() -> None:
        Instance.objects.filter(pk=one).update(unposted=True)
        posting.post([one], now)

    timed("one instance changed, its meters brought along", change, runs)
