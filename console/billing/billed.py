"""What the clouds' bills say of the rows of a statement, beside what was metered on the same days.

Counted are days whose bill is complete: final, or read later than clouds are late. A bill names
instances, so a row has the bill of its instances, as the ledger knows them; what names none of ours
stands in no cluster and no namespace. Of what kind the use was, no bill tells.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import Exists, F, OuterRef, QuerySet

from console.billing import groups
from console.billing.drafts import Scope
from console.billing.figures import ExactSum
from console.billing.models import BillDay, BillItem, UsageLine
from console.billing.readers import Teams
from console.billing.running import Asked
from providers.calendar import day_start
from providers.models import CloudAccount, Instance, Orphan

Keys = tuple[str, ...]
UNTOLD = "kind"
# By which the slowest bill is complete; Expenses and Costs API reference, DescribeInstanceBill.
LATE = timedelta(hours=24)
_DAY = timedelta(days=1)
_PLACES = 8
_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Bill:
    """`billed` beside what was `metered`, both of complete days and in one currency. `unpriced`:
    the part of `billed` for use without a price, which is in no difference."""

    billed: Decimal = _ZERO
    metered: Decimal = _ZERO
    unpriced: Decimal = _ZERO

    def __add__(self, other: Bill) -> Bill:
        return Bill(
            self.billed + other.billed,
            self.metered + other.metered,
            self.unpriced + other.unpriced,
        )

    def __bool__(self) -> bool:
        return bool(self.billed or self.metered)

    @property
    def difference(self) -> Decimal | None:
        """What was billed beyond what was metered; None: nothing that has a price was billed."""
        if self.unpriced and self.unpriced == self.billed and not self.metered:
            return None
        return self.billed - self.unpriced - self.metered


Bills = dict[tuple[Keys, str], Bill]


@dataclass(frozen=True, slots=True)
class Days:
    """The days of accounts whose bill is complete: (account, day, currency) to its row."""

    rows: Mapping[tuple[int, date, str], int]

    def has(self, scope: Scope) -> bool:
        return (scope.account, scope.day, scope.currency) in self.rows

    @property
    def days(self) -> frozenset[date]:
        return frozenset(day for _account, day, _currency in self.rows)


def complete_days(teams: Teams, asked: Asked, where: Mapping[str, frozenset[str]]) -> Days:
    """Those that the question is about."""
    if UNTOLD in (*asked.group, *where):
        return Days({})
    rows = BillDay.objects.filter(day__gte=asked.start, day__lt=asked.end)
    if teams is not None:
        rows = rows.filter(account__team__in=teams)
    if asked.currency:
        rows = rows.filter(currency=asked.currency)
    names = {"account": "account_id", "team": "account__team_id", "provider": "account__provider"}
    found = rows.select_related("account").order_by()
    return Days(
        {
            (row.account_id, row.day, row.currency): row.pk
            for row in found.annotate(**{f"key_{one}": F(names[one]) for one in names})
            if _complete(row)
            and all(str(getattr(row, f"key_{one}")) in where[one] for one in names if one in where)
        }
    )


def _complete(row: BillDay) -> bool:
    if row.state == BillDay.State.FINAL:
        return True
    asked: datetime | None = row.asked_at
    return asked is not None and not row.trouble and asked >= day_start(row.day + _DAY) + LATE


def bills_of(
    asked: Asked,
    where: Mapping[str, frozenset[str]],
    days: Days,
    posted: QuerySet[Any],
    *,
    unpriced: bool,
) -> Bills:
    """By the question's groups and the currency. `posted`: its lines or sums, narrowed; `unpriced`:
    some of them have no price. What is not posted yet is to be added to what is `metered`."""
    found: Bills = {}
    if not days.rows:
        return found
    for keys, currency, amount in _metered(asked, days, posted):
        add(found, keys, currency, Bill(metered=amount))
    for keys, currency, amount, without in _billed(asked, where, days, unpriced):
        add(found, keys, currency, Bill(billed=amount, unpriced=without))
    return found


def add(bills: Bills, keys: Keys, currency: str, more: Bill) -> None:
    bills[keys, currency] = bills.get((keys, currency), Bill()) + more


def _metered(
    asked: Asked, days: Days, posted: QuerySet[Any]
) -> Iterator[tuple[Keys, str, Decimal]]:
    same = {name: OuterRef(name) for name in ("account", "day", "currency")}
    rows = posted.filter(Exists(BillDay.objects.filter(pk__in=days.rows.values(), **same)))
    columns = [groups.column(name) for name in asked.group]
    summed = rows.order_by().values_list(*dict.fromkeys(columns), "currency")
    for row in summed.annotate(told=ExactSum(F("amount"), _PLACES)):
        values = dict(zip(dict.fromkeys(columns), row, strict=False))
        pairs = zip(asked.group, columns, strict=True)
        yield tuple(groups.key(name, values[one]) for name, one in pairs), row[-2], _exact(row[-1])


def _exact(told: Any) -> Decimal:
    """What `ExactSum` gave."""
    if connection.vendor == "sqlite":
        return Decimal(int(told or 0)).scaleb(-_PLACES)
    return Decimal(told or 0)


# Columns of the bill's item, and those of the ledger's row and the orphan's.
_ITEM = {
    "day": "b.day",
    "account": "b.account_id",
    "provider": "b.account_id",
    "team": "b.account_id",
    "instance": "b.cloud_id",
}
_BOTH = {
    "cluster": "cluster_uid",
    "namespace": "namespace",
    "region": "region",
    "zone": "zone",
    "pod": "pod_name",
    "pod_uid": "pod_uid",
}
_LEDGER = {
    "workload": "workload",
    "node": "node_name",
    "tier": "tier",
    "type": "type",
    "spot": "tier",
}


def _column(name: str) -> tuple[str, list[str]]:
    """The expression of a group, and its parameters."""
    if name.startswith(groups.LABEL):
        label = name.removeprefix(groups.LABEL)
        if connection.vendor == "sqlite":
            return "COALESCE(json_extract(i.labels, %s), '')", [f'$."{label}"']
        return "COALESCE(i.labels ->> %s, '')", [label]
    if name in _ITEM:
        return _ITEM[name], []
    if name in _LEDGER:
        return f"COALESCE(i.{_LEDGER[name]}, '')", []
    last = "b.region" if name == "region" else "''"
    return f"COALESCE(i.{_BOTH[name]}, o.{_BOTH[name]}, {last})", []


def _narrowed(name: str, keys: frozenset[str]) -> tuple[str, list[str]]:
    column, parameters = _column(name)
    if name == groups.SPOT:
        wanted = [
            f"{column} {'NOT ' if key == groups.NO else ''}LIKE %s"
            for key in sorted(keys & {groups.YES, groups.NO})
        ]
        return f"({' OR '.join(wanted) or '1 = 0'})", [f"%{groups.SPOT}%"] * len(wanted)
    text = f"CAST({column} AS VARCHAR)" if name == "day" else column
    marks = ", ".join(["%s"] * len(keys))
    return f"{text} IN ({marks})", [*parameters, *sorted(keys)]


def _table(model: Any) -> str:
    return connection.ops.quote_name(model._meta.db_table)


def _without_price(asked: Asked) -> tuple[str, list[Any]]:
    """Instances and days of which nothing has a price."""
    lines = _table(UsageLine)
    text = f"""
        LEFT JOIN (SELECT l.account_id, l.day, l.cloud_id FROM {lines} l
            JOIN (SELECT DISTINCT account_id, day, cloud_id FROM {lines}
                WHERE currency = '' AND day >= %s AND day < %s) n
            ON n.account_id = l.account_id AND n.day = l.day AND n.cloud_id = l.cloud_id
            GROUP BY 1, 2, 3
            HAVING SUM(CASE l.currency WHEN '' THEN l.seconds ELSE 0 END) <> 0
            AND SUM(CASE l.currency WHEN '' THEN 0 ELSE l.seconds END) = 0) u
        ON u.account_id = b.account_id AND u.day = b.day AND u.cloud_id = b.cloud_id
    """  # noqa: S608 - own names
    return text, [asked.start, asked.end]


def _of_days(days: Days) -> tuple[str, list[Any]]:
    """The items of these days: from the first to the last of each account, but for what lacks."""
    found: dict[tuple[int, str], set[date]] = defaultdict(set)
    for account, day, currency in days.rows:
        found[account, currency].add(day)
    terms: list[str] = []
    parameters: list[Any] = []
    for (account, currency), own in found.items():
        first, last = min(own), max(own)
        lacks = [day for n in range((last - first).days) if (day := first + n * _DAY) not in own]
        but = f" AND b.day NOT IN ({', '.join(['%s'] * len(lacks))})" if lacks else ""
        terms.append(f"b.account_id = %s AND b.currency = %s AND b.day BETWEEN %s AND %s{but}")
        parameters += [account, currency, first, last, *lacks]
    return f"({' OR '.join(terms)})", parameters


def _orphans(days: Days) -> str:
    """One of each instance: an orphan may have been closed and found again."""
    table = _table(Orphan)
    accounts = {account for account, _day, _currency in days.rows}
    if not Orphan.objects.filter(account__in=accounts).exists():
        return f"(SELECT * FROM {table} WHERE 1 = 0)"  # noqa: S608 - own name
    newest = f"SELECT MAX(id) FROM {table} GROUP BY account_id, cloud_id"  # noqa: S608 - own name
    return f"(SELECT * FROM {table} WHERE id IN ({newest}))"  # noqa: S608 - own name


def _query(
    asked: Asked, where: Mapping[str, frozenset[str]], days: Days, unpriced: bool
) -> tuple[str, list[Any]]:
    columns = [_column(name) for name in asked.group]
    amount = "b.amount"
    if connection.vendor == "sqlite":
        amount = f"CAST(ROUND(b.amount * {10**_PLACES}) AS INTEGER)"
    without, given = _without_price(asked) if unpriced else ("", [])
    beside = f"CASE WHEN u.day IS NULL THEN 0 ELSE {amount} END" if unpriced else "0"
    filters = [_narrowed(name, keys) for name, keys in where.items() if name not in _PICKED]
    filters.append(_of_days(days))
    text = f"""
        SELECT {"".join(f"{text}, " for text, _ in columns)}b.currency,
            SUM({amount}), SUM({beside})
        FROM {_table(BillItem)} b
        LEFT JOIN {_table(Instance)} i
            ON i.account_id = b.account_id AND i.cloud_id = b.cloud_id AND NOT (i.cloud_id = '')
        LEFT JOIN {_orphans(days)} o
            ON o.account_id = b.account_id AND o.cloud_id = b.cloud_id
        {without}
        WHERE {" AND ".join(text for text, _ in filters)}
        GROUP BY {", ".join(str(index) for index in range(1, len(columns) + 2))}
    """  # noqa: S608 - own names and numbers
    parameters = [one for _, more in columns for one in more]
    return text, [*parameters, *given, *(one for _, more in filters for one in more)]


# Filters that have chosen the days already.
_PICKED = ("account", "team", "provider")


def _billed(
    asked: Asked, where: Mapping[str, frozenset[str]], days: Days, unpriced: bool
) -> Iterator[tuple[Keys, str, Decimal, Decimal]]:
    accounts = CloudAccount.objects.in_bulk({account for account, _day, _currency in days.rows})
    for *values, currency, amount, without in _rows(*_query(asked, where, days, unpriced)):
        keys = tuple(
            groups.key(name, _of_account(accounts[value], name) if name in _PICKED else value)
            for name, value in zip(asked.group, values, strict=True)
        )
        yield keys, currency, _exact(amount), _exact(without)


def _of_account(account: CloudAccount, name: str) -> Any:
    return {"account": account.pk, "team": account.team_id, "provider": account.provider}[name]


def _rows(text: str, parameters: list[Any]) -> Iterable[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # Each item of months is joined once: compiling that, or going to disk, takes longer.
            cursor.execute("SET LOCAL jit = off")
            cursor.execute("SET LOCAL work_mem = '64MB'")
        cursor.execute(text, parameters)
        rows: Iterable[tuple[Any, ...]] = cursor.fetchall()
        return rows
