"""What Alibaba Cloud charges: the instance bill of a day, item by item.

Sources: Expenses and Costs API reference 2017-12-14, DescribeInstanceBill (data comes a day late; a
month is final from 12:00 of the third day of the next one, UTC+8; ten calls a second), and package
`alibabacloud-bssopenapi20171214` 5.1.2 for the names on the wire. ECI help, "Billing of elastic
container instances": amounts are rounded to cents for each hour, and what is less than half a cent
is left out. The product code of ACS is in no public text: `acs` is taken.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Awaitable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Protocol

from providers.bill import Bill, BillLine, Rounding
from providers.calendar import day_start, month_end, month_of
from providers.errors import AccountTrouble, ProviderError, Unavailable

GRANT = "bssapi:DescribeInstanceBill"
PRODUCT, ACTION = GRANT.split(":")
CODES = ("eci", "acs")
ROUNDING = Rounding(unit=Decimal("0.01"), least=Decimal("0.005"))
_LATE = timedelta(hours=24)
_FINAL = timedelta(days=2, hours=12)
_DAY = timedelta(days=1)
_PAGE = 300
_MAX_PAGES = 2000
_SECONDS = {
    **dict.fromkeys(("秒", "second", "seconds", "s"), 1),
    **dict.fromkeys(("分", "分钟", "minute", "minutes"), 60),
    **dict.fromkeys(("时", "小时", "hour", "hours", "h"), 3600),
    **dict.fromkeys(("天", "日", "day", "days"), 86400),
}
_IDENTITY = (
    "BillingDate",
    "ProductCode",
    "CommodityCode",
    "SubscriptionType",
    "Item",
    "InstanceID",
    "BillingItemCode",
    "BillingItem",
    "Region",
    "ListPrice",
)


class Read(Protocol):
    """A call without effect, as `providers.eci.calls.Calls.read`."""

    def __call__(
        self, action: str, parameters: Any, *, product: str
    ) -> Awaitable[dict[str, Any]]: ...


async def bill(read: Read, day: date, *, now: datetime, codes: Sequence[str] = CODES) -> Bill:
    """The bill of `day`; `codes` are the products asked for. Complete or raises."""
    items: list[Mapping[str, Any]] = []
    for code in codes:
        items += await _pages(read, day, code)
    return Bill(
        day=day,
        lines=tuple(_lines(day, items)),
        complete=now >= day_start(day + _DAY) + _LATE,
        final=now >= month_end(day) + _FINAL,
        rounding=ROUNDING,
    )


async def allowed(read: Read, now: datetime) -> str:
    """The request id of the least call that shows that a key may read bills; raises otherwise."""
    month = f"{month_of(now):%Y-%m}"
    least = {"BillingCycle": month, "ProductCode": CODES[0], "MaxResults": 1}
    answer = await read(ACTION, least, product=PRODUCT)
    _data(answer)
    return str(answer.get("RequestId") or "")


async def _pages(read: Read, day: date, code: str) -> list[Mapping[str, Any]]:
    asked: dict[str, Any] = {
        "BillingCycle": f"{day:%Y-%m}",
        "BillingDate": day.isoformat(),
        "Granularity": "DAILY",
        "IsBillingItem": True,
        "ProductCode": code,
        "MaxResults": _PAGE,
    }
    found: list[Mapping[str, Any]] = []
    seen: set[str] = set()
    for _ in range(_MAX_PAGES):
        data = _data(await read(ACTION, asked, product=PRODUCT))
        found += data.get("Items") or ()
        token = str(data.get("NextToken") or "")
        if not token:
            return _whole(found, data)
        if token in seen:
            raise Unavailable(f"{ACTION}: a page repeats", code="PageRepeats")
        seen.add(token)
        asked["NextToken"] = token
    raise Unavailable(f"{ACTION}: more than {_MAX_PAGES} pages", code="TooManyPages")


def _whole(found: list[Mapping[str, Any]], data: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    total = data.get("TotalCount")
    if total is not None and int(total) != len(found):
        told = f"{ACTION}: {len(found)} lines of {total} came; the bill changed meanwhile"
        raise Unavailable(told, code="BillChanged")
    return found


def _data(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    """The part `Data`; this product also refuses with HTTP 200 and `Success: false`."""
    if answer.get("Success") is False:
        code, request_id = str(answer.get("Code") or ""), str(answer.get("RequestId") or "")
        raise _kind(code)(str(answer.get("Message") or code), code=code, request_id=request_id)
    data = answer.get("Data")
    if not isinstance(data, Mapping):
        raise Unavailable(f"{ACTION}: the answer has no Data", code="NoData")
    return data


def _kind(code: str) -> type[ProviderError]:
    plain = code.lower()
    denied = ("notauth", "nopermission", "forbidden", "notapplicable", "denied")
    return AccountTrouble if any(word in plain for word in denied) else Unavailable


def _lines(day: date, items: Sequence[Mapping[str, Any]]) -> list[BillLine]:
    same: Counter[str] = Counter()
    lines = []
    for item in items:
        text = "\n".join(str(item.get(name) or "") for name in _IDENTITY)
        same[text] += 1
        key = hashlib.sha256(f"{text}\n{same[text]}".encode()).hexdigest()
        lines.append(_line(key, day, item))
    return lines


def _line(key: str, day: date, item: Mapping[str, Any]) -> BillLine:
    return BillLine(
        key=key,
        cloud_id=str(item.get("InstanceID") or ""),
        product=str(item.get("ProductCode") or ""),
        item=str(item.get("BillingItemCode") or item.get("BillingItem") or ""),
        day=day,
        list_amount=_money(item, "PretaxGrossAmount"),
        amount=_money(item, "PretaxAmount"),
        currency=str(item.get("Currency") or ""),
        region=str(item.get("Region") or ""),
        zone=str(item.get("Zone") or ""),
        name=str(item.get("NickName") or ""),
        usage=_number(item.get("Usage")),
        usage_unit=str(item.get("UsageUnit") or ""),
        seconds=_period(item),
        raw=dict(item),
    )


def _period(item: Mapping[str, Any]) -> int | None:
    factor = _SECONDS.get(str(item.get("ServicePeriodUnit") or "").strip().lower())
    served = _number(item.get("ServicePeriod"))
    return None if factor is None or served is None else int(served * factor)


def _money(item: Mapping[str, Any], name: str) -> Decimal:
    amount = _number(item.get(name))
    if amount is None:
        raise Unavailable(f"{ACTION}: a line without a readable {name}", code="UnreadableBill")
    return amount


def _number(value: Any) -> Decimal | None:
    """Numbers come as JSON numbers or as text."""
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
