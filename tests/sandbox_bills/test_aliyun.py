"""The instance bill as the official client reads it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from alibabacloud_bssopenapi20171214 import models as bss
from alibabacloud_bssopenapi20171214.client import Client
from alibabacloud_tea_openapi import models as open_api
from darabonba.exceptions import DaraException

from sandbox.clouds.billing import day_of
from sandbox.clouds.eci import meter
from tests.sandbox_bills.clouds import Aliyun, yesterday


def client(aliyun: Aliyun, note: str = "full access", algorithm: str | None = None) -> Client:
    key, secret = aliyun.pair(note)
    return Client(
        open_api.Config(
            access_key_id=key,
            access_key_secret=secret,
            endpoint=aliyun.url.removeprefix("http://"),
            protocol="http",
            region_id="cn-hangzhou",
            signature_algorithm=algorithm,
        )
    )


async def bill(aliyun: Aliyun, using: Client | None = None, **asked: Any) -> list[Any]:
    """Every page of a day's bill, item by item."""
    fields: dict[str, Any] = {
        "billing_cycle": f"{aliyun.day:%Y-%m}",
        "billing_date": aliyun.day.isoformat(),
        "granularity": "DAILY",
        "is_billing_item": True,
        "max_results": 3,
        **asked,
    }
    found: list[Any] = []
    while True:
        request = bss.DescribeInstanceBillRequest(**fields)
        answer = await (using or client(aliyun)).describe_instance_bill_async(request)
        assert answer.body.success
        found += answer.body.data.items
        fields["next_token"] = answer.body.data.next_token
        if not fields["next_token"]:
            assert answer.body.data.total_count == len(found)
            return found


def amounts(rows: list[Any]) -> Mapping[tuple[str, str], tuple[int, str]]:
    return {
        (row.instance_id, row.billing_item_code): (
            int(row.service_period),
            str(row.pretax_amount),
        )
        for row in rows
    }


async def test_each_hour_of_each_item_is_made_cents_and_the_day_adds_them_up(
    aliyun: Aliyun,
) -> None:
    group = aliyun.ran(yesterday(10, 20, 34), 5000, Cpu=2.0, Memory=4.0)
    seconds = meter.billed_seconds(group, aliyun.clock())
    assert seconds == 5000
    assert amounts(await bill(aliyun)) == {
        (group.id, "cpu"): (seconds, "0.49"),
        (group.id, "mem"): (seconds, "0.12"),
    }
    gross = {row.billing_item_code: row.pretax_gross_amount for row in await bill(aliyun)}
    assert gross == {"cpu": 0.49, "mem": 0.1226}


async def test_what_comes_to_less_than_half_a_cent_is_left_out(aliyun: Aliyun) -> None:
    at = yesterday(10, 59, 0)
    group = aliyun.ran(at, 60 + 1800, Cpu=1.0, Memory=2.0)
    assert amounts(await bill(aliyun)) == {
        (group.id, "cpu"): (1800, "0.09"),
        (group.id, "mem"): (1800, "0.02"),
    }


async def test_a_machine_type_has_one_item_and_storage_another(aliyun: Aliyun) -> None:
    group = aliyun.ran(yesterday(), 3600, InstanceType="ecs.c5.large", EphemeralStorage=100)
    assert {row.billing_item_code for row in await bill(aliyun)} == {"instance_type", "systemdisk"}
    by_instance = await bill(aliyun, is_billing_item=False, granularity="MONTHLY")
    assert [(row.instance_id, row.billing_item) for row in by_instance] == [(group.id, None)]


async def test_an_hour_is_billed_an_hour_after_its_end_or_early_by_a_knob(aliyun: Aliyun) -> None:
    now = aliyun.clock()
    group = aliyun.ran(now - 1200, 1000, Cpu=2.0, Memory=4.0)
    today = {"billing_cycle": "", "billing_date": "", "granularity": "MONTHLY"}
    today["billing_cycle"] = f"{day_of(int(now - 100)):%Y-%m}"
    assert await bill(aliyun, **today) == []
    aliyun.turn(bill_early=True)
    rows = await bill(aliyun, **today)
    assert sum(int(r.service_period) for r in rows if r.billing_item_code == "cpu") == 1000
    assert {row.instance_id for row in rows} == {group.id}


async def test_acs_is_a_product_of_its_own(aliyun: Aliyun) -> None:
    pod = aliyun.pod(yesterday(), 3600)
    aliyun.ran(yesterday(), 3600, Cpu=2.0, Memory=4.0)
    rows = await bill(aliyun, product_code="acs")
    assert amounts(rows) == {(pod.id, "cpu"): (3600, "0.12"), (pod.id, "mem"): (3600, "0.12")}
    assert {row.product_code for row in await bill(aliyun)} == {"eci", "acs"}


async def test_storage_beyond_the_free_part_is_an_item_of_acs(aliyun: Aliyun) -> None:
    pod = aliyun.pod(yesterday(), 3600, storage=40)
    assert amounts(await bill(aliyun))[pod.id, "systemdisk"] == (3600, "0.02")


async def test_a_contract_lines_left_out_and_lines_of_nobody(aliyun: Aliyun) -> None:
    kept = aliyun.ran(yesterday(), 3600, Cpu=2.0, Memory=4.0)
    gone = aliyun.ran(yesterday(12), 3600, Cpu=2.0, Memory=4.0)
    extra = {
        "BillingDate": aliyun.day.isoformat(),
        "InstanceID": "eci-nobody",
        "PretaxAmount": "1.25",
        "ServicePeriod": "3600",
    }
    aliyun.turn(bill_discount="0.5", bill_missing=[gone.id], bill_extra=[extra])
    assert amounts(await bill(aliyun)) == {
        (kept.id, "cpu"): (3600, "0.18"),
        (kept.id, "mem"): (3600, "0.04"),
        ("eci-nobody", "cpu"): (3600, "1.25"),
    }


async def test_a_key_needs_the_grant_and_v1_signatures_are_understood(aliyun: Aliyun) -> None:
    aliyun.ran(yesterday(), 3600)
    assert await bill(aliyun, client(aliyun, algorithm="v2"))
    with pytest.raises(DaraException) as refused:
        await bill(aliyun, client(aliyun, "no permission"))
    assert refused.value.code == "NoPermission"


async def test_a_page_begins_where_a_token_says_and_nowhere_else(aliyun: Aliyun) -> None:
    aliyun.ran(yesterday(), 3600)
    with pytest.raises(DaraException) as refused:
        await bill(aliyun, next_token="at-99")
    assert refused.value.code == "InvalidParameter.NextToken"
    assert Decimal("0.35") == sum(
        Decimal(str(row.pretax_amount))
        for row in await bill(aliyun)
        if row.billing_item_code == "cpu"
    )
