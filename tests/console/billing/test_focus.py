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
NOW = datetime(2026, 11, 21, 4, tzinfo=UTC)
# Of a product, as the FinOps Foundation's validator has it: relative, absolute below one.
CLOSE = Decimal("1e-9")
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


def test_every_column_of_the_specification_is_there() -> None:
    levels = [column["level"] for column in SPEC.values()]
    assert (len(SPEC), levels.count("mandatory"), levels.count("recommended")) == (57, 21, 4)
    ours = [name for name in focus.COLUMNS if not name.startswith("x_")]
    # "FOCUS columns first, custom columns after"; each alphabetically.
    assert ours == sorted(SPEC)
    assert list(focus.COLUMNS) == [*ours, *sorted(set(focus.COLUMNS) - set(ours))]
    assert all(re.fullmatch(r"(x_)?[A-Z][A-Za-z0-9]{1,49}", name) for name in focus.COLUMNS)


@pytest.mark.parametrize("name", sorted(SPEC))
def test_every_cell_is_as_its_column_is_specified(
    cast: Cast, account: CloudAccount, name: str
) -> None:
    various(account)
    _, rows = made(cast)
    assert len(rows) == 8
    for row in rows:
        assert complaints(SPEC[name], row[name], row) == [], row


def complaints(column: dict[str, Any], cell: str, row: Row) -> list[str]:
    found = _nulls(column, cell, row)
    if cell == "":
        return found
    if not TYPES[column["type"]].match(cell):
        return [*found, f"is no {column['type']}"]
    if "values" in column and cell not in column["values"]:
        found.append("is not allowed")
    if "least" in column and Decimal(cell) < Decimal(column["least"]):
        found.append("is too small")
    if column["type"] == "json":
        found += _members(column, json.loads(cell))
    if "product" in column:
        found += _costs(column, Decimal(cell), row)
    return found


def _nulls(column: dict[str, Any], cell: str, row: Row) -> list[str]:
    usage = row["ChargeCategory"] == "Usage"
    needed = usage and row["ChargeClass"] != "Correction" and "usage" in column
    rules = {
        "is null": not cell and (needed or not column.get("nulls", True)),
        "is of usage only": cell and "only" in column and not usage,
        "stands without its pair": cell and not row[column.get("with", "ChargeCategory")],
        "is not null with its pair": "same" in column and bool(cell) != bool(row[column["same"]]),
    }
    return [text for text, broken in rules.items() if broken]


def _members(column: dict[str, Any], given: Any) -> list[str]:
    if not isinstance(given, dict):
        return ["is no object"]
    known = column.get("keys", given)
    odd = {name for name in given if name not in known and not name.startswith("x_")}
    nested = any(isinstance(value, (dict, list)) for value in given.values())
    return [*(f"has the key {name}" for name in odd), *(["holds another object"] if nested else [])]


def _costs(column: dict[str, Any], cost: Decimal, row: Row) -> list[str]:
    price, quantity = (row[one] for one in column["product"])
    if not price:
        return [] if cost == Decimal(row[column["alone"]]) else [f"is not {column['alone']}"]
    if not quantity or row["ChargeClass"] == "Correction":
        return []
    off = abs(Decimal(price) * Decimal(quantity) - cost)
    return [] if off <= CLOSE * max(abs(cost), Decimal(1)) else ["is not price times quantity"]


@pytest.mark.parametrize("name", [name for name in SPEC if "parent" in SPEC[name]])
def test_a_value_has_one_parent(cast: Cast, account: CloudAccount, name: str) -> None:
    various(account)
    _, rows = made(cast)
    parents: dict[str, set[str]] = {}
    for row in rows:
        parents.setdefault(row[name], set()).add(row[SPEC[name]["parent"]])
    assert all(len(found) == 1 for found in parents.values())


def test_regions_have_names_where_their_cloud_gives_them(cast: Cast, account: CloudAccount) -> None:
    usage(account)
    usage(account, provider="kci", region="cn-beijing-6")
    _, rows = made(cast)
    assert [(row["RegionId"], row["RegionName"]) for row in rows] == [
        ("cn-hangzhou", "China (Hangzhou)"),
        ("cn-beijing-6", "cn-beijing-6"),
    ]


def test_spot_is_the_same_sku_at_another_price(cast: Cast, account: CloudAccount) -> None:
    usage(account)
    usage(account, tier="spot", per_hour="0.1")
    usage(account, storage=40)
    _, rows = made(cast)
    assert len({row["SkuId"] for row in rows}) == 1
    assert len({row["SkuPriceId"] for row in rows}) == 3
    assert [row["PricingCategory"] for row in rows] == ["Standard", "Dynamic", "Standard"]


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("BilledCost", ""),
        ("BilledCost", "1e-8"),
        ("BilledCost", "'-1"),
        ("ChargeCategory", "usage"),
        ("BillingPeriodStart", "2026-11-01"),
        ("ListUnitPrice", "-1"),
        ("ConsumedQuantity", ""),
        ("ConsumedUnit", ""),
        ("SkuPriceDetails", '{"F_CoreCount": 2}'),
        ("SkuPriceDetails", '{"CoreCount": [2]}'),
        ("RegionName", ""),
        ("SkuId", ""),
        ("Tags", "{]"),
        ("ContractedCost", "0.50000001"),
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
    assert [Decimal(row["ContractedCost"]) for row in after][:2] == [Decimal("0.25")] * 2
    assert (after[2]["ListCost"], after[2]["ContractedCost"]) == (after[2]["BilledCost"],) * 2


def test_what_is_taken_back_is_negative_usage(cast: Cast, account: CloudAccount) -> None:
    line = usage(account)
    taken_back(line)
    usage(account, seconds=1800, cloud_id=line.cloud_id, revision=1)
    _, rows = made(cast)
    assert {(r["ChargeCategory"], r["ChargeClass"]) for r in rows} == {("Usage", "")}
    assert [row["ConsumedQuantity"] for row in rows] == ["3600.0", "-3600.0", "1800.0"]
    assert sum(Decimal(row["BilledCost"]) for row in rows) == Decimal("0.25")
    final(account)
    _, rows = made(cast)
    assert {row["ChargeClass"] for row in rows} == {""}


def test_a_correction_is_one_only_of_what_was_invoiced(cast: Cast, account: CloudAccount) -> None:
    later = datetime(2026, 12, 4, tzinfo=UTC)
    line = usage(account)
    back = taken_back(line, "bill", created_at=later)
    usage(account, seconds=1800, cloud_id=line.cloud_id, revision=1, created_at=later)
    _, rows = made(cast)
    assert {row["ChargeClass"] for row in rows} == {""}
    final(account)
    item(account, "0.24", line.cloud_id)
    _, rows = made(cast)
    assert [row["ChargeClass"] for row in rows] == ["", "Correction", "Correction"]
    assert (rows[1]["x_LineId"], rows[1]["x_Reason"]) == (str(back.pk), "bill")
    assert sum(Decimal(row["BilledCost"]) for row in rows) == Decimal("0.24")


def test_a_filtered_file_has_its_own_part_of_the_bill(cast: Cast, account: CloudAccount) -> None:
    first = usage(account, seconds=900, cloud_id="eci-x", kind="starting")
    usage(account, seconds=2700, cloud_id="eci-x", start=first.end)
    usage(account)
    final(account)
    item(account, "0.40", "eci-x")
    item(account, "-0.01")
    parts = {
        kind: made(cast, where={"kind": [kind], "label:app": ["web"]})[1]
        for kind in ("starting", "running")
    }
    costs = {kind: sorted(Decimal(r["BilledCost"]) for r in rows) for kind, rows in parts.items()}
    assert costs == {"starting": [Decimal("0.1")], "running": [0, Decimal("0.3")]}


def test_a_refund_is_not_given_to_what_has_no_id(cast: Cast, account: CloudAccount) -> None:
    usage(account, cloud_id="", estimated=True)
    final(account)
    item(account, "-0.02")
    _, rows = made(cast)
    assert [(r["ChargeCategory"], Decimal(r["BilledCost"])) for r in rows] == [
        ("Usage", 0),
        ("Adjustment", Decimal("-0.02")),
    ]


def test_days_without_usage_have_their_bill_too(cast: Cast, account: CloudAccount) -> None:
    other = make.account(cast.other)
    for one in (account, other):
        final(one, "2026-11-18")
        item(one, "0.31", "eci-gone", day=day("2026-11-18"))
    usage(account)
    item(account, "9.99", "eci-of-a-day-that-is-not-final")
    _, rows = made(cast)
    assert [(r["ResourceId"][:8], Decimal(r["BilledCost"])) for r in rows][1:] == [
        ("eci-gone", Decimal("0.31"))
    ]
    assert made(cast, where={"namespace": ["shop"]})[1] == rows[:1]


def test_the_account_is_the_one_that_pays(cast: Cast, account: CloudAccount) -> None:
    beside = make.account(cast.team, provider="acs", account_id="", name="acs key")
    usage(account)
    usage(beside, provider="acs")
    _, rows = made(cast)
    names = {(row["BillingAccountId"], row["BillingAccountName"]) for row in rows}
    assert names == {("acs:ram::1234567890:root", "'=main")}
    make.account(cast.team, account_id="99", name="another")
    _, rows = made(cast)
    told = [row["BillingAccountId"] for row in rows]
    assert told == ["acs:ram::1234567890:root", f"credential-{beside.pk}"]


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
