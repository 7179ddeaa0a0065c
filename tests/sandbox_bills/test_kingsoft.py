"""The billing API of Kingsoft Cloud as the official client reads it."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from typing import Any

import pytest
from ksyun.client.bill_union.v20200101 import client as products
from ksyun.client.bill_union.v20200101 import models as product_models
from ksyun.client.bill_union.v20221222 import client as daily
from ksyun.client.bill_union.v20221222 import models as daily_models
from ksyun.client.bill_union.v20250801 import client as items
from ksyun.client.bill_union.v20250801 import models as item_models
from ksyun.common.credential import Credential
from ksyun.common.exception.ksyun_sdk_exception import KsyunSDKException
from ksyun.common.profile.client_profile import ClientProfile
from ksyun.common.profile.http_profile import HttpProfile

from sandbox.clouds.groups import meter
from tests.sandbox_bills.clouds import Kingsoft, yesterday

PAIRS = ((products, product_models), (daily, daily_models), (items, item_models))


async def ask(kingsoft: Kingsoft, action: str, note: str = "full access", **asked: Any) -> Any:
    """Call an action of whichever version has it, in a thread."""
    client, models = next(pair for pair in PAIRS if hasattr(pair[0].Bill_unionClient, action))
    request = getattr(models, f"{action}Request")()
    for name, value in asked.items():
        assert hasattr(request, name), f"the SDK knows no {name}"
        setattr(request, name, value)
    endpoint = kingsoft.gateway.url.removeprefix("http://")
    profile = ClientProfile(httpProfile=HttpProfile(protocol="http", endpoint=endpoint))
    made = client.Bill_unionClient(Credential(*kingsoft.pair(note)), "cn-shanghai-3", profile)
    return json.loads(await asyncio.to_thread(getattr(made, action), request))


async def test_products_are_listed_by_code(kingsoft: Kingsoft) -> None:
    groups = (await ask(kingsoft, "ListProductGroups"))["Data"]
    codes = (await ask(kingsoft, "DescribeProductCode"))["ProductGroupSet"]
    assert "KCI" in {group["Code"] for group in groups}
    assert "KCI" in {group["Key"] for group in codes}


async def test_a_day_of_an_instance_is_the_sum_of_its_hours_in_cents(kingsoft: Kingsoft) -> None:
    group = kingsoft.ran(yesterday(10, 30), 3600)
    short = kingsoft.ran(yesterday(12), 5, "short")
    kingsoft.ran(yesterday(13), 3600, "third")
    day = kingsoft.day.isoformat()
    asked = {"StartDay": day, "EndDay": day, "ProductCode": "KCI", "Size": 2}
    pages = [(await ask(kingsoft, "QueryInstanceConsume", Page=n, **asked)) for n in (1, 2)]
    rows = {row["instanceId"]: row for page in pages for row in page["Data"]["bills"]}
    assert pages[0]["Data"]["total"] == len(rows) == 3
    assert rows[group.id]["duration"] == str(meter.billed_seconds(group, kingsoft.clock()))
    # 2 vCPU and 4 GiB for an hour are 0.4608: two half hours of 0.2304, each 0.23.
    assert (rows[group.id]["originalAmount"], rows[group.id]["billRealAmount"]) == (
        "0.4608",
        "0.46",
    )
    assert rows[short.id]["billRealAmount"] == "0.01"
    assert rows[short.id]["billDay"] == int(f"{kingsoft.day:%Y%m%d}")


async def test_days_of_two_months_are_refused(kingsoft: Kingsoft) -> None:
    with pytest.raises(KsyunSDKException) as refused:
        await ask(kingsoft, "QueryInstanceConsume", StartDay="2026-01-31", EndDay="2026-02-01")
    assert "InvalidParameterValue" in str(refused.value)


async def test_a_month_and_its_items_agree_with_the_days(kingsoft: Kingsoft) -> None:
    group = kingsoft.ran(yesterday(10), 7200)
    month = f"{kingsoft.day:%Y-%m}"
    summary = await ask(kingsoft, "DescribeInstanceSummaryBills", BillMonth=month, Page=1, Size=10)
    row = summary["SummaryOverview"][0]
    assert (row["InstanceId"], row["Duration"], row["RealCost"]) == (group.id, "7200", "0.92")
    seen, cursor = [], ""
    while True:
        answer = await ask(
            kingsoft,
            "QueryItemBills",
            CustomerBillMonth=int(month.replace("-", "")),
            ProductGroupCode="KCI",
            PayType=1,
            Size=1,
            LastSortValue=cursor or None,
        )
        if not answer["Data"]["Bills"]:
            break
        seen += answer["Data"]["Bills"]
        cursor = answer["Data"]["LastSortValue"]
    assert [bill["ItemName"] for bill in seen] == ["CPU", "内存"]
    assert sum(Decimal(bill["Cost"]) for bill in seen) == Decimal(row["Cost"])


async def test_lines_left_out_and_lines_of_nobody_and_no_grant(kingsoft: Kingsoft) -> None:
    gone = kingsoft.ran(yesterday(), 3600)
    extra = {"billDay": kingsoft.day.isoformat(), "instanceId": "x", "billRealAmount": "2.5"}
    kingsoft.turn(bill_missing=[gone.id], bill_extra=[extra])
    day = kingsoft.day.isoformat()
    found = await ask(kingsoft, "QueryInstanceConsume", StartDay=day, EndDay=day)
    assert [row["instanceId"] for row in found["Data"]["bills"]] == ["x"]
    with pytest.raises(KsyunSDKException) as refused:
        await ask(kingsoft, "QueryInstanceConsume", "no permission", StartDay=day, EndDay=day)
    assert "AccessDenied" in str(refused.value)
