"""What was billed stands beside what was metered, in the row whose instances it is of."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from console.billing import billed, groups, statements
from console.billing.billed import Bill
from console.billing.models import BillDay, BillItem
from console.billing.statements import Query, Statement
from providers.calendar import day_of, day_start
from providers.models import CloudAccount, Instance
from tests.console.billing.books import HOUR, NOON, RATE, life, lines, post, stray
from tests.console.cast import Cast, account

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
MONTH = Query(date(2026, 11, 1), date(2026, 12, 1))
# A billing day that is over for long at NOON.
LAST_WEEK = NOON - 7 * DAY
EVERY = (
    *(name for name in groups.GROUPS if name != "kind"),
    *groups.LINE_GROUPS,
    "label:app",
)


def item(key: CloudAccount, day: date, cloud_id: str, amount: str, **fields: Any) -> BillItem:
    number = BillItem.objects.count()
    values: dict[str, Any] = {
        "product": "eci",
        "region": key.region,
        "list_amount": Decimal(amount),
        "currency": "CNY",
        "key": f"item-{number}",
        "heard_at": NOON,
    }
    return BillItem.objects.create(
        account=key, day=day, cloud_id=cloud_id, amount=Decimal(amount), **values | fields
    )


def settled(key: CloudAccount, *days: date, state: str = "final", **fields: Any) -> None:
    for day in days:
        values = {"currency": "CNY", "state": state, "asked_at": day_start(day) + 3 * DAY, **fields}
        BillDay.objects.create(account=key, day=day, **values)


def ask(cast: Cast, *group: str, query: Query = MONTH, **where: str) -> Statement:
    narrowed = {name: (value,) for name, value in where.items()}
    asked = replace(query, group=group, where=narrowed)
    return statements.statement(cast.alice, asked, NOON, bills=True)


def told(found: Statement, *keys: str, currency: str = "CNY") -> Bill | None:
    rows = [row for row in found.rows if row.keys == keys and row.currency == currency]
    return rows[0].bill if rows else None


def hour_of(key: CloudAccount, begin: datetime = LAST_WEEK, **fields: Any) -> Instance:
    row: Instance = life(key, begin, begin + HOUR, **fields)
    return row


def test_rows_have_their_bill_and_its_difference_from_the_same_days(cast: Cast) -> None:
    key = account(cast.team)
    shop, data = hour_of(key), hour_of(key, namespace="data")
    fresh = hour_of(key, NOON - 2 * HOUR)
    post(NOON)
    day = day_of(LAST_WEEK)
    settled(key, day)
    item(key, day, shop.cloud_id, "0.36")
    item(key, day, shop.cloud_id, "0.09")
    item(key, day, data.cloud_id, "0.5")
    item(key, day_of(NOON), fresh.cloud_id, "9")
    found = ask(cast, "namespace")
    metered = sum(line.amount for line in lines(shop))
    assert told(found, "shop") == Bill(Decimal("0.45"), metered)
    assert told(found, "data") == Bill(Decimal("0.5"), metered)
    whole = found.bills["CNY"]
    assert whole.difference == Decimal("0.95") - 2 * metered
    assert found.bill_days == {day}
    assert found.totals["CNY"].amount == 3 * metered
    assert ask(cast, "namespace", namespace="data").bills == {"CNY": told(found, "data")}
    assert ask(cast, "kind").bills == {}


def test_without_a_complete_bill_a_row_has_none(cast: Cast) -> None:
    key = account(cast.team)
    row = hour_of(key)
    post(NOON)
    day = day_of(LAST_WEEK)
    item(key, day, row.cloud_id, "0.36")
    settled(key, day, state="partly", asked_at=day_start(day) + 2 * DAY - HOUR)
    assert told(ask(cast, "namespace"), "shop") is None
    BillDay.objects.update(asked_at=day_start(day) + 2 * DAY)
    assert told(ask(cast, "namespace"), "shop") == Bill(Decimal("0.36"), Decimal(lines_amount(row)))
    BillDay.objects.update(trouble="Forbidden.RAM")
    assert told(ask(cast, "namespace"), "shop") is None


def lines_amount(row: Instance) -> Decimal:
    return sum((line.amount for line in lines(row)), Decimal(0))


def test_what_only_the_bill_knows_stands_in_no_namespace_and_in_the_total(cast: Cast) -> None:
    key = account(cast.team)
    row = hour_of(key)
    post(NOON)
    day = day_of(LAST_WEEK)
    settled(key, day)
    item(key, day, row.cloud_id, "0.36")
    item(key, day, "eci-of-a-stranger", "2.5")
    item(key, day, "", "-0.2")
    found = ask(cast, "namespace", "account")
    assert told(found, "", str(key.pk)) == Bill(Decimal("2.3"))
    assert found.bills["CNY"].billed == Decimal("2.66")
    assert ask(cast, "region", region=key.region).bills["CNY"].billed == Decimal("2.66")


def test_bill_of_an_hour_that_was_never_billed_is_zero_and_the_difference_all_of_it(
    cast: Cast,
) -> None:
    key = account(cast.team)
    hour_of(key)
    post(NOON)
    settled(key, day_of(LAST_WEEK))
    bill = told(ask(cast, "namespace"), "shop")
    assert bill is not None
    assert (bill.billed, bill.difference) == (0, -RATE.quantize(Decimal("0.00000001")))


def test_bill_of_what_has_no_price_is_shown_and_compared_with_nothing(cast: Cast) -> None:
    key = account(cast.team)
    row = hour_of(key, type="ecs.unknown", spec="ecs.unknown", namespace="ml")
    priced = hour_of(key)
    post(NOON)
    assert {line.currency for line in lines(row)} == {""}
    day = day_of(LAST_WEEK)
    settled(key, day)
    item(key, day, row.cloud_id, "7.5")
    item(key, day, priced.cloud_id, "0.45")
    found = ask(cast, "namespace")
    bill = told(found, "ml")
    assert bill == Bill(Decimal("7.5"), Decimal(0), Decimal("7.5"))
    assert bill.difference is None
    assert found.bills["CNY"].difference == Decimal("0.45") - lines_amount(priced)


def test_any_grouping_adds_up_to_the_bill_to_the_last_digit(cast: Cast) -> None:
    dice = random.Random(5)
    keys = [account(cast.team), account(cast.team, region="cn-beijing")]
    for index in range(40):
        begin = NOON - timedelta(seconds=dice.randrange(13 * 86400))
        life(
            dice.choice(keys),
            begin,
            begin + timedelta(seconds=dice.randrange(3 * 86400)),
            namespace=dice.choice(("shop", "data")),
            labels=dice.choice(({}, {"app": "a"}, {"app": 'b"%'})),
            tier=dice.choice(("", "economy", "spot")),
            node_name=f"vk-{index % 3}",
        )
    lost = stray(keys[0], NOON - 6 * DAY, NOON - 5 * DAY, closed_at=NOON, ended_at=NOON - 5 * DAY)
    post(NOON)
    # Facts that came after they were posted.
    for row in Instance.objects.order_by("pk")[:5]:
        Instance.objects.filter(pk=row.pk).update(
            billed_from=row.billed_from - timedelta(seconds=77), unposted=True
        )
    days = [day_of(NOON) - number * DAY for number in range(3, 9)]
    for key in keys:
        settled(key, *days)
        for row in Instance.objects.filter(account=key):
            for day in days:
                item(key, day, row.cloud_id, f"{dice.randrange(1, 900) / 100:.2f}")
    item(keys[0], days[0], lost.cloud_id, "1.23")
    item(keys[1], days[0], "eci-nobody", "0.07")
    whole = ask(cast)
    expected = sum((one.amount for one in BillItem.objects.all()), Decimal(0))
    assert whole.bills["CNY"].billed == expected
    for name in EVERY:
        found = ask(cast, name)
        assert found.bills == whole.bills, name
        narrowed = Bill()
        for key in sorted({row.keys[0] for row in found.rows}):
            only = replace(MONTH, where={name: (key,)})
            one = statements.statement(cast.alice, only, NOON, bills=True)
            narrowed += one.bills.get("CNY", Bill())
        assert narrowed == whole.bills["CNY"], name


def test_bills_of_other_teams_are_in_no_statement(cast: Cast) -> None:
    theirs = account(cast.other)
    row = hour_of(theirs)
    post(NOON)
    settled(theirs, day_of(LAST_WEEK))
    item(theirs, day_of(LAST_WEEK), row.cloud_id, "0.36")
    assert ask(cast, "namespace").bills == {}
    assert not billed.complete_days(frozenset({cast.team.pk}), MONTH, {}).rows


def test_an_item_finds_its_instance_by_an_index(cast: Cast) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL joins all of them at once")
    key = account(cast.team)
    settled(key, day_of(LAST_WEEK))
    asked = replace(MONTH, group=("namespace",))
    days = billed.complete_days(frozenset({cast.team.pk}), asked, {})
    text, parameters = billed._query(asked, {}, days, unpriced=False)
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {text}", parameters)
        plan = " ".join(row[-1] for row in cursor.fetchall())
    assert "USING INDEX instance_cloud_id (account_id=? AND cloud_id=?)" in plan
