from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from console.billing import book
from console.billing.book import NewDiscount, NewPrice, Unchangeable, Unreadable, book_of
from console.billing.models import PriceEntry, UsageSum
from console.billing.price_file import FileRefused, import_csv
from providers.models import CloudAccount, Instance
from providers.prices import Place
from providers.told import Size
from tests.console.billing.books import HOUR, NOON, RATE, life, post
from tests.console.cast import Cast
from tests.console.cast import account as new_account

D = Decimal
NOW = datetime(2026, 11, 18, 4, tzinfo=UTC)
PAIR = Size(D(2), D(4), "2-4Gi")


@pytest.fixture
def account(cast: Cast) -> CloudAccount:
    return new_account(cast.team)


def price(**changes: Any) -> NewPrice:
    told: dict[str, Any] = {
        "provider": "eci",
        "item": "cpu",
        "amount": D("0.1"),
        "per": "hour",
        "currency": "CNY",
        "valid_from": NOW - timedelta(days=1),
    }
    return NewPrice(**told | changes)


def rate(account: CloudAccount, at: datetime = NOW) -> Decimal | None:
    place = Place("eci", account.pk, "cn-hangzhou", "")
    found = book_of(account.team).rate(PAIR, place, at)
    return found.total if found else None


def enter(owner: CloudAccount, **changes: Any) -> PriceEntry:
    return book.add_price(owner.team, price(**changes), by="alice", now=NOW)


def test_book_is_remembered_until_a_price_or_a_contract_changes(
    account: CloudAccount, django_assert_num_queries: Any
) -> None:
    team = account.team
    before = book_of(team)
    with django_assert_num_queries(3):
        assert book_of(team) is before
    assert rate(account) == RATE
    entered = enter(account)
    assert rate(account) == D("0.2") + 4 * D("0.00000613") * 3600
    book.withdraw(entered, now=NOW)
    assert rate(account) == RATE
    rule = book.add_discount(
        team, NewDiscount("contract", "eci", D("0.5"), NOW - HOUR), by="alice", now=NOW
    )
    assert rate(account) == RATE / 2
    assert rate(account, NOW - 2 * HOUR) == RATE
    book.remove_discount(rule)
    assert rate(account) == RATE
    with pytest.raises(Unchangeable):
        book.withdraw(entered, now=NOW)


def test_account_billed_in_another_currency_has_the_list_of_that(cast: Cast) -> None:
    ours, theirs = (new_account(cast.team, name=name, provider="acs") for name in ("cn", "intl"))
    general, better = "general-purpose/default", "performance/default"
    rows = [life(one, NOON - HOUR, NOON, tier=general, provider="acs") for one in (ours, theirs)]
    post(NOON)
    book.bill_in(ours, "CNY")
    book.bill_in(theirs, "USD")
    assert list(Instance.objects.filter(unposted=True)) == rows[1:]
    post(NOON)
    totals = {one.currency: one.amount for one in UsageSum.objects.filter(seconds__gt=3000)}
    assert totals.keys() == {"CNY", "USD"}

    def told(account: CloudAccount, tier: str, region: str) -> tuple[str, D] | None:
        size, place = Size(D(2), D(4), "2-4Gi", tier=tier), Place("acs", account.pk, region)
        found = book_of(cast.team).rate(size, place, NOW)
        return (found.currency, found.total) if found else None

    assert told(ours, general, "cn-hangzhou") == ("CNY", D("0.24019200"))
    assert told(theirs, general, "cn-hangzhou") == ("USD", D("0.03715200"))
    assert told(theirs, better, "us-west-1") == ("USD", D("0.07142400"))
    assert told(ours, better, "us-west-1") is None
    book.bill_in(theirs, "EUR")
    assert told(theirs, general, "cn-hangzhou") == ("CNY", D("0.24019200"))


def test_prices_of_a_team_are_not_those_of_another(account: CloudAccount, cast: Cast) -> None:
    enter(account)
    other = new_account(cast.other, name="theirs")
    assert rate(other) == RATE


def test_price_of_the_past_has_the_lines_it_touches_written_anew(account: CloudAccount) -> None:
    mine = life(account, NOON - 3 * HOUR, NOON - 2 * HOUR)
    elsewhere = life(account, NOON - 3 * HOUR, NOON - 2 * HOUR, region="us-west-1")
    earlier = life(account, NOON - 9 * HOUR, NOON - 8 * HOUR)
    typed = life(account, NOON - 3 * HOUR, NOON - 2 * HOUR, type="ecs.c5.large")
    post(NOON)
    assert sum(one.amount for one in UsageSum.objects.filter(region=mine.region)) == 2 * RATE + D(
        "0.62"
    )
    enter(account, valid_from=NOON - 4 * HOUR, region="@mainland", amount=D("0.3"))
    waiting = set(Instance.objects.filter(unposted=True))
    assert waiting == {mine}
    assert {elsewhere, earlier, typed}.isdisjoint(waiting)
    post(NOON)
    total = sum(one.amount for one in UsageSum.objects.filter(type="", region=mine.region))
    assert total == RATE + D("0.6") + 4 * D("0.00000613") * 3600


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("provider", {"provider": "aws"}),
        ("item", {"item": "disk"}),
        ("per", {"per": "day"}),
        ("amount", {"amount": D("-1")}),
        ("amount", {"amount": D("NaN")}),
        ("amount", {"amount": D("Infinity")}),
        ("amount", {"amount": D("1e8")}),
        ("amount", {"amount": D("1e-13")}),
        ("currency", {"currency": "cny"}),
        ("region", {"region": "@moon"}),
        ("type", {"type": "x" * 65}),
        ("valid_to", {"valid_to": NOW - timedelta(days=1)}),
    ],
)
def test_field_that_does_not_fit_is_named(
    account: CloudAccount, field: str, changes: dict[str, Any]
) -> None:
    with pytest.raises(Unreadable) as refused:
        enter(account, **changes)
    assert refused.value.field == field
    assert refused.value.why
    assert refused.value.fix
    assert not PriceEntry.objects.exists()


def test_account_of_another_team_or_cloud_takes_no_price(account: CloudAccount, cast: Cast) -> None:
    for wrong in (new_account(cast.other, name="theirs"), new_account(cast.team, provider="kci")):
        with pytest.raises(Unreadable, match="account"):
            enter(account, account=wrong)


HEADER = "provider,item,amount,per,currency,valid_from,valid_to,region,account\n"


def test_file_of_prices_is_taken_whole(account: CloudAccount) -> None:
    text = (
        "\ufeff"
        + HEADER
        + (
            f"kci,cpu,0.08,hour,CNY,2026-11-01,,cn-beijing-6,\r\n"
            f"\r\n"
            f"ECI,memory,0.02,hour,cny,2026-11-01T00:00:00+00:00,2026-12-01,,{account.name}\r\n"
        )
    )
    made = import_csv(account.team, text.encode(), by="alice", now=NOW)
    first, second = PriceEntry.objects.order_by("pk")
    assert [one.pk for one in made] == [first.pk, second.pk]
    assert (first.origin, first.amount, first.region) == ("import", D("0.08"), "cn-beijing-6")
    assert first.valid_from == datetime(2026, 10, 31, 16, tzinfo=UTC)
    assert (second.account_id, second.currency) == (account.pk, "CNY")
    assert second.valid_to == datetime(2026, 11, 30, 16, tzinfo=UTC)


def test_each_faulty_row_is_told_and_nothing_is_half_imported(account: CloudAccount) -> None:
    text = HEADER + (
        "eci,cpu,0.1,hour,CNY,2026-11-01,,,\n"
        'eci,cpu,"1,5",hour,CNY,2026-11-01,,,\n'
        "eci,cpu,0.1,day,CNY,2026-11-01,,,\n"
        "eci,cpu,0.1,hour,CNY,yesterday,,,\n"
        "eci,cpu,0.1,hour,CNY,2026-11-01T00:00:00,,,\n"
        "eci,cpu,0.1,hour,CNY,2026-11-01,,,nobody\n"
        "eci,cpu,0.1,hour,CNY,0001-01-01,,,\n"
        "eci,cpu,0.1,hour,CNY,0001-01-01T00:00:00+08:00,,,\n"
    )
    with pytest.raises(FileRefused) as refused:
        import_csv(account.team, text.encode(), by="alice", now=NOW)
    told = [(fault.line, fault.field) for fault in refused.value.faults]
    assert told == [
        (3, "amount"),
        (4, "per"),
        (5, "valid_from"),
        (6, "valid_from"),
        (7, "account"),
        (8, "valid_from"),
        (9, "valid_from"),
    ]
    assert all(fault.why and fault.fix for fault in refused.value.faults)
    assert not PriceEntry.objects.exists()


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"", 1),
        (b"provider,item\neci,cpu\n", 1),
        (HEADER.encode(), 1),
        (HEADER.encode() + b"eci,cpu,1\n", 2),
        (HEADER.encode() + b"eci,\xff\xfe\n", 2),
        (HEADER.encode() + b"eci,cpu,1,hour,CNY,2026-11-01,cn\0,,\n", 2),
        (HEADER.replace("region", "colour").encode() + b"a,b\n", 1),
        (HEADER.replace("region", "item").encode() + b"a,b\n", 1),
        (HEADER.encode() + b'eci,"cpu,1\n', 2),
        (b"x" * 2_000_001, 1),
    ],
)
def test_file_that_is_no_table_of_prices_is_refused(
    account: CloudAccount, content: bytes, line: int
) -> None:
    with pytest.raises(FileRefused) as refused:
        import_csv(account.team, content, by="alice", now=NOW)
    assert refused.value.faults[0].line == line
