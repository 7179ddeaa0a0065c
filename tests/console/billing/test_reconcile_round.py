"""Bills of the simulated accounts, fetched by the real clients, beside lines of the books."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from addons.runtime.loop import Runtime
from console.billing.bills import fetch, payers
from console.billing.bills import round as rounds
from console.billing.models import BillDay, BillItem, UsageLine
from providers.bill import Bill, BillLine, Rounding
from providers.calendar import day_of, day_start
from providers.models import CloudAccount
from sandbox.clouds.groups import meter
from sandbox.clouds.groups.faults import Fault
from tests.console.billing import books
from tests.console.billing.books import HOUR, NOON
from tests.console.billing.charged import Clouds, clouds, credential, row_of, vanished
from tests.console.cast import Cast
from tests.console.cast import account as account_of
from tests.sandbox_bills.clouds import on, yesterday

SIZE = {"Cpu": 2.0, "Memory": 4.0}


@pytest.fixture
def there(tmp_path: Path, settings: Any) -> Iterator[Clouds]:
    settings.DIAL_ALLOW = ["127.0.0.0/8"]
    settings.BILL_SECONDS = 0
    with clouds(tmp_path) as made:
        yield made


@pytest.fixture
def eci(there: Clouds, cast: Cast) -> CloudAccount:
    aliyun = there.aliyun
    return credential(cast.team, "eci", aliyun.url, aliyun.pair(), account_id="1234")


def look(runtime: Runtime) -> int:
    return runtime.run(rounds.look(runtime), timeout=60)


def day_row(account: CloudAccount, day: date) -> BillDay:
    return BillDay.objects.get(account=account, day=day, currency="CNY")


def long_ago() -> date:
    """A day whose month has been final for a while."""
    month = day_of(timezone.now()).replace(day=1)
    return ((month - timedelta(days=1)).replace(day=1) - timedelta(days=1)).replace(day=15)


def ask_again(account: CloudAccount, day: date) -> None:
    BillDay.objects.create(account=account, day=day, currency="CNY")


def test_a_bill_and_our_lines_differ_by_cents_alone(
    there: Clouds, eci: CloudAccount, runtime: Runtime
) -> None:
    groups = [there.do(there.aliyun.ran, yesterday(h, 20, 34), 5000, **SIZE) for h in (8, 12)]
    for group in groups:
        row_of(eci, group)
    books.post(timezone.now())
    assert look(runtime) > 0
    day = day_row(eci, there.aliyun.day)
    assert (day.matched, day.only_billed, day.only_used) == (2, 0, 0)
    assert day.billed == 2 * Decimal("0.61")
    assert day.estimate == sum(line.amount for line in UsageLine.objects.all())
    assert day.billed - day.estimate - day.rounding == 0
    assert day.state == BillDay.State.PARTLY
    before = list(BillItem.objects.order_by("key").values_list("key", "amount", "account"))
    look(runtime)
    assert list(BillItem.objects.order_by("key").values_list("key", "amount", "account")) == before


def test_what_only_one_side_knows_is_counted_as_such(
    there: Clouds, eci: CloudAccount, runtime: Runtime
) -> None:
    aliyun = there.aliyun
    stranger, ours = (there.do(aliyun.ran, yesterday(h), 3600, **SIZE) for h in (8, 12))
    row_of(eci, ours)
    day = long_ago()
    unbilled = there.do(aliyun.ran, on(day), 3600, **SIZE)
    row_of(eci, unbilled)
    books.post(timezone.now())
    ask_again(eci, day)
    there.do(aliyun.turn, bill_missing=[unbilled.id])
    look(runtime)
    now = day_row(eci, aliyun.day)
    assert (now.matched, now.only_billed) == (1, 1)
    item = BillItem.objects.filter(cloud_id=stranger.id).first()
    assert item is not None
    assert item.account == eci
    then = day_row(eci, day)
    assert (then.only_used, then.billed) == (1, Decimal(0))
    assert then.state == BillDay.State.FINAL


def test_a_final_bill_settles_an_end_that_nobody_saw(
    there: Clouds, eci: CloudAccount, runtime: Runtime
) -> None:
    group = there.do(there.aliyun.ran, on(long_ago(), 10, 20, 34), 5000, **SIZE)
    row = vanished(eci, group, late=900)
    books.post(timezone.now())
    assert sum(line.seconds for line in books.lines(row)) == 5900
    assert any(line.estimated for line in books.lines(row))
    ask_again(eci, long_ago())
    look(runtime)
    assert sum(line.seconds for line in books.lines(row)) == meter.billed_seconds(group, 0.0)
    assert {line.reason for line in books.lines(row)} == {"", "bill"}
    standing = [line for line in books.lines(row) if line.revision]
    assert not any(line.estimated for line in standing)
    row.refresh_from_db()
    assert row.settled_at is not None
    day = day_row(eci, long_ago())
    assert (day.state, day.matched) == (BillDay.State.FINAL, 1)
    assert day.billed - day.estimate - day.rounding == 0
    lines = UsageLine.objects.count()
    look(runtime)
    assert UsageLine.objects.count() == lines


def test_lines_go_to_whose_instances_they_are_of(
    there: Clouds, eci: CloudAccount, cast: Cast, runtime: Runtime
) -> None:
    """Two credentials of one account, of two teams, and an ACS cluster beside the first."""
    aliyun = there.aliyun
    theirs = credential(cast.other, "eci", aliyun.url, aliyun.pair(), account_id="1234")
    acs = credential(cast.team, "acs", "", ("k", "s"), account_id="cluster-uid")
    mine, other = (there.do(aliyun.ran, yesterday(h), 3600, **SIZE) for h in (8, 12))
    pod = there.do(aliyun.pod, yesterday(14), 3600)
    row_of(eci, mine)
    row_of(theirs, other)
    begin = datetime.fromtimestamp(yesterday(14), UTC)
    books.life(
        acs,
        begin,
        begin + timedelta(hours=1),
        cloud_id="ns/web-0",
        seen={"id": "ns/web-0", "name": "web-0", "shown_id": pod.id}
        | {"state": "succeeded", "raw_state": "Succeeded", "region": "cn-hangzhou"},
    )
    books.post(timezone.now())
    (payer,) = payers.payers()
    assert payer.covers == (eci, theirs, acs)
    look(runtime)
    found = set(BillItem.objects.values_list("account_id", "cloud_id"))
    assert found == {(eci.pk, mine.id), (theirs.pk, other.id), (acs.pk, "ns/web-0")}


@pytest.fixture
def kci(there: Clouds, cast: Cast) -> CloudAccount:
    kingsoft = there.kingsoft
    where = {"region": kingsoft.cloud.region, "account_id": "73400001"}
    return credential(cast.team, "kci", kingsoft.gateway.url, kingsoft.pair(), **where)


def test_of_a_month_that_the_cloud_tells_no_more_what_was_billed_stands(
    there: Clouds, kci: CloudAccount, runtime: Runtime
) -> None:
    day, other = long_ago(), long_ago() + timedelta(days=1)
    row_of(kci, there.do(there.kingsoft.ran, on(day, 10, 30), 3600))
    books.post(timezone.now())
    ask_again(kci, day)
    ask_again(kci, other)
    look(runtime)
    billed = day_row(kci, day).billed
    assert billed
    BillDay.objects.filter(day__in=[day, other]).update(state=BillDay.State.PARTLY, asked_at=None)
    told = {"code": "InvalidParameterValue", "action": "QueryInstanceConsume", "times": None}
    faults = [Fault(**told, match={"StartDay": str(one)}) for one in (other, day)]
    for fault in faults:
        there.do(there.kingsoft.cloud.faults.plant, fault)
    assert look(runtime) > 0
    assert [fault.hits for fault in faults] == [1, 1]
    assert (day_row(kci, day).state, day_row(kci, day).billed) == (BillDay.State.FINAL, billed)
    assert day_row(kci, other).state == BillDay.State.PARTLY
    assert day_row(kci, other).trouble


def test_kci_days_settle_the_begin_that_its_documents_leave_open(
    there: Clouds, kci: CloudAccount, runtime: Runtime
) -> None:
    group = there.do(there.kingsoft.ran, on(long_ago(), 10, 30), 3600)
    row = row_of(kci, group)
    books.post(timezone.now())
    assert any(line.estimated for line in books.lines(row))
    ask_again(kci, long_ago())
    look(runtime)
    assert not any(line.estimated for line in books.lines(row) if line.revision)
    assert sum(line.seconds for line in books.lines(row)) == meter.billed_seconds(group, 0.0)


def test_a_bill_that_breaks_off_leaves_what_was_known(
    there: Clouds, eci: CloudAccount, runtime: Runtime
) -> None:
    row_of(eci, there.do(there.aliyun.ran, yesterday(8), 3600, **SIZE))
    books.post(timezone.now())
    look(runtime)
    before = BillItem.objects.count()
    assert before
    fault = Fault(action="DescribeInstanceBill", times=None)
    there.do(there.aliyun.account.cloud.cs.faults.plant, fault)
    assert look(runtime) == 0
    assert BillItem.objects.count() == before
    assert "unknown error" in day_row(eci, day_of(timezone.now())).trouble
    there.do(there.aliyun.account.cloud.cs.faults.clear)
    look(runtime)
    assert day_row(eci, day_of(timezone.now())).trouble == ""


def test_a_key_that_may_not_read_bills_is_asked_once_a_round_or_not_at_all(
    there: Clouds, eci: CloudAccount, runtime: Runtime
) -> None:
    key = there.aliyun.eci.first.keys[there.aliyun.pair()[0]]
    key.denied_actions = ["DescribeInstanceBill"]
    assert look(runtime) == 0
    assert there.bills_asked() == 1
    assert day_row(eci, day_of(timezone.now())).trouble
    refused = {"action": "DescribeInstanceBill", "ok": False, "code": "NoPermission"}
    eci.capabilities = [{**refused, "grant": "bssapi:DescribeInstanceBill"}]
    eci.save()
    assert look(runtime) == 0
    assert there.bills_asked() == 1
    assert "bssapi:DescribeInstanceBill" in day_row(eci, day_of(timezone.now())).trouble


def test_days_that_nobody_bills_have_their_estimate(cast: Cast, runtime: Runtime) -> None:
    acs = credential(cast.team, "acs", "", ("k", "s"), account_id="cluster-uid")
    begin = datetime.fromtimestamp(yesterday(14), UTC)
    row = books.life(acs, begin, begin + timedelta(hours=1), tier="general-purpose/default")
    books.post(timezone.now())
    look(runtime)
    day = day_row(acs, day_of(begin))
    assert (day.state, day.asked_at) == (BillDay.State.ESTIMATED, None)
    assert day.estimate == sum(line.amount for line in books.lines(row)) > 0


def test_final_days_are_left_alone_until_their_lines_change(
    there: Clouds, eci: CloudAccount, runtime: Runtime, settings: Any
) -> None:
    day = long_ago()
    group = there.do(there.aliyun.ran, on(day), 3600, **SIZE)
    ask_again(eci, day)
    look(runtime)
    asked = day_row(eci, day).asked_at
    assert asked is not None
    look(runtime)
    assert day_row(eci, day).asked_at == asked
    row_of(eci, group)
    books.post(timezone.now())
    look(runtime)
    assert day_row(eci, day).asked_at != asked
    assert day_row(eci, day).matched == 1
    settings.BILL_SECONDS = 3600
    assert look(runtime) == 0


def test_bill_in_another_currency_tells_what_the_account_is_priced_in(cast: Cast) -> None:
    account = account_of(cast.team, name="acs", provider="acs")
    home = account_of(cast.team, name="eci", provider="eci")
    begin = day_start(day_of(NOON) - timedelta(days=1)) + HOUR
    tier = "general-purpose/default"
    row = books.life(account, begin, begin + HOUR, provider="acs", tier=tier)
    books.post(NOON)
    payer = payers.Payer("1", home, (home,), (home, account), "")
    told = BillLine(
        key="1",
        cloud_id=row.cloud_id,
        product="acs",
        item="cpu",
        day=day_of(begin),
        list_amount=Decimal("0.04"),
        amount=Decimal("0.04"),
        currency="USD",
        seconds=3600,
    )
    cents = Rounding(unit=Decimal("0.01"), least=Decimal("0.005"))
    bill = Bill(day_of(begin), (told,), complete=True, final=False, rounding=cents)
    rounds.take(payer, bill, NOON)
    day = BillDay.objects.get(account=account, day=day_of(begin), currency="USD")
    assert (day.matched, day.only_billed, day.only_used) == (1, 0, 0)
    assert day.estimate == Decimal("0.03715200")
    assert fetch.currency_of(payer) == "USD"
