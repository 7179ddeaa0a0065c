"""Money over REST: the same questions as the pages, exact, by the rights of whoever asks."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from addons.models import PodRow
from tests.addons.compat.manifests import PLAIN
from tests.console.billing import books, weeks
from tests.console.cast import Cast, account

pytestmark = pytest.mark.django_db


@pytest.fixture
def live(cast: Cast) -> PodRow:
    return weeks.seed(cast.team, timezone.now())


def get(api: APIClient, name: str, *given: Any, **query: str) -> Any:
    answer = api.get(reverse(f"api:{name}", args=given), query)
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_rows_of_a_statement_add_up_to_its_totals(api: APIClient, live: PodRow) -> None:
    found = get(api, "billing-statement", period="7d", group="provider,namespace")
    total = sum(Decimal(r["figures"]["amount"]) for r in found["rows"] if r["currency"] == "CNY")
    assert total == Decimal(found["totals"]["CNY"]["amount"]) > 0
    assert set(found["rows"][0]["keys"]) == {"provider", "namespace"}
    assert found["unpriced"]["seconds"] > 0


@pytest.mark.parametrize("how", ["header", "address"])
def test_statement_as_csv_has_the_same_figures(api: APIClient, live: PodRow, how: str) -> None:
    day = timezone.now().date() - timedelta(days=4)
    span = {"start": day.isoformat(), "end": (day + timedelta(days=2)).isoformat()}
    query = {**span, "group": "provider,account"}
    found = get(api, "billing-statement", **query)
    asked = {**query, "format": "csv"} if how == "address" else query
    accept = {"Accept": "text/csv"} if how == "header" else {}
    answer = api.get(reverse("api:billing-statement"), asked, headers=accept)
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(answer.content.decode())))
    pairs = [(row["account"], row["account_title"], row["currency"]) for row in rows]
    told = ((r["keys"]["account"], r["titles"]["account"], r["currency"]) for r in found["rows"])
    assert pairs == list(told)
    seconds = [int(row["seconds"]) for row in rows]
    assert sum(seconds) > 0
    assert seconds == [row["figures"]["seconds"] for row in found["rows"]]
    refused = api.get(reverse("api:billing-statement"), {**asked, "group": "x"}, headers=accept)
    assert (refused.status_code, refused.json()["code"]) == (400, "bad_question")


def test_pages_of_lines_are_pages_in_the_document(api: APIClient) -> None:
    document = api.get(reverse("api:schema"), {"format": "json"}).json()
    told = document["paths"]["/api/v1/billing/usage/"]["get"]
    shape = told["responses"]["200"]["content"]["application/json"]["schema"]["$ref"]
    page = document["components"]["schemas"][shape.rpartition("/")[2]]
    assert set(page["properties"]) == {"next", "previous", "results"}
    assert {"cursor", "limit"} <= {one["name"] for one in told["parameters"]}
    assert set(get(api, "billing-usage")) == {"next", "previous", "results"}


def test_buckets_of_an_ended_period_add_up_to_its_statement(api: APIClient, live: PodRow) -> None:
    day = timezone.now().date() - timedelta(days=4)
    span = {"start": day.isoformat(), "end": (day + timedelta(days=2)).isoformat()}
    whole = get(api, "billing-statement", **span)["totals"]["CNY"]
    hours = get(api, "billing-series", step="hour", **span)["buckets"]
    assert len(hours) == 48
    for name in ("amount", "memory_amount"):
        cut = (r["figures"][name] for b in hours for r in b["rows"] if r["currency"] == "CNY")
        assert sum(map(Decimal, cut)) == Decimal(whole[name])


def test_lines_are_paged_by_cursor_and_narrowed_as_the_page_is(
    api: APIClient, live: PodRow
) -> None:
    first = get(api, "billing-usage", namespace="checkout", limit="3")
    assert len(first["results"]) == 3
    assert {line["namespace"] for line in first["results"]} == {"checkout"}
    second = api.get(first["next"]).json()
    ids = [line["id"] for line in [*first["results"], *second["results"]]]
    assert len(ids) == len(set(ids))


def test_money_of_a_pod_is_told_by_line_and_day(api: APIClient, live: PodRow) -> None:
    found = get(api, "billing-pod", live.uid)
    assert [line["kind"] for line in found["lines"]][:2] == ["starting", "running"]
    lines = sum(Decimal(line["amount"]) for line in found["lines"])
    assert lines == Decimal(found["totals"]["CNY"]["amount"])
    assert Decimal(found["per_hour"]["CNY"]) == books.RATE
    assert found["days"][-1]["billed"] is None


def test_summary_agrees_with_the_statement(api: APIClient, live: PodRow) -> None:
    summary = get(api, "billing-summary")
    month = get(api, "billing-statement")["totals"]["CNY"]["amount"]
    assert abs(Decimal(summary["month"]["CNY"]["amount"]) - Decimal(month)) < Decimal("0.01")
    band = summary["expected"]["CNY"]
    assert Decimal(band["low"]) <= Decimal(band["expected"]) <= Decimal(band["high"])
    assert summary["unpriced"] == 1


def test_question_that_cannot_be_read_is_a_problem(api: APIClient) -> None:
    answer = api.get(reverse("api:billing-statement"), {"group": "colour"})
    assert answer.status_code == 400
    assert (answer.json()["code"], answer.json()["parameter"]) == ("bad_question", "group")


@pytest.mark.parametrize("name", ["billing-statement", "billing-series", "billing-usage"])
def test_question_beyond_every_calendar_and_key_is_answered(api: APIClient, name: str) -> None:
    days = {"start": "0001-01-01", "end": "0001-01-02"}
    assert api.get(reverse(f"api:{name}"), days).status_code == 400
    for odd in ({"account": "9" * 30}, {"namespace": "a\0b"}, {"cluster": "\0"}):
        assert api.get(reverse(f"api:{name}"), odd).status_code == 200


def test_days_of_a_bill_are_told_with_what_they_explain(api: APIClient, live: PodRow) -> None:
    found = get(api, "billing-reconciliation", period="7d", provider="eci")
    assert {day["provider"] for day in found["days"]} == {"eci"}
    assert {day["state"] for day in found["days"]} == {"estimated", "partly", "final"}
    assert any(day["only_billed"] for day in found["days"])


def test_price_takes_over_and_is_withdrawn(cast: Cast, api: APIClient) -> None:
    now = timezone.now()
    row = books.life(account(cast.team, region="eu-central-1"), now - timedelta(hours=1))
    price = {
        "provider": "eci",
        "item": "instance",
        "amount": "2",
        "per": "hour",
        "currency": "USD",
        "region": "eu-central-1",
        "type": row.spec,
        "valid_from": "2026-01-01T00:00:00+08:00",
    }
    made = api.post(reverse("api:billing-prices"), price)
    assert made.status_code == 201, made.content
    totals = get(api, "billing-statement", period="7d")["totals"]
    assert abs(Decimal(totals["USD"]["amount"]) - 2) < Decimal("0.01")
    gone = api.post(reverse("api:billing-price-withdraw", args=[made.json()["id"]]))
    assert gone.json()["withdrawn_at"]
    assert get(api, "billing-statement", period="7d")["totals"] == {}
    again = api.post(reverse("api:billing-price-withdraw", args=[made.json()["id"]]))
    assert (again.status_code, again.json()["code"]) == (409, "price_withdrawn")


def test_import_names_the_line_and_imports_nothing(api: APIClient) -> None:
    head = "provider,item,amount,per,currency,valid_from"
    text = f"{head}\neci,cpu,1,hour,CNY,2026-11-01\neci,x,1,hour,CNY,y\n"
    answer = api.post(reverse("api:billing-prices-import"), {"csv": text})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"].startswith("line 3")
    assert {row["origin"] for row in get(api, "billing-prices")} == {"shipped"}


def test_contract_lowers_what_is_paid_but_not_the_list(cast: Cast, api: APIClient) -> None:
    now = timezone.now()
    books.life(account(cast.team), now - timedelta(hours=1), now - timedelta(minutes=1))
    rule = {
        "name": "contract 117",
        "provider": "eci",
        "factor": "0.5",
        "valid_from": "2026-01-01T00:00:00+08:00",
    }
    made = api.post(reverse("api:billing-discounts"), rule)
    assert made.status_code == 201, made.content
    total = get(api, "billing-statement", period="7d")["totals"]["CNY"]
    half = Decimal(total["list_amount"]) / 2
    assert abs(Decimal(total["amount"]) - half) < Decimal("0.00001")
    assert api.delete(reverse("api:billing-discount", args=[made.json()["id"]])).status_code == 204
    assert get(api, "billing-discounts") == []


def test_preview_prices_a_manifest_on_each_cloud(cast: Cast, api: APIClient) -> None:
    weeks.accounts(cast.team)
    answer = api.post(reverse("api:billing-preview"), {"yaml": PLAIN, "hours": 100})
    [workload] = answer.json()["workloads"]
    offers = {offer["provider"]: offer for offer in workload["offers"]}
    assert offers["kci"]["per_hour"] is None
    assert Decimal(offers["eci"]["per_month"]) == Decimal(offers["eci"]["per_hour"]) * 100
    assert [name for name, offer in offers.items() if offer["cheapest"]] == ["acs"]


def test_charlie_gets_no_figure_of_another_team(cast: Cast, live: PodRow) -> None:
    client = APIClient()
    client.force_login(cast.charlie)
    assert get(client, "billing-statement")["rows"] == []
    assert get(client, "billing-usage")["results"] == []
    assert get(client, "billing-summary")["running"] == 0
    assert client.get(reverse("api:billing-pod", args=[live.uid])).status_code == 404
