"""At most one holder at any time, whatever happens in whatever order."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from addons.models import ShardLease
from addons.runtime.clock import Clock
from addons.runtime.contract import LeaseLost
from addons.runtime.lease import Lease, acquire
from tests.conftest import wait_until

SECONDS = 10.0


class FakeTime:
    def __init__(self) -> None:
        self.seconds = 0.0

    def clock(self, skew: float = 0.0) -> Clock:
        start = datetime(2026, 1, 1, tzinfo=UTC)
        return Clock(
            now=lambda: start + timedelta(seconds=self.seconds + skew),
            monotonic=lambda: self.seconds + 1000 * skew,
        )


def holds(lease: Lease) -> bool:
    try:
        lease.check()
    except LeaseLost:
        return False
    return True


def fenced(lease: Lease) -> bool:
    try:
        with transaction.atomic():
            lease.fence()
    except LeaseLost:
        return False
    return True


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["acquire", "renew", "release", "wait", "fence"]),
        st.integers(0, 2),
        st.floats(0.1, 12.0),
    ),
    max_size=30,
)


@pytest.mark.django_db
@hypothesis_settings(
    max_examples=80,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(actions=ACTIONS, skews=st.lists(st.floats(-0.9, 0.9), min_size=3, max_size=3))
def test_two_processes_never_hold_a_shard_together(
    actions: list[tuple[str, int, float]], skews: list[float]
) -> None:
    ShardLease.objects.all().delete()
    time = FakeTime()
    clocks = [time.clock(skew) for skew in skews]
    held: dict[int, Lease] = {}
    epochs: list[int] = []
    for number, (action, who, amount) in enumerate(actions):
        lease = held.get(who)
        if action == "wait":
            time.seconds += amount
        elif action == "acquire":
            won = acquire("s", holder=f"{who}-{number}", seconds=SECONDS, clock=clocks[who])
            if won:
                held[who] = won
                epochs.append(won.epoch)
        elif lease and action == "renew" and holds(lease):
            lease.renew()
        elif lease and action == "release":
            lease.release()
        elif lease and action == "fence":
            assert fenced(lease) or not holds(lease)
        assert sum(holds(lease) for lease in held.values()) <= 1
    assert epochs == sorted(set(epochs))


@pytest.mark.django_db
def test_a_holder_that_slept_too_long_makes_no_call_and_no_write() -> None:
    time = FakeTime()
    old = acquire("s", holder="old", seconds=SECONDS, clock=time.clock())
    assert old is not None
    assert acquire("s", holder="early", seconds=SECONDS, clock=time.clock()) is None
    time.seconds = 9.0
    with pytest.raises(LeaseLost):
        old.check()
    time.seconds = 11.0
    new = acquire("s", holder="new", seconds=SECONDS, clock=time.clock())
    assert new is not None
    assert new.epoch == old.epoch + 1
    assert not fenced(old)
    with pytest.raises(LeaseLost):
        old.renew()
    old.release()
    new.check(needed_seconds=7.0)
    with pytest.raises(LeaseLost):
        new.check(needed_seconds=8.5)


@pytest.mark.django_db
def test_a_released_shard_is_taken_at_once() -> None:
    time = FakeTime()
    first = acquire("s", holder="a", seconds=SECONDS, clock=time.clock())
    assert first is not None
    first.release()
    second = acquire("s", holder="b", seconds=SECONDS, clock=time.clock())
    assert second is not None
    assert second.epoch == 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite lets one transaction write")
def test_nobody_takes_over_while_a_fenced_transaction_is_open() -> None:
    old = acquire("node:1", holder="a", seconds=0.05)
    assert old is not None
    order: list[str] = []

    def take_over() -> None:
        try:
            while acquire("node:1", holder="b", seconds=5.0) is None:
                pass
            order.append("taken over")
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            old.fence()
            taker = pool.submit(take_over)
            wait_until(_somebody_waits_for_a_lock)
            order.append("committed")
        taker.result(10)
    assert order == ["committed", "taken over"]
    assert not fenced(old)


def _somebody_waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        return bool(cursor.fetchone()[0])
