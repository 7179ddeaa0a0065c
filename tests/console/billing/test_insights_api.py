"""What stands beside a statement over REST, and what was billed in it."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from addons.models import PodRow
from console.billing.models import BillDay
from tests.console.billing import weeks
from tests.console.cast import Cast

pytestmark = pytest.mark.django_db
BESIDE = ("hints", "anomalies", "movers", "missing-prices")


@pytest.fixture
def live(cast: Cast) -> PodRow:
    return weeks.seed(cast.team, timezone.now())


def get(api: APIClient, name: str, *given: Any, **query: str) -> Any:
    answer = api.get(reverse(f"api:{name}", args=given), query)
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_rows_have_what_was_billed_and_it_adds_up(api: APIClient, live: PodRow) -> None:
    found = get(api, "billing-statement", period="7d", group="namespace")
    told = [row["bill"] for row in found["rows"] if row["bill"]]
    assert found["bill_days"]
    for name in ("billed", "metered", "difference"):
        assert sum(Decimal(bill[name]) for bill in told) == Decimal(found["bills"]["CNY"][name])
    assert {row["bill"] for row in found["rows"] if not row["currency"]} == {None}
    answer = api.get(reverse("api:billing-statement"), {"period": "7d", "format": "csv"})
    rows = list(csv.DictReader(io.StringIO(answer.content.decode())))
    assert [row["billed"] for row in rows] == [
        row["bill"]["billed"] if row["bill"] else "" for row in found["rows"]
    ]


def test_hints_name_where_it_is(api: APIClient, live: PodRow) -> None:
    found = get(api, "billing-hints", period="7d")
    rounding = next(one for one in found["hints"] if one["code"] == "rounding")
    assert 0 < Decimal(rounding["amount"]) < Decimal(rounding["total"])
    assert set(rounding["top"][0]["keys"]) == {"cluster", "namespace", "workload"}


def test_movers_are_the_change_of_each_row(api: APIClient, live: PodRow) -> None:
    found = get(api, "billing-movers", period="7d", group="namespace")
    assert found["movers"]
    for one in found["movers"]:
        assert Decimal(one["amount"]) - Decimal(one["before"]) == Decimal(one["change"])


def test_anomalies_say_whether_there_was_anything_to_compare(api: APIClient, live: PodRow) -> None:
    found = get(api, "billing-anomalies", group="namespace")
    assert found["compared"] is True
    assert found["group"] == ["namespace"]


def test_sizes_without_a_price_are_told_with_their_use(api: APIClient, live: PodRow) -> None:
    found = get(api, "billing-missing-prices", period="7d")
    seconds = get(api, "billing-statement", period="7d")["unpriced"]["seconds"]
    assert sum(one["seconds"] for one in found["missing"]) == seconds > 0


def test_bill_of_a_day_is_told_line_by_line(api: APIClient, live: PodRow) -> None:
    day = BillDay.objects.get(only_billed=1)
    found = get(api, "billing-reconciliation-day", day.pk)
    stranger = next(one for one in found["instances"] if one["compared"] == "only_billed")
    assert (stranger["metered"], Decimal(stranger["billed"])) == (None, Decimal("0.5"))
    lines = get(api, "billing-reconciliation-lines", day.pk, limit="1000")["results"]
    billed = [Decimal(one["billed"]) for one in found["instances"] if one["billed"]]
    assert sum(Decimal(line["amount"]) for line in lines) == sum(billed)


def test_charlie_sees_nothing_beside_other_teams_statements(cast: Cast, live: PodRow) -> None:
    charlie = APIClient()
    charlie.force_authenticate(cast.charlie)
    found = [get(charlie, f"billing-{name}") for name in BESIDE]
    assert [one.get(key) for one, key in zip(found, KEYS, strict=True)] == [[], [], [], []]
    pk = BillDay.objects.values_list("pk", flat=True)[0]
    for name in ("day", "lines"):
        address = reverse(f"api:billing-reconciliation-{name}", args=[pk])
        assert charlie.get(address).status_code == 404


KEYS = ("hints", "anomalies", "movers", "missing")
