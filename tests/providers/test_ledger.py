"""The ledger of paid instances: one open row per pod, no step back, no absence by hearsay."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection

from providers import base, ledger
from providers.base import InstanceState
from providers.errors import OutOfStock, Throttled, UnknownOutcome
from providers.models import CloudAccount, Instance
from providers.seen import decode
from providers.tags import Owner, owner_of, tags_of

pytestmark = pytest.mark.django_db(transaction=True)

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
State = Instance.State


def free() -> None:
    """A fence that lets pass: the lease is ours."""


class LeaseLostError(Exception):
    pass


def lost() -> None:
    raise LeaseLostError


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


@pytest.fixture
def account() -> CloudAccount:
    return CloudAccount.objects.create(
        team=Group.objects.create(name="alice"),
        name="main",
        provider="eci",
        region="cn-hangzhou",
        access_key_id="LTAI1",
        sealed_secret="x",
        rotated_at=NOW,
    )


def want(account: CloudAccount, uid: str = "pod-1", **changes: Any) -> ledger.Want:
    fields: dict[str, Any] = {
        "account": account,
        "region": "cn-hangzhou",
        "zone": "cn-hangzhou-k",
        "cluster_uid": "c1",
        "node_name": "n1",
        "namespace": "default",
        "pod_name": uid,
        "pod_uid": uid,
        "shard": "node:1",
        "epoch": 1,
        "size": base.Size(Decimal(2), Decimal(4), "2-4Gi"),
        "price": base.Price(Decimal("0.44"), "CNY", "list"),
    }
    return ledger.Want(**fields | changes)


def intend(account: CloudAccount, *uids: str, **changes: Any) -> list[Instance]:
    wants = [want(account, uid, **changes) for uid in uids]
    return ledger.intend(wants, installation="i", now=NOW, fence=free)


def make_active(account: CloudAccount, uid: str = "pod-1", cloud_id: str = "eci-1") -> Instance:
    (row,) = intend(account, uid)
    assert ledger.creating([row.pk], shard="node:1", epoch=1, now=NOW, fence=free) == {row.pk}
    made = {row.pk: base.Created(cloud_id, "REQ")}
    assert ledger.created(made, now=NOW, fence=free) == {row.pk}
    return Instance.objects.get(pk=row.pk)


def told(
    cloud_id: str = "eci-1", state: InstanceState = InstanceState.RUNNING, **changes: Any
) -> base.Instance:
    raw = {InstanceState.STARTING: "Pending"}.get(state, state.value.title())
    return base.Instance(cloud_id, "n", state, raw, "cn-hangzhou", **changes)


def observe(account: CloudAccount, seen: base.Instance, at: datetime) -> list[Instance]:
    return ledger.observed(account, [seen], asked_at=at, fence=free)


def test_an_attempt_goes_from_intent_to_closed(account: CloudAccount) -> None:
    row = make_active(account)
    assert (row.state, row.cloud_id, row.request_id) == (State.ACTIVE, "eci-1", "REQ")
    assert (row.spec, row.price_per_hour, row.currency) == ("2-4Gi", Decimal("0.44"), "CNY")
    observe(account, told(), after(5))
    assert ledger.deleting([row.pk], now=after(6), fence=free) == {row.pk}
    assert ledger.closed([row.pk], reason="deleted", at=after(9), fence=free) == 1
    row.refresh_from_db()
    assert (row.state, row.close_reason, row.closed_at) == (State.CLOSED, "deleted", after(9))
    assert row.delete_asked_at == after(6)


def test_the_token_is_stable_unlike_any_other_and_short_enough() -> None:
    token = ledger.token_of("i", "c", "p", 1)
    assert token == ledger.token_of("i", "c", "p", 1)
    others = {
        ledger.token_of("i2", "c", "p", 1),
        ledger.token_of("i", "c2", "p", 1),
        ledger.token_of("i", "c", "p2", 1),
        ledger.token_of("i", "c", "p", 2),
        ledger.token_of("ic", "", "p", 1),
    }
    assert len(others | {token}) == 6
    assert len(token) <= 64
    assert token.isascii()


def test_a_pod_with_an_open_row_gets_that_row(account: CloudAccount) -> None:
    (first,), (second,) = intend(account, "pod-1"), intend(account, "pod-1")
    assert first.pk == second.pk
    assert Instance.objects.count() == 1


def test_intents_come_in_the_order_of_the_wants(account: CloudAccount) -> None:
    intend(account, "b")
    rows = intend(account, "c", "b", "a")
    assert [row.pod_uid for row in rows] == ["c", "b", "a"]


def test_a_closed_attempt_is_followed_by_the_next_generation(account: CloudAccount) -> None:
    row = make_active(account)
    ledger.closed([row.pk], reason="gone", at=NOW, fence=free)
    (again,) = intend(account, "pod-1")
    assert again.generation == 2
    assert again.token != row.token


def test_fifty_that_ask_at_once_get_one_row(account: CloudAccount) -> None:
    barrier = threading.Barrier(10)

    def ask(_: int) -> int:
        barrier.wait(10)
        try:
            return intend(account, "pod-1")[0].pk
        finally:
            connection.close()

    with ThreadPoolExecutor(10) as pool:
        given = set(pool.map(ask, range(50)))
    assert len(given) == 1
    assert Instance.objects.filter(pod_uid="pod-1").count() == 1


def test_nothing_is_written_without_the_lease(account: CloudAccount) -> None:
    row = make_active(account)
    failure = [ledger.Failure(row.pk, Throttled("slow"))]
    attempts: list[Any] = [
        lambda: ledger.intend([want(account, "x")], installation="i", now=NOW, fence=lost),
        lambda: ledger.creating([row.pk], shard="s", epoch=9, now=NOW, fence=lost),
        lambda: ledger.created({row.pk: base.Created("eci-9", "")}, now=NOW, fence=lost),
        lambda: ledger.failed_without_effect(failure, again=False, now=NOW, fence=lost),
        lambda: ledger.unknown(failure, fence=lost),
        lambda: ledger.not_made([row.pk], now=NOW, fence=lost),
        lambda: ledger.observed(account, [told()], asked_at=after(9), fence=lost),
        lambda: ledger.missing([row.pk], asked_at=after(99), fence=lost),
        lambda: ledger.deleting([row.pk], now=NOW, fence=lost),
        lambda: ledger.closed([row.pk], reason="gone", at=NOW, fence=lost),
    ]
    before = list(Instance.objects.values())
    for attempt in attempts:
        with pytest.raises(LeaseLostError):
            attempt()
    assert list(Instance.objects.values()) == before


def test_a_lower_epoch_of_the_same_shard_may_not_pay(account: CloudAccount) -> None:
    (row,) = intend(account, "pod-1")
    ledger.creating([row.pk], shard="node:1", epoch=7, now=NOW, fence=free)
    assert ledger.creating([row.pk], shard="node:1", epoch=6, now=NOW, fence=free) == set()
    assert ledger.creating([row.pk], shard="node:1", epoch=8, now=NOW, fence=free) == {row.pk}


def test_a_row_with_an_instance_is_not_created_again(account: CloudAccount) -> None:
    row = make_active(account)
    assert ledger.creating([row.pk], shard="node:1", epoch=9, now=NOW, fence=free) == set()
    second = {row.pk: base.Created("eci-2", "")}
    assert ledger.created(second, now=NOW, fence=free) == set()
    assert Instance.objects.get().cloud_id == "eci-1"


def test_an_answer_for_a_closed_row_is_reported_as_an_orphan(account: CloudAccount) -> None:
    (row,) = intend(account, "pod-1")
    ledger.not_made([row.pk], now=NOW, fence=free)
    assert ledger.created({row.pk: base.Created("eci-9", "")}, now=NOW, fence=free) == set()


def test_a_refusal_closes_and_a_throttle_waits_with_the_same_token(
    account: CloudAccount,
) -> None:
    refused, slow = intend(account, "a", "b")
    ledger.creating([refused.pk, slow.pk], shard="node:1", epoch=1, now=NOW, fence=free)
    no_stock = OutOfStock("none", code="OperationDenied.NoStock", request_id="R1")
    ledger.failed_without_effect(
        [ledger.Failure(refused.pk, no_stock)], again=False, now=NOW, fence=free
    )
    ledger.failed_without_effect(
        [ledger.Failure(slow.pk, Throttled("slow", code="Throttling"))],
        again=True,
        now=NOW,
        fence=free,
    )
    refused.refresh_from_db()
    assert (refused.state, refused.error_code, refused.request_id) == (
        State.CLOSED,
        "OperationDenied.NoStock",
        "R1",
    )
    again = intend(account, "b")[0]
    assert (again.pk, again.state, again.token) == (slow.pk, State.INTENT, slow.token)


@pytest.mark.parametrize("again", [True, False])
def test_an_unknown_outcome_outlives_later_refusals(account: CloudAccount, again: bool) -> None:
    (row,) = intend(account, "pod-1")
    ledger.creating([row.pk], shard="node:1", epoch=1, now=NOW, fence=free)
    ledger.unknown([ledger.Failure(row.pk, UnknownOutcome("lost"))], fence=free)
    ledger.creating([row.pk], shard="node:1", epoch=1, now=NOW, fence=free)
    ledger.failed_without_effect(
        [ledger.Failure(row.pk, Throttled("slow"))], again=again, now=NOW, fence=free
    )
    row.refresh_from_db()
    assert (row.state, row.error_code) == (State.CREATING, ledger.UNKNOWN)
    ledger.created({row.pk: base.Created("eci-1", "R")}, now=NOW, fence=free)
    row.refresh_from_db()
    assert (row.state, row.error_code) == (State.ACTIVE, "")


def test_billing_runs_from_the_clouds_start_to_the_clouds_end(account: CloudAccount) -> None:
    make_active(account)
    observe(account, told(state=InstanceState.SCHEDULING, created_at=after(0)), after(1))
    assert Instance.objects.get().billed_from is None
    observe(account, told(state=InstanceState.STARTING), after(3))
    assert Instance.objects.get().billed_from == after(0)
    observe(account, told(billed_from=after(2)), after(5))
    assert Instance.objects.get().billed_from == after(2)
    observe(account, told(state=InstanceState.SUCCEEDED, ended_at=after(60)), after(70))
    row = Instance.objects.get()
    assert (row.billed_from, row.billed_to) == (after(2), after(60))
    ledger.closed([row.pk], reason="deleted", at=after(99), fence=free)
    row.refresh_from_db()
    assert row.billed_to == after(60)


def test_an_instance_that_never_started_costs_nothing(account: CloudAccount) -> None:
    row = make_active(account)
    observe(account, told(state=InstanceState.SCHEDULE_FAILED, created_at=NOW), after(1))
    ledger.closed([row.pk], reason="gone", at=after(9), fence=free)
    row.refresh_from_db()
    assert (row.billed_from, row.billed_to) == (None, None)


def test_older_words_and_undone_ends_are_dropped(account: CloudAccount) -> None:
    make_active(account)
    assert observe(account, told(ip="10.0.0.1"), after(10))
    assert not observe(account, told(state=InstanceState.STARTING), after(9))
    assert observe(account, told(state=InstanceState.FAILED), after(11))
    assert not observe(account, told(), after(12))
    row = Instance.objects.get()
    assert (row.cloud_state, row.ip) == ("Failed", "10.0.0.1")


def test_a_short_answer_keeps_what_a_long_one_told(account: CloudAccount) -> None:
    make_active(account)
    size = base.Size(Decimal(4), Decimal(8), "4-8Gi")
    observe(account, told(size=size, zone="z1", tags={"a": "b"}, containers=()), after(1))
    observe(account, told(ip="10.0.0.2"), after(2))
    row = Instance.objects.get()
    assert (row.spec, row.zone, row.ip, row.cpu) == ("4-8Gi", "z1", "10.0.0.2", Decimal(4))
    seen = decode(row.seen)
    assert seen is not None
    assert (seen.size, seen.tags, seen.containers) == (size, {"a": "b"}, ())


def test_gone_takes_two_lists_three_seconds_apart(account: CloudAccount) -> None:
    row = make_active(account)
    observe(account, told(), after(1))
    assert ledger.missing([row.pk], asked_at=after(40), fence=free) == []
    assert ledger.missing([row.pk], asked_at=after(42), fence=free) == []
    assert ledger.missing([row.pk], asked_at=after(43), fence=free) == [row.pk]


def test_being_seen_again_starts_the_count_anew(account: CloudAccount) -> None:
    row = make_active(account)
    observe(account, told(), after(1))
    ledger.missing([row.pk], asked_at=after(40), fence=free)
    observe(account, told(), after(41))
    assert ledger.missing([row.pk], asked_at=after(44), fence=free) == []
    assert Instance.objects.get().missing_since == after(44)


def test_a_list_older_than_the_last_word_counts_for_nothing(account: CloudAccount) -> None:
    row = make_active(account)
    observe(account, told(), after(50))
    ledger.missing([row.pk], asked_at=after(49), fence=free)
    assert Instance.objects.get().missing_count == 0


def test_an_instance_too_new_to_be_listed_is_not_missing(account: CloudAccount) -> None:
    row = make_active(account)
    ledger.missing([row.pk], asked_at=after(1), fence=free)
    assert ledger.missing([row.pk], asked_at=after(20), fence=free) == []
    ledger.missing([row.pk], asked_at=after(31), fence=free)
    assert ledger.missing([row.pk], asked_at=after(35), fence=free) == [row.pk]


def test_what_vanished_is_billed_as_long_as_it_may_have_run(account: CloudAccount) -> None:
    row = make_active(account)
    observe(account, told(billed_from=after(1)), after(2))
    ledger.missing([row.pk], asked_at=after(60), fence=free)
    ledger.missing([row.pk], asked_at=after(64), fence=free)
    ledger.closed([row.pk], reason="gone", at=after(65), fence=free)
    row.refresh_from_db()
    assert (row.billed_from, row.billed_to, row.alive_at) == (after(1), after(65), after(2))


def test_what_vanished_long_before_anyone_said_so_ends_with_the_answer_that_missed_it(
    account: CloudAccount,
) -> None:
    row = make_active(account)
    observe(account, told(billed_from=after(1)), after(2))
    ledger.missing([row.pk], asked_at=after(60), fence=free)
    ledger.closed([row.pk], reason="gone", at=after(9000), fence=free)
    row.refresh_from_db()
    assert row.billed_to == after(60) + ledger.ANSWERED


def test_a_row_without_an_instance_is_not_deleted_but_closed_as_not_made(
    account: CloudAccount,
) -> None:
    (row,) = intend(account, "pod-1")
    assert ledger.deleting([row.pk], now=NOW, fence=free) == set()
    assert ledger.not_made([row.pk], now=NOW, fence=free) == 1
    assert ledger.open_rows(["pod-1"]) == {}


def found(uid: str = "pod-1", generation: int = 1, cloud_id: str = "eci-7") -> base.Instance:
    owner = Owner("i", "c1", "n1", "default", uid, uid, generation)
    return told(cloud_id, tags=tags_of(owner), created_at=after(1))


def adopt(account: CloudAccount, instance: base.Instance, uid: str = "pod-1") -> Instance | None:
    return ledger.adopt(want(account, uid), instance, installation="i", now=after(9), fence=free)


def test_a_lost_answer_is_found_by_its_tags(account: CloudAccount) -> None:
    (row,) = intend(account, "pod-1")
    ledger.creating([row.pk], shard="node:1", epoch=1, now=NOW, fence=free)
    ledger.unknown([ledger.Failure(row.pk, UnknownOutcome("lost"))], fence=free)
    adopted = adopt(account, found())
    assert adopted is not None
    assert (adopted.pk, adopted.cloud_id, adopted.state) == (row.pk, "eci-7", State.ACTIVE)
    assert adopted.adopted
    assert adopt(account, found()) == adopted


def test_a_lost_database_is_rebuilt_from_tags(account: CloudAccount) -> None:
    adopted = adopt(account, found(generation=3))
    assert adopted is not None
    assert (adopted.generation, adopted.cloud_id) == (3, "eci-7")
    assert adopted.token == ledger.token_of("i", "c1", "pod-1", 3)


def test_a_second_instance_of_a_pod_is_never_adopted(account: CloudAccount) -> None:
    make_active(account)
    assert adopt(account, found()) is None
    assert adopt(account, found(generation=2)) is None
    assert adopt(account, found(uid="pod-2"), uid="pod-1") is None
    foreign = told("eci-8", tags={"team": "blue"})
    assert adopt(account, foreign) is None


def test_tags_fit_the_narrowest_cloud_and_come_back() -> None:
    owner = Owner("console", "cluster", "node", "ns", "p" * 253, "uid", 12)
    tags = tags_of(owner)
    assert all(len(key) <= 64 and len(value) <= 128 for key, value in tags.items())
    back = owner_of(tags)
    assert back is not None
    assert (back.pod_uid, back.generation, back.pod) == ("uid", 12, "p" * 128)
    assert owner_of({**tags, "spillway-generation": "x"}) is None
    assert owner_of({}) is None


def test_three_hundred_rows_take_few_queries(
    account: CloudAccount, django_assert_max_num_queries: Any
) -> None:
    uids = [f"pod-{n}" for n in range(300)]
    with django_assert_max_num_queries(24):
        rows = intend(account, *uids)
    with django_assert_max_num_queries(5):
        ledger.creating([row.pk for row in rows], shard="node:1", epoch=1, now=NOW, fence=free)
    answers = {row.pk: base.Created(f"eci-{row.pk}", "") for row in rows}
    with django_assert_max_num_queries(10):
        assert len(ledger.created(answers, now=NOW, fence=free)) == 300
    seen = [told(f"eci-{row.pk}") for row in rows]
    with django_assert_max_num_queries(40):
        assert len(ledger.observed(account, seen, asked_at=after(1), fence=free)) == 300
