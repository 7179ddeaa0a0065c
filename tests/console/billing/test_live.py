"""Live spend: straight lines that change by what changed, and agree with the statement."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from addons.runtime.clock import Clock
from console.billing import live, posting, statements
from console.billing.book import NewDiscount, add_discount
from console.billing.models import LiveMeter, LiveShare
from console.billing.statements import Query
from providers.calendar import day_of, day_start, month_of
from providers.models import Instance
from tests.console.billing.books import HOUR, NOON, RATE, life, post, stray
from tests.console.billing.test_statements import months_lives
from tests.console.cast import Cast, account

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
# A statement rounds each line to 1e-8, a meter does not.
CLOSE = Decimal("0.00001")


@contextmanager
def rows_read() -> Iterator[list[int]]:
    """How many rows each question to the database gave."""
    counted: list[int] = []
    with connection.cursor() as cursor:
        kind = type(cursor.cursor if hasattr(cursor, "cursor") else cursor)
    fetched = kind.fetchmany

    def fetchmany(self: Any, *arguments: Any) -> Any:
        found = fetched(self, *arguments)
        counted.append(len(found))
        return found

    kind.fetchmany = fetchmany
    try:
        yield counted
    finally:
        kind.fetchmany = fetched


def today_by_statement(cast: Cast, now: Any) -> statements.Statement:
    query = Query(day_of(now), day_of(now) + DAY)
    return statements.read(frozenset({cast.team.pk}), query, now)


def test_it_agrees_with_the_statement_at_any_later_time_while_nothing_changes(cast: Cast) -> None:
    months_lives([account(cast.team), account(cast.team)], random.Random(4), 60)
    stray(account(cast.team), NOON - 2 * HOUR, NOON - HOUR, billed_from=NOON - 2 * HOUR)
    post(NOON)
    teams = frozenset({cast.team.pk})
    for later in (timedelta(0), timedelta(seconds=77), 5 * HOUR):
        now = NOON + later
        seen = live.spend(teams, now)
        today = today_by_statement(cast, now).totals["CNY"].amount
        month = statements.read(teams, Query(month_of(now), day_of(now) + DAY), now)
        assert abs(seen.today["CNY"].amount - today) < CLOSE
        assert abs(seen.month["CNY"].amount - month.totals["CNY"].amount) < CLOSE
        assert abs(live.spend(teams, NOON).today["CNY"].value(now) - today) < CLOSE
    assert seen.unpriced == Instance.objects.filter(billed_to=None, tier="spot").count()


def test_it_goes_on_over_midnight_before_and_after_the_books_are_carried_on(cast: Cast) -> None:
    life(account(cast.team), NOON)
    post(NOON + HOUR)
    midnight = day_start(day_of(NOON) + DAY)
    before = live.spend(None, midnight + HOUR)
    post(midnight + HOUR)
    after = live.spend(None, midnight + HOUR)
    for seen in (before, after):
        assert abs(seen.today["CNY"].amount - RATE) < CLOSE
        assert abs(seen.month["CNY"].amount - 13 * RATE) < CLOSE
        assert seen.today["CNY"].per_hour == RATE
        assert seen.today["CNY"].running == 1


def test_a_life_that_ended_no_longer_runs_and_keeps_its_amount(cast: Cast) -> None:
    row = life(account(cast.team), NOON - HOUR)
    post(NOON)
    assert live.spend(None, NOON).today["CNY"].running == 1
    row.billed_to, row.state, row.unposted = NOON, Instance.State.CLOSED, True
    row.save()
    post(NOON + HOUR)
    seen = live.spend(None, NOON + 5 * HOUR).today["CNY"]
    assert (seen.running, seen.per_hour) == (0, 0)
    assert abs(seen.amount - RATE) < CLOSE
    assert not LiveShare.objects.exists()


def test_each_group_has_its_own_and_a_reader_only_theirs(cast: Cast) -> None:
    key = account(cast.team)
    life(key, NOON - HOUR, namespace="a")
    life(key, NOON - HOUR, namespace="a")
    life(key, NOON - HOUR, namespace="b", cluster_uid="uid-b")
    life(account(cast.other), NOON - HOUR, namespace="c")
    post(NOON)
    mine = frozenset({cast.team.pk})
    assert {k: m.running for k, m in live.by(mine, "namespace", NOON).items()} == {
        ("a", "CNY"): 2,
        ("b", "CNY"): 1,
    }
    narrowed = live.spend(mine, NOON, {"cluster": ("uid-b",)})
    assert narrowed.today["CNY"].per_hour == RATE
    with pytest.raises(ValueError, match="workload"):
        live.spend(mine, NOON, {"workload": ("Deployment/web",)})


def test_one_change_among_two_thousand_reads_a_few_rows_not_all(cast: Cast) -> None:
    key = account(cast.team)
    for _ in range(2000):
        life(key, NOON - HOUR)
    post(NOON)
    changed = Instance.objects.all()[1000]
    Instance.objects.filter(pk=changed.pk).update(
        billed_to=NOON, state=Instance.State.CLOSED, unposted=True
    )
    with rows_read() as counted:
        assert list(posting.due(NOON).values_list("pk", flat=True)) == [changed.pk]
        posting.post([changed.pk], NOON + HOUR)
        seen = live.spend(None, NOON + HOUR).today["CNY"]
    assert sum(counted) < 25
    assert seen.running == 1999
    assert abs(seen.amount - RATE * (1 + 2 * 1999)) < Decimal("0.001")
    assert LiveMeter.objects.count() == 1


def test_a_price_that_begins_later_changes_the_pace_when_it_does(cast: Cast) -> None:
    life(account(cast.team), NOON - HOUR, unposted=True)
    add_discount(
        cast.team,
        NewDiscount("half", "eci", Decimal("0.5"), valid_from=NOON + HOUR),
        by="alice",
        now=NOON,
    )
    post(NOON)
    assert live.spend(None, NOON).today["CNY"].per_hour == RATE
    now = NOON + HOUR + timedelta(seconds=4)
    posting.post_due(holder="me", clock=Clock(now=lambda: now))
    seen = live.spend(None, now + HOUR).today["CNY"]
    assert seen.per_hour == RATE / 2
    assert abs(seen.amount - today_by_statement(cast, now + HOUR).totals["CNY"].amount) < CLOSE
