"""Bills beside usage, pickers of days and credentials, prices of several teams, on the pages."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from addons.models import PodRow
from console.access import Role
from console.billing.models import BillDay, PriceEntry
from console.models import Membership
from console.templatetags.billing import billing_from, billing_until
from providers.calendar import day_of, day_start
from tests.console.billing import weeks
from tests.console.cast import Cast, account, discount, price

pytestmark = pytest.mark.django_db


@pytest.fixture
def live(cast: Cast) -> PodRow:
    return weeks.seed(cast.team, timezone.now())


def text_of(page: Client, address: str) -> str:
    answer = page.get(address)
    assert answer.status_code == 200, answer.content[-2000:]
    return answer.content.decode()


def test_breakdown_shows_the_bill_of_each_row_and_its_total(page: Client, live: PodRow) -> None:
    found = page.get(reverse("billing-usage"), {"period": "7d"}).context["breakdown"]
    rows = [row.bill for row in found["rows"] if row.bill]
    assert sum(bill.billed for bill in rows) == found["bill"].billed > 0
    assert found["bill_days"] < found["days"] == 7
    assert "Difference" in text_of(page, reverse("billing-usage") + "?period=7d")
    today = text_of(page, reverse("billing-usage") + "?period=today")
    assert "Difference" not in today


@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_days_of_prices_are_billing_days_wherever_one_reads(
    cast: Cast, page: Client, zone: str
) -> None:
    first = datetime(2026, 10, 31, 16, tzinfo=UTC)
    price(cast.team, valid_from=first, valid_to=first + timedelta(days=30))
    with timezone.override(zone):
        assert (billing_from(first), billing_until(first)) == ("2026-11-01", "2026-10-31")
    assert "2026-11-01 – 2026-11-30" in text_of(page, reverse("billing-prices"))
    assert billing_from(first + timedelta(hours=3)) == "2026-11-01 03:00"


def test_withdrawing_and_removing_ask_first(cast: Cast, page: Client) -> None:
    entry, rule = price(cast.team), discount(cast.team)
    text = text_of(page, reverse("billing-prices"))
    asked = re.findall(r'<dialog class="dlg"[^>]*><form method="post" action="([^"]*)"', text)
    addresses = [
        reverse("billing-price-withdraw", args=[entry.pk]),
        reverse("billing-discount-remove", args=[rule.pk]),
    ]
    assert asked == addresses
    assert [text.count(address) for address in addresses] == [1, 1]


def given(**more: Any) -> dict[str, Any]:
    return {
        "provider": "eci",
        "item": "cpu",
        "amount": "0.2",
        "per": "hour",
        "currency": "CNY",
        "valid_from": "2026-11-01",
        **more,
    }


def test_who_owns_several_teams_says_whose_price_it_is(cast: Cast, page: Client) -> None:
    assert 'name="team"' not in text_of(page, reverse("billing-price-new"))
    second = Group.objects.create(name="green")
    Membership.objects.create(user=cast.alice, team=second, role=Role.OWNER)
    assert 'name="team"' in text_of(page, reverse("billing-price-new"))
    own, theirs = account(cast.team), account(second)
    address = reverse("billing-price-new")
    wrong = page.post(address, given(team="green", account=own.pk))
    assert wrong.status_code == 422
    assert "another team" in wrong.content.decode()
    assert page.post(address, given(team="green", account=theirs.pk)).status_code == 302
    assert PriceEntry.objects.get().team == second
    Membership.objects.filter(team=second).update(role=Role.VIEWER)
    assert page.post(address, given(team="green")).status_code == 302
    assert PriceEntry.objects.order_by("pk").last().team == cast.team


def test_bills_are_picked_by_days_and_credential(page: Client, live: PodRow) -> None:
    day = day_of(timezone.now()) - timedelta(days=5)
    address = reverse("billing-bills")
    moved = page.get(address, {"start": day.isoformat(), "last": day.isoformat()})
    assert moved.status_code == 302
    key = BillDay.objects.filter(account__provider="acs")[0].account_id
    days = moved.url
    moved = page.get(f"{days}&find=account&account={key}")
    found = page.get(moved.url)
    assert [(row["it"].day, row["it"].account_id) for row in found.context["days"]] == [(day, key)]
    cleared = page.get(f"{days}&find=account&account=")
    assert cleared.url == days


def test_lines_are_found_by_fields_and_empty_ones_filter_nothing(
    page: Client, live: PodRow
) -> None:
    find = {"find": "namespace,pod,kind", "namespace": "checkout", "pod": "", "kind": "running"}
    moved = page.get(reverse("billing-lines"), {"period": "7d", **find})
    assert moved.url.partition("?")[2] == "period=7d&namespace=checkout&kind=running"
    found = page.get(moved.url).context
    assert {(row["it"].namespace, row["it"].kind) for row in found["lines"]} == {
        ("checkout", "running")
    }
    assert ("namespace", "Namespace", "checkout") in found["texts"]
    assert day_start(found["asked"].start) < timezone.now()
