"""Prices asked of the simulated ECI by the real client."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from addons.runtime.clock import Clock
from addons.runtime.lease import acquire
from addons.runtime.loop import Runtime
from console.billing import book, quotes
from console.billing.book import NewPrice, book_of
from console.billing.models import PriceEntry
from providers.lives import place_of
from providers.models import CloudAccount, Instance
from providers.observation import size_of
from tests.conftest import World
from tests.console.billing.books import life
from tests.console.billing.charged import credential
from tests.console.cast import Cast

D = Decimal
TYPE = "ecs.c6.large"


@pytest.fixture
def eci(world: World, cast: Cast, settings: Any) -> Iterator[CloudAccount]:
    settings.DIAL_ALLOW = ["127.0.0.0/8"]
    cloud = world.facts["clouds"]["eci"]
    key = cloud["keys"][0]
    pair = (key["access_key_id"], key["access_key_secret"])
    quotes._asked.clear()
    yield credential(cast.team, "eci", cloud["endpoint"], pair, account_id=cloud["account_id"])
    quotes._asked.clear()


def look(runtime: Runtime) -> int:
    return runtime.run(quotes.look(runtime), timeout=60)


def price_of(row: Instance, at: datetime) -> Decimal | None:
    rate = book_of(row.account.team).rate(size_of(row), place_of(row), at)
    return rate.total if rate else None


def test_size_without_a_price_is_asked_for_and_priced_from_its_first_second(
    eci: CloudAccount, runtime: Runtime
) -> None:
    now = timezone.now()
    begin = now - timedelta(hours=3)
    row = life(eci, begin, type=TYPE, spec=TYPE, unposted=False)
    same = life(eci, begin + timedelta(hours=1), type=TYPE, spec=TYPE)
    assert price_of(row, begin) is None
    assert look(runtime) == 1
    (entry,) = PriceEntry.objects.all()
    assert (entry.origin, entry.type, entry.valid_from) == ("quote", TYPE, begin)
    assert "DescribeContainerGroupPrice" in entry.source
    assert price_of(row, begin) == price_of(same, now) == entry.amount
    row.refresh_from_db()
    assert row.unposted
    assert look(runtime) == 0


def test_size_whose_only_instance_ended_between_two_looks_is_priced(
    eci: CloudAccount, runtime: Runtime
) -> None:
    now = timezone.now()
    begin, end = now - timedelta(hours=3), now - timedelta(hours=3) + timedelta(seconds=90)
    row = life(eci, begin, end, type=TYPE, spec=TYPE, unposted=False)
    assert look(runtime) == 1
    assert price_of(row, begin) is not None
    row.refresh_from_db()
    assert row.unposted
    assert quotes.due(now + timedelta(hours=25)) == []


def test_life_before_the_first_quote_of_its_size_is_priced_too(
    eci: CloudAccount, runtime: Runtime
) -> None:
    now = timezone.now()
    quoted = life(eci, now - timedelta(minutes=30), type=TYPE, spec=TYPE)
    assert look(runtime) == 1
    earlier = life(eci, now - timedelta(hours=9), now - timedelta(hours=8), type=TYPE, spec=TYPE)
    forgotten = life(eci, now - timedelta(days=9), now - timedelta(days=8), type=TYPE, spec=TYPE)
    assert price_of(earlier, earlier.billed_from) is None
    quotes._asked.clear()
    assert look(runtime) == 1
    assert price_of(earlier, earlier.billed_from) == price_of(quoted, now)
    assert price_of(forgotten, forgotten.billed_from) is None
    quotes._asked.clear()
    assert look(runtime) == 0


def test_quote_that_agrees_with_the_list_is_not_stored_and_not_asked_again_today(
    eci: CloudAccount, runtime: Runtime
) -> None:
    now = timezone.now()
    row = life(eci, now - timedelta(hours=1))
    assert look(runtime) == 0
    assert not PriceEntry.objects.exists()
    assert quotes.due(now + timedelta(hours=1)) == []
    assert [one.size.label for one in quotes.due(now + timedelta(hours=25))] == [row.spec]


def test_spot_is_asked_by_the_hour_for_each_zone(eci: CloudAccount, runtime: Runtime) -> None:
    now = timezone.now()
    zone = "cn-hangzhou-k"
    row = life(eci, now - timedelta(hours=1), type=TYPE, spec=TYPE, tier="spot", zone=zone)
    assert look(runtime) == 1
    (entry,) = PriceEntry.objects.all()
    assert (entry.zone, entry.tier) == (zone, "spot")
    assert price_of(row, now) == entry.amount
    (wanted,) = quotes.due(now + timedelta(minutes=61))
    dearer = quotes.Price(entry.amount * 2, "CNY", "market")
    later = now + timedelta(minutes=61)
    assert quotes.take(wanted, dearer, later)
    assert not quotes.take(wanted, dearer, later)
    assert price_of(row, later) == entry.amount * 2
    assert price_of(row, now - timedelta(minutes=59)) == entry.amount


def test_what_a_person_entered_stays_above_the_quote(eci: CloudAccount, runtime: Runtime) -> None:
    now = timezone.now()
    row = life(eci, now - timedelta(hours=1), type=TYPE, spec=TYPE)
    own = NewPrice("eci", "instance", D("0.01"), "hour", "CNY", now - timedelta(days=1), type=TYPE)
    book.add_price(eci.team, own, by="alice", now=now)
    assert look(runtime) == 1
    assert price_of(row, now) == D("0.01")
    quotes._asked.clear()
    assert look(runtime) == 0
    assert PriceEntry.objects.filter(origin="quote").count() == 1


def test_one_process_asks_at_a_time(eci: CloudAccount, runtime: Runtime) -> None:
    life(eci, timezone.now() - timedelta(hours=1), type=TYPE, spec=TYPE)
    held = acquire(quotes.SHARD, holder="other", seconds=60, clock=Clock())
    assert held is not None
    assert look(runtime) == 0
    held.release()
    assert look(runtime) == 1
