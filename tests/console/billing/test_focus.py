"""The file against the columns of FOCUS 1.2, and its costs against the bills."""

from __future__ import annotations

import csv
import json
import re
import tomllib
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from console.billing.exports import focus, manage
from console.models import BillDay, BillItem, Export
from providers.models import CloudAccount
from tests.console import cast as make
from tests.console.billing.lines import START, day, taken_back, usage
from tests.console.cast import Cast

SPEC: dict[str, dict[str, Any]] = tomllib.loads(
    (Path(__file__).parent / "focus-1.2.toml").read_text(encoding="utf-8")
)
# What the clouds' container instances do not have.
ABSENT = {
    "more than one billing account type",
    "more than one sub account type",
    "sub accounts",
    "capacity reservations",
    "commitment discounts",
    "pricing in another currency than billing",
}
NOW = datetime(2026, 11, 21, 4, tzinfo=UTC)
ROUNDING = Decimal("0.00000005")
TYPES = {
    "decimal": re.compile(r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?$"),
    "datetime": re.compile(r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$"),
    "currency": re.compile(r"^[A-Z]{3}$"),
    "unit": re.compile(r"^[A-Z][A-Za-z]*(-[A-Z][A-Za-z]*)?$"),
    "string": re.compile(r"^\S(.*\S)?$"),
    "json": re.compile(r"^\{.*\}$"),
}
Row = dict[str, str]


@pytest.fixture(autouse=True)
def data_dir(settings: Any, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path


@pytest.fixture
def account(cast: Cast) -> CloudAccount:
    return make.account(cast.team, account_id="1234567890", name="=main")


def made(cast: Cast, kind: str = "focus", **query: Any) -> tuple[Export, list[Row]]:
    stored = {"start": "2026-11-01", "end": "2026-12-01", "where": {}, **query}
    row = Export.objects.create(user=cast.alice, format=kind, query=stored, created_at=NOW)
    manage.make_waiting(NOW)
    row.refresh_from_db()
    assert (row.state, row.error) == ("ready", "")
    path = manage.path_of(row)
    assert path is not None
    with path.open(encoding="utf-8", newline="") as file:
        return row, list(csv.DictReader(file))


def final(account: CloudAccount, text: str = "2026-11-20") -> None:
    BillDay.objects.create(account=account, day=day(text), currency="CNY", state="final")


def item(account: CloudAccount, amount: str, cloud_id: str = "", **fields: Any) -> BillItem:
    values: dict[str, Any] = {
        "account": account,
        "day": day("2026-11-20"),
        "cloud_id": cloud_id,
        "product": "eci",
        "list_amount": Decimal(amount),
        "amount": Decimal(amount),
        "currency": "CNY",
        "key": f"{cloud_id}-{amount}",
        "heard_at": NOW,
    }
    return BillItem.objects.create(**values | fields)


def various(account: CloudAccount) -> None:
    """One of everything: spot, GPU, corrections, odd labels, a zone that is unknown."""
    usage(account, seconds=1)
    usage(account, tier="spot", seconds=86399, per_hour="0.07", zone="", labels={})
    usage(account, type="ecs.gn5-c4g1.xlarge", gpu=1, storage=40, spec="ecs.gn5-c4g1.xlarge")
    taken_back(usage(account, labels={"a/b": '"x", =y'}, estimated=True, bound_seconds=9))
    billed = usage(account, start=START - timedelta(days=1))
    final(account, "2026-11-19")
    item(account, "0.51", billed.cloud_id, day=day("2026-11-19"))
    taken_back(billed)
    item(account, "-0.01", product="rounding", day=day("2026-11-19"), region="cn-hangzhou")


def test_every_column_of_the_specification_is_there_or_not_applicable() -> None:
    assert len(SPEC) == 57
    wanted = {name for name, column in SPEC.items() if column.get("unless") not in ABSENT}
    ours = [name for name in focus.COLUMNS if not name.startswith("x_")]
    assert set(ours) == wanted
    assert not any(SPEC[name]["level"] == "mandatory" for name in set(SPEC) - wanted)
    # "FOCUS columns first, custom columns after"; each alphabetically.
    assert list(focus.COLUMNS) == [*sorted(ours), *sorted(set(focus.COLUMNS) - set(ours))]
    assert all(re.fullmatch(r"(x_)?[A-Z][A-Za-z0-9]{1,49}", name) for name in focus.COLUMNS)


@pytest.mark.parametrize("name", sorted(set(SPEC) & set(focus.COLUMNS)))
def test_every_cell_is_as_its_column_is_specified(
    cast: Cast, account: CloudAccount, name: str
) -> None:
    various(account)
    _, rows = made(cast)
    assert len(rows) == 8
    for row in rows:
        assert complaints(SPEC[name], row[name], row) == [], row


def complaints(column: dict[str, Any], cell: str, row: Row) -> list[str]:
    found = []
    usual = row["ChargeCategory"] == "Usage" and row["ChargeClass"] != "Correction"
    if cell == "":
        nullable = column.get("nulls", True) and not (usual and "usage" in column)
        return [] if nullable else ["is null"]
    if not TYPES[column["type"]].match(cell):
        found.append(f"is no {column['type']}")
    if "values" in column and cell not in column["values"]:
        found.append("is not allowed")
    if "least" in column and Decimal(cell) < Decimal(column["least"]):
        found.append("is too small")
    if usual and column.get("usage") == "positive" and Decimal(cell) <= 0:
        found.append("is not positive")
    if "with" in column and not row[column["with"]]:
        found.append(f"stands without {column['with']}")
    if column["type"] == "json" and not isinstance(json.loads(cell), dict):
        found.append("is no object")
    if "product" in column and row[column["product"][0]]:
        price, quantity = (Decimal(row[one]) for one in column["product"])
        if abs(price * quantity - Decimal(cell)) > ROUNDING:
            found.append("is not price times quantity")
    return found


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("BilledCost", ""),
        ("BilledCost", "1e-8"),
        ("BilledCost", "'-1"),
        ("ChargeCategory", "usage"),
        ("BillingPeriodStart", "2026-11-01"),
        ("ListUnitPrice", "-1"),
        ("ConsumedQuantity", "0"),
        ("SkuId", ""),
        ("Tags", "{]"),
        ("ContractedCost", "0.50001"),
    ],
)
def test_the_check_finds_what_is_wrong(
    cast: Cast, account: CloudAccount, name: str, cell: str
) -> None:
    usage(account)
    _, (row,) = made(cast)
    assert complaints(SPEC[name], row[name], row) == []
    try:
        assert complaints(SPEC[name], cell, {**row, name: cell})
    except json.JSONDecodeError:
        assert name == "Tags"


def test_periods_are_those_of_the_bill_in_utc(cast: Cast, account: CloudAccount) -> None:
    usage(account)
    _, (row,) = made(cast)
    period = (row["BillingPeriodStart"], row["BillingPeriodEnd"])
    assert period == ("2026-10-31T16:00:00Z", "2026-11-30T16:00:00Z")
    assert (row["ChargePeriodStart"], row["PricingQuantity"]) == (
        "2026-11-20T02:00:00Z",
        "1.000000000000",
    )


def test_the_cost_is_our_estimate_until_the_bill_is_final_then_the_bills(
    cast: Cast, account: CloudAccount
) -> None:
    first = usage(account, seconds=1800, cloud_id="eci-x", pod_uid="u")
    later = first.end
    usage(account, seconds=1800, cloud_id="eci-x", start=later, kind="orphan")
    bills = [item(account, "0.17", "eci-x"), item(account, "0.163", "eci-x", item="memory")]
    bills.append(item(account, "-0.003", product="coupon"))
    _, before = made(cast)
    assert [row["BilledCost"] for row in before] == ["0.25000000", "0.25000000"]
    assert {row["x_BillState"] for row in before} == {"estimated"}
    final(account)
    _, after = made(cast)
    assert sum(Decimal(row["BilledCost"]) for row in after) == sum(b.amount for b in bills)
    assert [row["ChargeCategory"] for row in after] == ["Usage", "Usage", "Adjustment"]
    assert [row["EffectiveCost"] for row in after] == [row["BilledCost"] for row in after]
    assert [row["ContractedCost"] for row in after][:2] == ["0.25000000", "0.25000000"]


def test_a_correction_is_one_only_of_what_was_invoiced(cast: Cast, account: CloudAccount) -> None:
    line = usage(account)
    taken_back(line)
    _, rows = made(cast)
    assert [(r["ChargeCategory"], r["ChargeClass"]) for r in rows] == [
        ("Usage", ""),
        ("Adjustment", ""),
    ]
    assert sum(Decimal(row["BilledCost"]) for row in rows) == 0
    final(account)
    _, rows = made(cast)
    assert [row["ChargeClass"] for row in rows] == ["", "Correction"]


def test_unpriced_lines_are_counted_not_written_as_nothing(
    cast: Cast, account: CloudAccount
) -> None:
    usage(account)
    usage(account, currency="", per_hour="0", list_per_hour="0")
    export, rows = made(cast)
    assert (len(rows), export.rows, export.query["unpriced"]) == (1, 1, 1)
    _, own = made(cast, "usage")
    assert sorted((row["currency"], row["amount"]) for row in own) == [
        ("", ""),
        ("CNY", "0.50000000"),
    ]
