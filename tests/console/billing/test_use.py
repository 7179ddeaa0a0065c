"""What instances use, asked of the simulated ECI by the real client, and what that saves."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from addons.runtime.loop import Runtime
from console.billing import hints, use
from console.billing.hints import Code, Hint
from console.billing.models import InstanceUse
from console.billing.statements import Query
from providers.calendar import day_of
from providers.eci import answer
from providers.told import Used
from sandbox.clouds.groups.faults import Fault
from tests.console.billing.books import life
from tests.console.billing.charged import Clouds, clouds, credential
from tests.console.cast import Cast, account

D = Decimal


@pytest.fixture
def there(tmp_path: Path, settings: Any) -> Iterator[Clouds]:
    settings.DIAL_ALLOW = ["127.0.0.0/8"]
    with clouds(tmp_path) as made:
        yield made


def look(runtime: Runtime) -> int:
    return runtime.run(use.look(runtime), timeout=60)


def test_what_runs_is_sampled_and_what_cannot_be_told_is_left_out(
    there: Clouds, cast: Cast, runtime: Runtime
) -> None:
    aliyun, now = there.aliyun, time.time()
    gateway = aliyun.eci.gateways["cn-hangzhou"]
    eci = credential(cast.team, "eci", gateway.url, aliyun.pair(), account_id="1234")
    kci = credential(
        cast.team, "kci", there.kingsoft.gateway.url, there.kingsoft.pair(), account_id="7340"
    )
    group = there.do(aliyun.ran, now - 3600, 7200, Cpu=2.0, Memory=4.0)
    begun = datetime.fromtimestamp(int(now - 3600), UTC)
    row = life(eci, begun, cloud_id=group.id)
    life(eci, begun, begun + timedelta(minutes=1), cloud_id="eci-ended")
    life(kci, begun, cloud_id="kci-1")
    assert look(runtime) == 1
    told = InstanceUse.objects.get()
    assert (told.instance, told.samples) == (row, 1)
    assert 0 < told.cpu_peak < 2
    assert 0 < told.memory_peak < 4
    fault = Fault(action="DescribeMultiContainerGroupMetric", times=None)
    there.do(there.aliyun.eci.first.faults.plant, fault)
    assert look(runtime) == 0
    assert InstanceUse.objects.get().samples == 1


def test_a_sample_counts_once_and_an_unreadable_one_not_at_all() -> None:
    assert answer.used({"Timestamp": "2026-11-21T00:00:00Z", "CPU": {}}) is None
    told = {"CPU": {"UsageNanoCores": 5 * 10**8}, "Memory": {"WorkingSet": 2**30}}
    read = answer.used({"Timestamp": "2026-11-21T00:00:00Z", **told})
    assert read == Used(datetime(2026, 11, 21, tzinfo=UTC), D("0.5"), D(1))


@pytest.mark.django_db
def test_what_was_never_used_is_a_hint_once_an_hour_was_seen(cast: Cast) -> None:
    key, now = account(cast.team), timezone.now()
    row = life(key, now - timedelta(hours=10), workload="Deployment/web")
    life(key, now - timedelta(hours=10), workload="Deployment/other")
    today = day_of(now)
    query = Query(today - timedelta(days=1), today + timedelta(days=1))

    def idle(asked: Query = query) -> Hint | None:
        rows = hints.hints(cast.alice, asked, now).rows
        return next((one for one in rows if one.code is Code.IDLE), None)

    begun = now - timedelta(hours=2)
    for n in range(use.ENOUGH):
        assert use.keep({row.pk: Used(begun + timedelta(minutes=5 * n), D("0.5"), D(n) / 4)}) == 1
        told = idle()
        assert told
        assert told.measured == (n + 1 == use.ENOUGH)
    assert use.keep({row.pk: Used(begun, D(2), D(4))}) == 0
    # A peak of 0.5 of 2 vCPU and of 2.75 of 4 GiB, each with a fifth more.
    told = idle()
    assert told
    shares = use.unused(None, query.start, query.end)
    assert list(shares.values()) == [use.Unused(D("0.7"), D("0.175"))]
    assert [top.keys[2] for top in told.top] == ["Deployment/web"]
    web = replace(query, where={"workload": ("Deployment/web",)})
    figures = told.figures
    expected = figures.cpu_amount * D("0.7") + figures.memory_amount * D("0.175")
    assert told.amount == expected
    alone = idle(web)
    assert alone
    assert alone.amount == told.amount
    other = idle(replace(query, where={"workload": ("Deployment/other",)}))
    assert other is None
    charlie = hints.hints(cast.charlie, query, now)
    assert all(not one.measured for one in charlie.rows)
