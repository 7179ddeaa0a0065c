"""Prices that begin later, or before: what they touch, what is told until all is metered anew."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from addons.runtime.clock import Clock
from console.billing import live, posting, running, statements
from console.billing.book import NewDiscount, NewPrice, add_discount, add_price
from console.billing.statements import Query
from providers.calendar import day_of, day_start, month_of
from providers.ledger import NOT_MADE
from providers.models import Instance
from tests.console.billing.books import HOUR, NOON, RATE, life, lines, post, stray
from tests.console.cast import Cast, account

pytestmark = pytest.mark.django_db
D = Decimal
DAY = timedelta(days=1)
CENTS = D("0.00001")
TODAY = Query(day_of(NOON), day_of(NOON) + DAY)
MONTH = replace(TODAY, start=month_of(NOON))


def half(cast: Cast, since: object, to: object = None) -> None:
    new = NewDiscount("half", "eci", D("0.5"), valid_from=since, valid_to=to)  # type: ignore[arg-type]
    add_discount(cast.team, new, by="alice", now=NOON)


def told(cast: Cast, query: Query, now: object = NOON) -> D:
    found = statements.read(frozenset({cast.team.pk}), query, now)  # type: ignore[arg-type]
    return found.totals["CNY"].amount


def test_pace_follows_a_price_that_began_while_nobody_kept_the_books(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posting, "_carried", posting.Carried())
    life(account(cast.team), NOON - HOUR)
    half(cast, NOON + HOUR)
    post(NOON)
    later = NOON + 3 * HOUR
    clock = Clock(now=lambda: later)
    posting.post_due(holder="restarted", clock=clock)
    seen = live.spend(None, later).today["CNY"]
    assert seen.per_hour == RATE / 2
    assert abs(seen.amount - told(cast, TODAY, later)) < CENTS
    assert list(posting.batches(later, posting._carried)) == []


def test_pass_that_was_cut_off_goes_on_where_it_was(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posting, "BATCH", 2)
    key = account(cast.team)
    rows = [life(key, NOON - HOUR).pk for _ in range(5)]
    half(cast, NOON + HOUR)
    post(NOON)
    now, carried = NOON + 2 * HOUR, posting.Carried()
    first = posting.batches(now, carried)
    assert [next(first), next(first)] == [rows[:2], rows[2:4]]
    first.close()
    assert list(posting.batches(now + HOUR, carried)) == [rows[2:4], rows[4:]]
    assert list(posting.batches(now + 2 * HOUR, carried)) == []


def test_closed_orphan_is_posted_anew_at_a_price_of_its_time(cast: Cast) -> None:
    key = account(cast.team)
    size = {"cpu": 2, "memory": 4, "label": "2-4Gi"}
    ended = {"ended_at": NOON - HOUR, "closed_at": NOON - HOUR, "billed_from": NOON - 3 * HOUR}
    lost = stray(key, NOON - 3 * HOUR, NOON - 2 * HOUR, size=size, **ended)
    other = stray(key, NOON - 9 * DAY, NOON - 9 * DAY, size=size, closed_at=NOON - 8 * DAY)
    post(NOON)
    half(cast, NOON - 2 * DAY)
    other.refresh_from_db()
    assert not other.unposted
    assert abs(told(cast, TODAY) - RATE) < CENTS
    assert post(NOON) == 2
    assert abs(sum(one.amount for one in lines(lost)) - RATE) < CENTS
    lost.refresh_from_db()
    assert not lost.unposted
    assert post(NOON) == 0


def test_lives_that_nobody_saw_begin_are_touched_by_a_price_of_their_time(cast: Cast) -> None:
    key = account(cast.team)
    gone = {"billed_from": None, "billed_to": None, "seen": {}, "started": None}
    closed = {"state": Instance.State.CLOSED, "closed_at": NOON - HOUR}
    unheard = life(key, NOON - 2 * HOUR, called_at=NOON - 2 * HOUR, **gone, **closed)
    never = life(
        key,
        NOON - 2 * HOUR,
        called_at=NOON - 2 * HOUR,
        close_reason=NOT_MADE,
        cloud_id="",
        **gone,
        **closed,
    )
    post(NOON)
    half(cast, NOON - 9 * DAY, NOON - 8 * DAY)
    assert not Instance.objects.filter(unposted=True).exists()
    half(cast, NOON - DAY)
    assert set(Instance.objects.filter(unposted=True)) == {unheard, never}
    post(NOON)
    assert abs(told(cast, TODAY) - RATE / 2) < CENTS
    assert {one.per_hour for one in lines(never)} == {RATE, RATE / 2}


def test_price_of_the_past_leaves_today_alone_and_is_told_at_once(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "_AT_ONCE", 2)
    key = account(cast.team)
    for days in range(5, 10):
        life(key, NOON - days * DAY, NOON - days * DAY + HOUR)
    life(key, NOON - HOUR, NOON)
    post(NOON)
    half(cast, NOON - 30 * DAY)
    metered = list(running._rows(None, TODAY, {}))
    assert [row.billed_to for row in metered] == [NOON]
    assert abs(told(cast, MONTH) - 3 * RATE) < CENTS
    assert not running.anew(None, MONTH, {})


def test_more_changed_lives_than_may_be_metered_count_as_they_are_posted(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = account(cast.team)
    for days in range(5, 10):
        life(key, NOON - days * DAY, NOON - days * DAY + HOUR)
    life(key, day_start(day_of(NOON)) - HOUR)
    post(NOON)
    half(cast, NOON - 30 * DAY)
    fresh = life(key, NOON - HOUR, NOON)
    monkeypatch.setattr(running, "MOST_ANEW", 3)
    assert running.anew(None, MONTH, {})
    assert statements.read(None, MONTH, NOON).anew
    # Five hours and the one before midnight at the old price, what runs since then at the new one.
    assert abs(told(cast, MONTH) - (6 * RATE + 12 * RATE / 2 + RATE / 2)) < CENTS
    assert not running.anew(None, TODAY, {})
    assert fresh.unposted
    post(NOON)
    assert not running.anew(None, MONTH, {})
    assert abs(told(cast, MONTH) - 19 * RATE / 2) < CENTS


def test_price_of_a_size_in_the_past_marks_only_what_cost_then(cast: Cast) -> None:
    key = account(cast.team)
    past = life(key, NOON - 5 * DAY, NOON - 4 * DAY, unposted=False)
    life(key, NOON - 2 * DAY, NOON - DAY, unposted=False)
    span = (NOON - 6 * DAY, NOON - 3 * DAY)
    new = NewPrice("eci", "cpu", D("0.1"), "hour", "CNY", *span)
    add_price(cast.team, new, by="alice", now=NOON)
    assert list(Instance.objects.filter(unposted=True)) == [past]


def test_page_and_answer_say_while_the_past_is_metered_anew(
    cast: Cast, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = timezone.now()
    life(account(cast.team), now - 2 * HOUR, now - HOUR)
    post(now)
    client.force_login(cast.alice)
    span = {"period": "7d"}
    said = "The past is being metered anew"
    for most, changed in ((0, False), (1, True), (0, True)):
        monkeypatch.setattr(running, "MOST_ANEW", most)
        Instance.objects.update(unposted=changed)
        anew = changed and not most
        assert (said in client.get(reverse("billing-usage"), span).content.decode()) is anew
        answer = client.get(reverse("api:billing-statement"), span).json()
        assert answer["metered_anew"] is anew
