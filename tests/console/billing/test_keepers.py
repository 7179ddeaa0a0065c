"""Several workers keep the books: one at a time, and no harm when it was two after all."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connection

from addons.runtime import lease
from addons.runtime.clock import Clock
from console.billing import posting
from console.billing.models import UsageLine, UsageSum
from providers.models import Instance
from tests.console.billing.books import HOUR, NOON, life, sum_of
from tests.console.billing.test_posting import sums_agree
from tests.console.cast import account, make_cast

CLOCK = Clock(now=lambda: NOON)


@pytest.mark.django_db
def test_whoever_holds_the_books_posts_all_that_is_due_in_batches(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(posting, "BATCH", 7)
    key = account(make_cast().team)
    for _ in range(20):
        life(key, NOON - HOUR, NOON)
    for _ in range(10):
        life(key, NOON - 24 * HOUR, unposted=False)
    other = lease.acquire(posting.SHARD, holder="other", seconds=30, clock=CLOCK)
    assert other is not None
    assert posting.post_due(holder="me", clock=CLOCK) == 0
    other.release()
    assert posting.post_due(holder="me", clock=CLOCK) == 60
    assert not posting.due(NOON).exists()
    assert posting.post_due(holder="again", clock=CLOCK) == 0


@pytest.mark.django_db(transaction=True)
def test_two_that_post_the_same_lives_at_once_write_each_line_once() -> None:
    key = account(make_cast().team)
    for _ in range(30):
        life(key, NOON - 36 * HOUR, NOON)
    pks = list(Instance.objects.values_list("pk", flat=True))
    both = threading.Barrier(2)
    written: list[int] = []

    def keep() -> None:
        try:
            both.wait(10)
            written.append(posting.post(pks, NOON + timedelta(minutes=1)))
        finally:
            connection.close()

    keepers = [threading.Thread(target=keep) for _ in range(2)]
    for keeper in keepers:
        keeper.start()
    for keeper in keepers:
        keeper.join(60)
    assert sorted(written) == [0, 30 * 3]
    assert UsageLine.objects.count() == 90
    assert sum_of("seconds") == 30 * 36 * 3600
    assert UsageSum.objects.filter(starts__gt=0).count() == 1
    sums_agree()
