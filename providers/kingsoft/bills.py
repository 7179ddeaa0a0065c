"""What Kingsoft Cloud charges: each instance's bill of a day.

Sources: billing API `bill-union`, actions ListProductGroups and DescribeProductCode 2020-01-01 (the
code of a product) and QueryInstanceConsume 2022-12-22 (days of one month, at most 200 lines a
page); packages `kingsoftcloud-sdk-python` 1.5.8.114 and kingsoftcloud/sdk-java for the names, which
come with small and with capital first letters; KCI price page: seconds are settled hourly, the hour
from 10 to 11 before 12, at least 0.01 for a cycle. `duration` is in seconds where it names no unit
(DescribeInstanceSummaryBills). Kingsoft publishes no day on which a bill is final: noon of the
third day of the next month, UTC+8, is taken.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Protocol

from providers.bill import Bill, BillLine, Rounding
from providers.calendar import day_start, month_end
from providers.errors import InvalidSpec, Unavailable
from providers.kingsoft import errors

SERVICE = "bill-union"
ACTION = "QueryInstanceConsume"
GRANT = f"{SERVICE}:{ACTION}"
LIST_GRANT = f"{SERVICE}:ListProductGroups"
DAILY, CODES = "2022-12-22", "2020-01-01"
ROUNDING = Rounding(unit=Decimal("0.01"), least=Decimal(0))
_LATE = timedelta(hours=1)
_FINAL = timedelta(days=2, hours=12)
_DAY = timedelta(days=1)
_PAGE = 200
_MAX_PAGES = 5000
_CURRENCIES = {"RMB": "CNY"}
_SECONDS = {"": 1, "秒": 1, "s": 1, "分": 60, "分钟": 60, "时": 3600, "小时": 3600, "天": 86400}
_DURATION = re.compile(r"\s*(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>\D*?)\s*")
_IDENTITY = (
    "billDay",
    "instanceId",
    "productTypeId",
    "billType",
    "billDetailType",
    "payType",
    "regionCode",
    "id",
)


class Read(Protocol):
    """A call without effect, as `providers.kci.calls.Calls.read`."""

    def __call__(
        self, action: str, parameters: Mapping[str, Any], *, service: str, version: str
    ) -> Awaitable[dict[str, Any]]: ...


async def product_code(read: Read, word: str = "KCI") -> str:
    """The code of the product group whose code has `word`. Raises `InvalidSpec` without one."""
    answer = await read("ListProductGroups", {}, service=SERVICE, version=CODES)
    codes = [str(group.get("Code") or "") for group in answer.get("Data") or ()]
    if not codes:
        answer = await read("DescribeProductCode", {}, service=SERVICE, version=CODES)
        codes = [str(group.get("Key") or "") for group in answer.get("ProductGroupSet") or ()]
    found = [code for code in codes if word in code.upper()]
    if not found:
        raise InvalidSpec(f"the account's bill has no product {word}", code="NoProduct")
    return min(found, key=len)


async def bill(read: Read, day: date, *, now: datetime, code: str) -> Bill:
    """The bill of `day`; `code` is the product's. Complete or raises."""
    return Bill(
        day=day,
        lines=tuple(_lines(day, await _pages(read, day, code), code)),
        complete=now >= day_start(day + _DAY) + _LATE,
        final=now >= month_end(day) + _FINAL,
        rounding=ROUNDING,
    )


def asked(day: date, *, code: str = "", size: int = _PAGE) -> dict[str, Any]:
    """The parameters of the first page."""
    text = day.isoformat()
    return {"StartDay": text, "EndDay": text, "ProductCode": code or None, "Page": 1, "Size": size}


async def _pages(read: Read, day: date, code: str) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    parameters = asked(day, code=code)
    for page in range(1, _MAX_PAGES + 1):
        parameters["Page"] = page
        data = _data(await read(ACTION, parameters, service=SERVICE, version=DAILY))
        bills, total = data.get("bills") or [], int(data.get("total") or 0)
        found += [_lower(entry) for entry in bills]
        if len(found) == total:
            return found
        if not bills or len(found) > total:
            break
    told = f"{ACTION}: {len(found)} lines came; the bill changed meanwhile"
    raise Unavailable(told, code="BillChanged")


def _data(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    data = answer.get("Data")
    if answer.get("Success") is False:
        raise errors.error(answer, status=200, action=ACTION)
    if not isinstance(data, Mapping):
        raise Unavailable(f"{ACTION}: the answer has no Data", code="NoData")
    return _lower(data)


def _lower(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {name[:1].lower() + name[1:]: value for name, value in entry.items()}


def _lines(day: date, entries: Sequence[Mapping[str, Any]], code: str) -> Iterable[BillLine]:
    same: Counter[str] = Counter()
    for entry in entries:
        text = "\n".join((day.isoformat(), *(str(entry.get(name, "")) for name in _IDENTITY)))
        same[text] += 1
        key = hashlib.sha256(f"{text}\n{same[text]}".encode()).hexdigest()
        yield _line(key, day, entry, code)


def _line(key: str, day: date, entry: Mapping[str, Any], code: str) -> BillLine:
    currency = str(entry.get("currencyCode") or "")
    seconds = _seconds(entry)
    return BillLine(
        key=key,
        cloud_id=str(entry.get("instanceId") or ""),
        product=code,
        item=str(entry.get("productTypeName") or ""),
        day=day,
        list_amount=_money(entry, "originalAmount"),
        amount=_money(entry, "billRealAmount"),
        currency=_CURRENCIES.get(currency, currency),
        region=str(entry.get("regionCode") or ""),
        zone=str(entry.get("availabilityZone") or ""),
        name=str(entry.get("instanceName") or ""),
        usage=None if seconds is None else Decimal(seconds),
        usage_unit="" if seconds is None else "s",
        seconds=seconds,
        raw=dict(entry),
    )


def _seconds(entry: Mapping[str, Any]) -> int | None:
    found = _DURATION.fullmatch(str(entry.get("duration") or ""))
    factor = _SECONDS.get(found["unit"]) if found else None
    return int(Decimal(found["number"]) * factor) if found and factor else None


def _money(entry: Mapping[str, Any], name: str) -> Decimal:
    """Amounts come as text, or as JSON numbers."""
    try:
        amount = Decimal(str(entry.get(name)))
    except InvalidOperation as error:
        told = f"{ACTION}: a line without a readable {name}"
        raise Unavailable(told, code="UnreadableBill") from error
    return amount
