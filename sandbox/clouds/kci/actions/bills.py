"""The billing API ``bill-union``: products, and bills of instances and items.

Names: ``sdk-java`` and ``sdk-go``, bill_union; API reference, QueryItemBills. Amounts are text.
"""

import re
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from itertools import groupby

from .. import view
from ..billing import Charge, days, items
from ..errors import invalid
from ..packages import SPOT
from ..wire import Json, Request
from .base import Call, Nothing

CODE, NAME = "KCI", "容器实例"
PRODUCTS = (("KEC", "云服务器"), (CODE, NAME), ("EBS", "云硬盘"))
REAL_TIME = 1
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])")
_ITEMS = {"cpu": ("CPU", "核*秒"), "memory": ("内存", "GB*秒"), "gpu": ("GPU", "卡*秒")}
EXACT = Decimal("0.000001")


class InstanceConsume(Request):
    """Days of one month, a page of at most 200."""

    start_day: str
    end_day: str
    product_code: str = ""
    page: int = 1
    size: int = 20


class InstanceSummary(Request):
    """A month ``yyyy-MM``."""

    bill_month: str
    product_code: str = ""
    page: int = 1
    size: int = 20


class ItemBills(Request):
    """A month ``yyyyMM``, from after ``last_sort_value`` on, at most 1000."""

    customer_bill_month: int
    product_group_code: str = ""
    pay_type: int | None = None
    instance_id: str = ""
    sub_account_id: int | None = None
    size: int = 20
    last_sort_value: str = ""


def product_groups(_call: Call, _asked: Nothing) -> Json:
    """ListProductGroups."""
    rows = [
        {"Id": number, "Code": code, "Name": name, "EnName": code}
        for number, (code, name) in enumerate(PRODUCTS, 1)
    ]
    return {"Success": True, "Data": rows}


def product_codes(_call: Call, _asked: Nothing) -> Json:
    """DescribeProductCode."""
    return {"ProductGroupSet": [{"Key": code, "Value": name} for code, name in PRODUCTS]}


def instance_consume(call: Call, asked: InstanceConsume) -> Json:
    """QueryInstanceConsume: each instance's charge of each day."""
    for name in ("start_day", "end_day"):
        if not _DAY.fullmatch(getattr(asked, name)):
            raise invalid(name.title().replace("_", ""))
    start, end = date.fromisoformat(asked.start_day), date.fromisoformat(asked.end_day)
    if (start.year, start.month) != (end.year, end.month) or start > end:
        raise invalid("EndDay", "Days of one month are expected.")
    if not 1 <= asked.size <= 200 or asked.page < 1:
        raise invalid("Size", "Expected 1 to 200.")
    wanted = [] if asked.product_code not in {"", CODE} else list(days(call.cloud, call.now))
    rows = [_daily(call, c) for c in sorted(wanted, key=_order) if start <= c.day <= end]
    at = (asked.page - 1) * asked.size
    data = {"page": asked.page, "size": asked.size, "total": len(rows)}
    return {"Success": True, "Data": {**data, "bills": rows[at : at + asked.size]}}


def instance_summary(call: Call, asked: InstanceSummary) -> Json:
    """DescribeInstanceSummaryBills: each instance's charge of a month."""
    if not _MONTH.fullmatch(asked.bill_month):
        raise invalid("BillMonth")
    wanted = [] if asked.product_code not in {"", CODE} else list(days(call.cloud, call.now))
    month = [charge for charge in wanted if f"{charge.day:%Y-%m}" == asked.bill_month]
    month.sort(key=lambda charge: charge.instance)
    each = groupby(month, key=lambda charge: charge.instance)
    rows = [_summary(call, asked.bill_month, list(charges)) for _, charges in each]
    at = (asked.page - 1) * asked.size
    return {
        "PageNum": asked.page,
        "PageSize": asked.size,
        "TotalCount": len(rows),
        "CustomerId": int(call.cloud.account_id),
        "Email": "",
        "SummaryOverview": rows[at : at + asked.size],
    }


def item_bills(call: Call, asked: ItemBills) -> Json:
    """QueryItemBills: vCPU, memory and cards of each instance and day, after a cursor."""
    if not 1 <= asked.size <= 1000:
        raise invalid("Size", "Expected 1 to 1000.")
    wanted = [c for c in items(call.cloud, call.now) if _chosen(c, asked)]
    rows = sorted(wanted, key=_order)
    left = [c for c in rows if _cursor(c) > asked.last_sort_value]
    page = left[: asked.size]
    last = _cursor(page[-1]) if page else ""
    return {"Data": {"Bills": [_item(call, c) for c in page], "LastSortValue": last}}


def _chosen(charge: Charge, asked: ItemBills) -> bool:
    return (
        f"{charge.day:%Y%m}" == str(asked.customer_bill_month)
        and asked.product_group_code in {"", CODE}
        and asked.pay_type in {None, REAL_TIME}
        and asked.instance_id in {"", charge.instance}
    )


def _order(charge: Charge) -> tuple[date, str, str]:
    return charge.day, charge.instance, charge.item


def _cursor(charge: Charge) -> str:
    return f"{charge.day:%Y%m%d}_{charge.instance}_{charge.item}"


def _text(amount: Decimal) -> str:
    return f"{amount.quantize(EXACT).normalize():f}"


def _daily(call: Call, charge: Charge) -> Json:
    served, group = charge.served, charge.group
    return {
        "id": f"{charge.day:%Y%m%d}-{charge.instance}",
        "userId": int(call.cloud.account_id),
        "billMonth": int(f"{charge.day:%Y%m}"),
        "customerBillMonth": int(f"{charge.day:%Y%m}"),
        "billDay": int(f"{charge.day:%Y%m%d}"),
        "billStartTime": view.stamp(served.since),
        "billEndTime": view.stamp(served.until),
        "instanceId": charge.instance,
        "instanceName": charge.name,
        "productTypeId": 1,
        "productTypeName": NAME,
        "productGroupId": 2,
        "productGroupName": NAME,
        "payType": REAL_TIME,
        "payTypeName": "实时付费",
        "billTypeName": "竞价" if group and group.request["ChargeType"] == SPOT else "按量付费",
        "billRealAmount": _text(served.amount),
        "originalAmount": _text(served.gross),
        "currencyCode": "RMB",
        "regionCode": call.cloud.region,
        "regionName": "华北1（北京）",
        "availabilityZone": group.zone if group else "",
        "projectId": group.request.get("ProjectId", 0) if group else 0,
        "duration": str(served.seconds),
        "durationNumber": served.seconds,
    }


def _summary(call: Call, month: str, charges: Iterable[Charge]) -> Json:
    rows = list(charges)
    whole = rows[0].served
    for charge in rows[1:]:
        whole.add(charge.served)
    return {
        "BillMonth": month,
        "CustomerBillMonth": month,
        "ProductName": NAME,
        "ProductSubTyeName": NAME,
        "InstanceId": rows[0].instance,
        "InstanceName": rows[0].name,
        "Currency": "RMB",
        "DetailBillStartTime": view.stamp(whole.since),
        "DetailBillEndTime": view.stamp(whole.until),
        "PayMode": "按量付费",
        "RegionName": call.cloud.region,
        "ZoneName": rows[0].group.zone if rows[0].group else "",
        "Duration": str(whole.seconds),
        "Cost": _text(whole.gross),
        "RealCost": _text(whole.amount),
    }


def _item(call: Call, charge: Charge) -> Json:
    served, (name, unit) = charge.served, _ITEMS[charge.item]
    return {
        "CustomerBillMonth": int(f"{charge.day:%Y%m}"),
        "BillMonth": int(f"{charge.day:%Y%m}"),
        "UserId": int(call.cloud.account_id),
        "productGroupName": NAME,
        "productTypeName": NAME,
        "payTypeName": "实时付费",
        "InstanceId": charge.instance,
        "InstanceName": charge.name,
        "RegionName": call.cloud.region,
        "AvailabilityZone": charge.group.zone if charge.group else "",
        "BillStartTime": view.stamp(served.since),
        "BillEndTime": view.stamp(served.until),
        "Duration": str(served.seconds),
        "DurationUnit": "秒",
        "ItemName": name,
        "BillItemValue": _text(served.usage),
        "BillItemUnit": unit,
        "Cost": _text(served.gross),
        "RealCost": _text(served.amount),
    }
