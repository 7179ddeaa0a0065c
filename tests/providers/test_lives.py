"""Lives read off the ledger: what is exact, what is an estimate, and by how much."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone

from providers import base, ledger
from providers.base import ContainerState, ContainerStatus, InstanceState, RunState
from providers.lives import life_of, life_of_orphan, place_of
from providers.meter import Asked, Life, meter
from providers.models import CloudAccount, Instance, Orphan
from providers.prices import Book, Place

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 4, 5, 6, 0, tzinfo=UTC)
SMALL = base.Size(Decimal(2), Decimal(4), "2-4Gi")
LARGE = base.Size(Decimal(4), Decimal(8), "4-8Gi")


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def free() -> None:
    pass


@pytest.fixture(params=["eci"])
def account(request: pytest.FixtureRequest) -> CloudAccount:
    return CloudAccount.objects.create(
        team=Group.objects.create(name="blue"),
        name="a",
        provider=request.param,
        region="cn-hangzhou",
        rotated_at=timezone.now(),
    )


def asked(account: CloudAccount, uid: str = "pod-1") -> Instance:
    want = ledger.Want(
        account=account,
        region=account.region,
        zone="",
        cluster_uid="c",
        node_name="n",
        namespace="ns",
        pod_name=uid,
        pod_uid=uid,
        shard="node:1",
        epoch=1,
        size=SMALL,
        workload="Deployment/web",
        labels={"app": "web"},
    )
    (row,) = ledger.intend([want], installation="i", now=NOW, fence=free)
    ledger.creating([row.pk], shard="node:1", epoch=1, now=NOW, fence=free)
    return row


def made(account: CloudAccount) -> Instance:
    row = asked(account)
    ledger.created({row.pk: base.Created("id-1", "R")}, now=after(0.5), fence=free)
    return row


def tell(account: CloudAccount, at: float, **changes: Any) -> None:
    fields: dict[str, Any] = {
        "id": "id-1",
        "name": "x",
        "state": InstanceState.RUNNING,
        "raw_state": "Running",
        "region": account.region,
    }
    told = base.Instance(**fields | changes)
    ledger.observed(account, [told], asked_at=after(at), fence=free)


def ran(start: float, *, restarts: int = 0, last: float | None = None) -> ContainerStatus:
    state = ContainerState(RunState.RUNNING, started_at=after(start))
    before = ContainerState(RunState.TERMINATED, started_at=after(last)) if last else None
    return ContainerStatus("main", "i", True, restarts, state, before)


def close(row: Instance, at: float, reason: str = "deleted") -> None:
    ledger.closed([row.pk], reason=reason, at=after(at), fence=free)


def now(row: Instance, *orphans: Orphan) -> Life:
    found = life_of(Instance.objects.get(pk=row.pk), orphans)
    assert found is not None
    return found


def kinds(life: Life, until: float) -> list[tuple[str, int, int]]:
    place = Place("eci", 1, "cn-hangzhou")
    lines = meter(life, Book(()), place, Asked(), after(until))
    return [(line.kind.value, line.seconds, line.bound) for line in lines]


def test_ends_that_the_cloud_told_are_exact(account: CloudAccount) -> None:
    row = made(account)
    tell(account, 2, billed_from=after(1), containers=(ran(8.4),), size=SMALL)
    tell(account, 70, state=InstanceState.SUCCEEDED, ended_at=after(60.9))
    close(row, 75)
    life = now(row)
    assert (life.begin, life.end, life.begin_bound, life.end_bound) == (after(1), after(60.9), 0, 0)
    assert kinds(life, 999) == [("starting", 7, 0), ("running", 52, 0)]
    stored = Instance.objects.get()
    assert stored.unposted
    assert (stored.workload, stored.labels) == ("Deployment/web", {"app": "web"})


def test_what_was_deleted_while_it_ran_is_an_estimate_from_the_last_sight_on(
    account: CloudAccount,
) -> None:
    row = made(account)
    tell(account, 2, billed_from=after(1), containers=(ran(2),))
    tell(account, 50, raw_state="Terminating", state=InstanceState.STOPPING)
    close(row, 60)
    assert kinds(now(row), 999) == [("starting", 1, 0), ("running", 58, 11)]


def test_first_start_is_told_by_containers_that_restarted_at_most_once(
    account: CloudAccount,
) -> None:
    row = made(account)
    tell(account, 40, billed_from=after(1), containers=(ran(30, restarts=1, last=5),))
    assert now(row).started == after(5)
    tell(account, 90, billed_from=after(1), containers=(ran(80, restarts=2, last=31),))
    assert now(row).started == after(5)


def test_instance_that_nobody_saw_between_create_and_end_may_have_cost_all_the_time(
    account: CloudAccount,
) -> None:
    row = made(account)
    close(row, 30)
    assert kinds(now(row), 999) == [("failed", 30, 30)]


def test_waiting_for_capacity_is_free(account: CloudAccount) -> None:
    row = made(account)
    tell(account, 20, state=InstanceState.SCHEDULING, created_at=after(0))
    assert life_of(Instance.objects.get()) is None
    close(row, 30)
    assert kinds(now(row), 999) == [("failed", 10, 10)]
    Instance.objects.all().delete()
    row = made(account)
    tell(account, 20, state=InstanceState.SCHEDULE_FAILED, created_at=after(0))
    close(row, 30)
    assert life_of(Instance.objects.get()) is None


def test_create_without_an_answer_that_nobody_found_says_how_much_it_may_have_been(
    account: CloudAccount,
) -> None:
    row = asked(account)
    assert life_of(row) is None
    ledger.not_made([row.pk], now=after(240), fence=free)
    assert kinds(now(row), 999) == [("failed", 0, 240)]
    assert Instance.objects.get().unposted


def test_create_that_was_refused_has_no_life(account: CloudAccount) -> None:
    row = asked(account)
    failure = ledger.Failure(row.pk, ledger.ProviderError("no"))
    ledger.failed_without_effect([failure], again=True, now=after(1), fence=free)
    ledger.not_made([row.pk], now=after(240), fence=free)
    assert life_of(Instance.objects.get()) is None
    assert not Instance.objects.get().unposted


@pytest.mark.parametrize("account", ["kci"], indirect=True)
def test_kci_is_billed_from_its_creation_and_the_begin_is_an_estimate(
    account: CloudAccount,
) -> None:
    row = made(account)
    tell(account, 20, created_at=after(1), billed_from=after(1), containers=(ran(15),))
    tell(account, 60, state=InstanceState.SUCCEEDED, ended_at=after(50))
    assert kinds(now(row), 999) == [("starting", 14, 14), ("running", 35, 0)]


@pytest.mark.parametrize("account", ["kci"], indirect=True)
def test_kci_that_never_came_up_may_have_cost_from_its_creation_on(account: CloudAccount) -> None:
    row = made(account)
    failed = {"state": InstanceState.SCHEDULE_FAILED, "raw_state": "CreateError"}
    tell(account, 20, created_at=after(1), **failed)
    assert life_of(Instance.objects.get()) is None
    ledger.deleting([row.pk], now=after(22), fence=free)
    tell(account, 25, **failed)
    close(row, 30)
    assert kinds(now(row), 999) == [("failed", 21, 21)]


def test_changed_size_is_kept_with_when_it_may_have_changed(account: CloudAccount) -> None:
    row = made(account)
    tell(account, 5, billed_from=after(1), size=SMALL, containers=(ran(1),))
    tell(account, 10, size=SMALL)
    tell(account, 15)
    tell(account, 30, size=LARGE)
    life = now(row)
    found = [(s.start, s.size.label, s.bound) for s in life.sizes]
    assert found == [(after(1), "2-4Gi", 0), (after(10), "4-8Gi", 20)]
    tell(account, 60, size=SMALL)
    found = [(s.start, s.size.label, s.bound) for s in now(row).sizes]
    assert found[2] == (after(60), "2-4Gi", 30)


def test_first_size_that_is_told_corrects_the_one_that_was_asked(account: CloudAccount) -> None:
    row = made(account)
    tell(account, 5, billed_from=after(1), size=LARGE)
    assert [s.size.label for s in now(row).sizes] == ["4-8Gi"]


def orphan(account: CloudAccount, **fields: Any) -> Orphan:
    values: dict[str, Any] = {
        "account": account,
        "cloud_id": "id-1",
        "name": "x",
        "region": account.region,
        "reason": "NoPod",
        "found_at": after(100),
        "seen_at": after(100),
    }
    return Orphan.objects.create(**values | fields)


def test_time_without_a_pod_is_that_of_an_orphan(account: CloudAccount) -> None:
    row = made(account)
    tell(account, 100, billed_from=after(1), containers=(ran(1),))
    lost = orphan(account, instance=row, closed_at=after(200))
    assert kinds(now(row, lost), 300) == [
        ("running", 99, 0),
        ("orphan", 100, 0),
        ("running", 100, 0),
    ]


def test_what_was_left_running_costs_until_its_orphan_is_gone(account: CloudAccount) -> None:
    row = made(account)
    tell(account, 90, billed_from=after(1), containers=(ran(1),))
    left = orphan(account, instance=row)
    Instance.objects.update(state="closed", closed_at=after(100), close_reason="LeftByChoice")
    assert now(row, left).end is None
    left.closed_at, left.seen_at = after(400), after(390)
    life = now(row, left)
    assert (life.end, life.end_bound) == (after(400), 10)
    left.ended_at = after(385)
    assert (now(row, left).end, now(row, left).end_bound) == (after(385), 0)


def test_stranger_has_a_life_of_its_own_until_the_ledger_takes_it(account: CloudAccount) -> None:
    size = {"cpu": "2", "memory": "4", "label": "2-4Gi"}
    lost = orphan(account, size=size, billed_from=after(50), closed_at=after(150))
    life = life_of_orphan(lost)
    assert life is not None
    assert kinds(life, 999) == [("orphan", 100, 50)]
    assert place_of(lost) == Place("eci", account.pk, "cn-hangzhou")
    assert life.sizes[0].size == SMALL
    lost.close_reason = "adopted"
    assert life_of_orphan(lost) is None
