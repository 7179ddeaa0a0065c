"""The pages of money: every state renders, rows lead inside, refusals say why."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from addons.models import PodRow
from console.billing.asked import read
from console.billing.models import BillDay, Budget, PriceEntry
from console.billing.statements import Query, statement
from providers.calendar import day_of, day_start
from tests.console.billing import books, weeks
from tests.console.cast import Cast, account, budget

pytestmark = pytest.mark.django_db
USAGE = "billing-usage"


def text_of(page: Client, address: str, status: int = 200) -> str:
    answer = page.get(address)
    assert answer.status_code == status, answer.content[-2000:]
    return answer.content.decode()


@pytest.fixture
def live(cast: Cast) -> PodRow:
    return weeks.seed(cast.team, timezone.now())


@pytest.mark.parametrize("lang", ["en", "zh-hans"])
@pytest.mark.parametrize("name", [USAGE, "billing-lines", "billing-bills", "billing-budgets"])
def test_without_usage_a_page_says_what_to_do(page: Client, name: str, lang: str) -> None:
    page.cookies["django_language"] = lang
    assert 'class="empty"' in text_of(page, reverse(name))


@pytest.mark.parametrize("group", ["namespace", "day", "provider", "kind", "spot", "label:app"])
@pytest.mark.parametrize("period", ["today", "7d", "month", "last-month"])
def test_every_group_and_period_is_shown(
    page: Client, live: PodRow, group: str, period: str
) -> None:
    text_of(page, f"{reverse(USAGE)}?period={period}&group={group}")


def test_total_of_the_page_is_that_of_the_statement(cast: Cast, page: Client, live: PodRow) -> None:
    answer = page.get(reverse(USAGE), {"period": "7d"})
    now = timezone.now()
    today = day_of(now)
    week = Query(today - timedelta(days=6), today + timedelta(days=1))
    total = statement(cast.alice, week, now).totals["CNY"].amount
    shown = answer.context["total"]["amount"]
    assert abs(total - shown) < Decimal("0.01")
    assert sum(row.figures.amount for row in answer.context["breakdown"]["rows"]) == shown
    drawn = sum(column.bucket.total for column in answer.context["chart"]["bars"].columns)
    assert drawn == shown


def test_a_row_leads_inside_itself(page: Client, live: PodRow) -> None:
    answer = page.get(reverse(USAGE), {"period": "7d"})
    row = next(row for row in answer.context["breakdown"]["rows"] if row.key == "shop")
    inside = page.get(reverse(USAGE) + row.href)
    assert inside.context["asked"].where == {"namespace": ("shop",)}
    assert inside.context["asked"].group == ("workload",)
    [workload] = inside.context["breakdown"]["rows"]
    pods = page.get(reverse(USAGE) + workload.href)
    assert {row.label for row in pods.context["breakdown"]["rows"]} == {"web-live"}


def test_what_has_no_price_is_counted_and_never_zero(cast: Cast, page: Client) -> None:
    now = timezone.now()
    books.life(account(cast.team, region="eu-central-1"), now - timedelta(hours=1))
    shown = text_of(page, f"{reverse(USAGE)}?period=today")
    assert "unpriced" in shown
    assert "¥0.00" not in re.sub(r'<svg class="ax".*?</svg>', "", shown, flags=re.S)


def test_bills_of_what_has_no_price_say_so_and_not_zero(cast: Cast, page: Client) -> None:
    now = timezone.now()
    key = account(cast.team, region="eu-central-1")
    begin = day_start(day_of(now)) - timedelta(days=1, hours=-2)
    books.life(key, begin, begin + timedelta(hours=1))
    books.post(now)
    day = BillDay.objects.create(
        account=key, day=day_of(begin), currency="CNY", state="final", billed=1, asked_at=now
    )
    for address in (reverse("billing-bills"), reverse("billing-bill", args=[day.pk])):
        shown = text_of(page, address + "?period=7d")
        assert "unpriced" in shown
        assert "¥0.00" not in shown
    [row] = page.get(reverse("billing-bills"), {"period": "7d"}).context["days"]
    assert row["difference"] is None


def test_full_price_is_no_saving_on_spot(page: Client, live: PodRow) -> None:
    found = page.get(reverse(USAGE), {"period": "7d"}).context["hints"]
    [spot] = [hint for hint in found if hint["title"] == "Spot"]
    assert spot["amount"] is None


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("period=year", "period"),
        ("start=2026-11-01", "end"),
        ("start=2026-11-02&end=2026-11-01", "end"),
        ("start=x&end=2026-11-01", "start"),
        ("group=colour", "group"),
        ("currency=yuan", "currency"),
        ("step=minute", "step"),
        ("start=2020-01-01&end=2026-01-01", "start"),
    ],
)
def test_a_question_that_cannot_be_read_is_named(page: Client, query: str, name: str) -> None:
    answer = page.get(f"{reverse(USAGE)}?{query}")
    assert answer.status_code == 400
    assert answer.context["bad"].name == name


def test_form_of_days_names_the_last_day_and_the_address_the_day_after(page: Client) -> None:
    answer = page.get(reverse(USAGE), {"start": "2026-11-01", "last": "2026-11-10"})
    assert answer.status_code == 302
    assert "end=2026-11-11" in answer.headers["Location"]
    assert "last=" not in answer.headers["Location"]


def test_a_question_survives_its_own_address(page: Client) -> None:
    given = "start=2026-11-01&end=2026-11-03&group=provider,zone&namespace=a&namespace=&label%3Ax=1"
    request = page.get(f"{reverse(USAGE)}?{given}").wsgi_request
    asked = read(request.GET, day_of(timezone.now()))
    again = page.get(reverse(USAGE) + asked.link()).wsgi_request
    assert read(again.GET, day_of(timezone.now())) == asked
    assert asked.where == {"namespace": ("a", ""), "label:x": ("1",)}


def test_charlie_sees_no_money_of_others(cast: Cast, live: PodRow) -> None:
    client = Client()
    client.force_login(cast.charlie)
    for name in (USAGE, "billing-lines", "billing-bills"):
        assert "shop" not in text_of(client, reverse(name))
    day = BillDay.objects.first()
    assert day is not None
    assert client.get(reverse("billing-bill", args=[day.pk])).status_code == 404


def test_lines_of_a_period_are_paged_and_narrowed(page: Client, live: PodRow) -> None:
    answer = page.get(reverse("billing-lines"), {"period": "month", "namespace": "checkout"})
    assert {row["it"].namespace for row in answer.context["lines"]} == {"checkout"}


def test_bill_of_a_day_is_laid_beside_what_was_metered(page: Client, live: PodRow) -> None:
    day = BillDay.objects.get(account__provider="eci", only_billed=1)
    answer = page.get(reverse("billing-bill", args=[day.pk]))
    states = [one.state for one, _tone, _text in answer.context["instances"]]
    assert states.count("only_billed") == 1
    assert "only_used" in states


def test_cost_of_a_pod_grows_by_the_second(page: Client, live: PodRow) -> None:
    url = reverse("pod-tab", args=[live.pk, "cost"])
    shown = text_of(page, url)
    assert "<money-tick" in shown
    assert "0.441072" in re.sub(r"\s", "", shown)
    answer: Any = page.get(url)
    [tick] = answer.context["ticks"]
    assert tick.per_hour == books.RATE.quantize(Decimal("0.00000001"))
    assert tick.amount >= 2 * tick.per_hour - Decimal("0.001")


def test_live_part_is_a_fragment(page: Client, live: PodRow) -> None:
    answer = page.get(f"{reverse(USAGE)}?part=live", headers={"HX-Request": "true"})
    assert b"<!doctype" not in answer.content
    assert answer.context["live"].instances > 0


def test_cost_of_a_cluster_is_shown_by_namespace_and_node(page: Client, live: PodRow) -> None:
    answer = page.get(reverse("cluster-tab", args=["prod", "cost"]))
    assert answer.status_code == 200
    by_namespace, by_node = answer.context["parts"]
    assert {row["label"] for row in by_node["rows"]} == {"vk-1"}
    whole = {row["whole"] for row in by_namespace["rows"] if row["currency"]}
    assert whole == {sum(r["figures"].amount for r in by_namespace["rows"] if r["currency"])}


def test_price_is_entered_counts_and_is_withdrawn(cast: Cast, page: Client) -> None:
    now = timezone.now()
    key = account(cast.team, region="eu-central-1")
    row = books.life(key, now - timedelta(hours=1))
    books.post(now)
    text = text_of(page, reverse("billing-prices"))
    assert "Used, but without a price" in text
    given = {
        "provider": "eci",
        "item": "instance",
        "amount": "1.5",
        "per": "hour",
        "currency": "CNY",
        "region": "eu-central-1",
        "type": row.spec,
        "valid_from": "2026-01-01",
    }
    assert page.post(reverse("billing-price-new"), given).status_code == 302
    found = page.get(reverse(USAGE), {"period": "7d"})
    assert abs(found.context["total"]["amount"] - Decimal("1.5")) < Decimal("0.01")
    entry = PriceEntry.objects.get()
    page.post(reverse("billing-price-withdraw", args=[entry.pk]))
    assert page.get(reverse(USAGE), {"period": "7d"}).context["total"]["amount"] == 0


def test_file_of_prices_with_a_fault_is_refused_by_line(page: Client) -> None:
    lines = "provider,item,amount,per,currency,valid_from\neci,cpu,much,hour,CNY,2026-11-01\n"
    file = SimpleUploadedFile("prices.csv", lines.encode())
    answer = page.post(reverse("billing-prices-import"), {"file": file})
    assert answer.status_code == 422
    [fault] = answer.context["faults"]
    assert (fault.line, fault.field) == (2, "amount")
    assert not PriceEntry.objects.exists()


def test_budget_is_made_changed_and_lifted(cast: Cast, page: Client) -> None:
    given = {
        "name": "shop",
        "amount": "100",
        "currency": "CNY",
        "period": "month",
        "namespace": "shop",
        "thresholds": "50, 80, 100",
        "action": "hold",
        "enabled": "on",
    }
    made = page.post(reverse("billing-budget-new"), given)
    assert made.status_code == 302
    made_one = Budget.objects.get()
    assert (made_one.scope, made_one.thresholds) == ({"namespace": "shop"}, [50, 80, 100])
    address = reverse("billing-budget", args=[made_one.pk])
    bad = page.post(address, {**given, "workload": "Deployment/web"})
    assert (bad.status_code, "action" in bad.context["form"].errors) == (422, True)
    assert page.post(address, {**given, "amount": "200"}).status_code == 302
    made_one.refresh_from_db()
    assert made_one.amount == 200


def test_palette_finds_a_budget_by_its_name(cast: Cast, page: Client) -> None:
    budget(cast.team, name="quarterly")
    [group] = page.get(reverse("search"), {"q": "quarter"}).json()["groups"]
    assert [item["label"] for item in group["items"]] == ["quarterly"]
