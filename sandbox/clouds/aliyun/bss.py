"""BssOpenApi 2017-12-14: the instance bill (API reference, DescribeInstanceBill)."""

import re
from collections.abc import Callable, Iterable
from datetime import date
from decimal import Decimal
from typing import Any

from ..billing import EXACT, Served
from ..eci.parameters import flag, integer, required, text
from ..groups.errors import ApiFault
from .billing import NAMES, UNITS, Charge
from .rpc import BSS, Call, Handler, Json

_MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])")
_NAMES = {"eci": "弹性容器实例", "acs": "容器计算服务"}
MOST, USUAL = 300, 20


def describe_instance_bill(call: Call) -> Json:
    """Show what a month or a day cost, by instance or by billable item, a page after a token."""
    month = required(call.params, "BillingCycle")
    if not _MONTH.fullmatch(month):
        raise _wrong("BillingCycle")
    wanted = _wanted(call, month)
    charges = [charge for charge in call.bills.charges(call.now) if wanted(charge)]
    daily = _daily(call)
    rows = _rows(call, charges, daily=daily, items=flag(call.params, "IsBillingItem"))
    if flag(call.params, "IsHideZeroCharge"):
        rows = [row for row in rows if row["PretaxGrossAmount"] or row["PretaxAmount"]]
    size = integer(call.params, "MaxResults", USUAL, 1, MOST)
    at = _offset(text(call.params, "NextToken"), len(rows))
    data: Json = {
        "BillingCycle": month,
        "AccountID": call.ram.account_id,
        "AccountName": f"{call.ram.account_id}@aliyun.test",
        "TotalCount": len(rows),
        "MaxResults": size,
        "Items": rows[at : at + size],
        "NextToken": f"at-{at + size}" if at + size < len(rows) else None,
    }
    return {"Code": "Success", "Message": "Successful!", "Success": True, "Data": data}


def _daily(call: Call) -> bool:
    granularity = text(call.params, "Granularity") or "MONTHLY"
    if granularity not in {"MONTHLY", "DAILY"}:
        raise _wrong("Granularity")
    if granularity == "DAILY":
        required(call.params, "BillingDate")
    return granularity == "DAILY"


def _wanted(call: Call, month: str) -> Callable[[Charge], bool]:
    """A day of another month is ignored, as the reference says."""
    day = text(call.params, "BillingDate") if _daily(call) else ""
    if day and not day.startswith(month):
        day = ""
    product, instance = text(call.params, "ProductCode"), text(call.params, "InstanceID")

    def wanted(charge: Charge) -> bool:
        return (
            f"{charge.day:%Y-%m}" == month
            and day in {"", charge.day.isoformat()}
            and product in {"", charge.product}
            and instance in {"", charge.instance}
        )

    return wanted if text(call.params, "SubscriptionType") != "Subscription" else _nothing


def _nothing(_charge: Charge) -> bool:
    return False


def _rows(call: Call, charges: Iterable[Charge], *, daily: bool, items: bool) -> list[Json]:
    sums: dict[tuple[date | None, str, str], tuple[Charge, Served]] = {}
    for charge in charges:
        key = (charge.day if daily else None, charge.instance, charge.item if items else "")
        sums.setdefault(key, (charge, Served()))[1].add(charge.served)
    made = []
    for (day, _, item), (charge, served) in sorted(sums.items(), key=_order):
        row = _row(call, charge, served)
        row["BillingDate"] = day.isoformat() if day else None
        if item:
            row.update(_item(item, served))
        made.append(row)
    return made


def _order(entry: tuple[tuple[date | None, str, str], Any]) -> tuple[str, str, str]:
    day, instance, item = entry[0]
    return str(day or ""), instance, item


def _row(call: Call, charge: Charge, served: Served) -> Json:
    gross = served.gross.quantize(EXACT)
    return {
        "BillAccountID": call.ram.account_id,
        "OwnerID": call.ram.account_id,
        "ProductCode": charge.product,
        "ProductType": charge.product,
        "PipCode": charge.product,
        "CommodityCode": charge.product,
        "ProductName": _NAMES.get(charge.product, charge.product),
        "ProductDetail": _NAMES.get(charge.product, charge.product),
        "SubscriptionType": "PayAsYouGo",
        "Item": "PayAsYouGoBill",
        "InstanceID": charge.instance,
        "NickName": charge.name,
        "InstanceSpec": charge.spec,
        "InstanceConfig": "",
        "Region": charge.region,
        "Zone": charge.zone,
        "Tag": "",
        "ServicePeriod": str(served.seconds),
        "ServicePeriodUnit": "秒",
        "PretaxGrossAmount": float(gross),
        "InvoiceDiscount": float(gross - served.amount),
        "PretaxAmount": float(served.amount),
        "AfterDiscountAmount": float(served.amount),
        "PaymentAmount": 0.0,
        "OutstandingAmount": float(served.amount),
        "Currency": "CNY",
    }


def _item(item: str, served: Served) -> Json:
    price = served.gross / served.usage if served.usage else Decimal(0)
    return {
        "BillingItem": NAMES.get(item, item),
        "BillingItemCode": item,
        "Usage": f"{served.usage.quantize(EXACT).normalize():f}",
        "UsageUnit": UNITS.get(item, ""),
        "ListPrice": f"{price.quantize(Decimal('0.0000000001')).normalize():f}",
        "ListPriceUnit": f"元/{UNITS.get(item, '')}",
    }


def _offset(token: str, rows: int) -> int:
    if not token:
        return 0
    at = token.removeprefix("at-")
    if not at.isdecimal() or not 0 < int(at) <= rows:
        raise _wrong("NextToken")
    return int(at)


def _wrong(name: str) -> ApiFault:
    return ApiFault(f"InvalidParameter.{name}", f"The parameter {name} is wrong.")


ACTIONS: dict[tuple[str, str], Handler] = {
    (BSS, "DescribeInstanceBill"): describe_instance_bill,
}
