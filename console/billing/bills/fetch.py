"""A day's bill, kept whole or not at all, each line with the account whose instance it is of."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Max, Min

from console.billing import book
from console.billing.bills.payers import Payer
from console.billing.bills.reconcile import FRESH_DAYS
from console.billing.models import BillDay, BillItem, UsageLine
from providers.bill import Bill, BillLine
from providers.calendar import day_of
from providers.models import CloudAccount, Instance, Orphan

_DAY = timedelta(days=1)
_CHUNK = 500
# Fresh days are asked about every `BILL_SECONDS`, the others once a day, until they are final.
SELDOM = timedelta(hours=23)


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose instance a line is of, and what the ledger calls it."""

    account: int
    cloud_id: str


def due_days(payer: Payer, now: datetime) -> list[date]:
    """The days to ask about now, newest first."""
    today = day_of(now)
    rows = BillDay.objects.filter(account=payer.home, currency=currency_of(payer))
    known = {row.day: row for row in rows}
    open_days = {day for day, row in known.items() if row.state != BillDay.State.FINAL}
    days = open_days | set(_span(_first(payer, today), today)) | set(known)
    posted = _posted(payer, min(days))
    return [day for day in sorted(days, reverse=True) if _due(day, today, known, posted, now)]


def currency_of(payer: Payer) -> str:
    return book.currency_of(payer.home)


def open_since(today: date) -> date:
    """The first day of the months whose bills may still change."""
    return (today.replace(day=1) - _DAY).replace(day=1)


def _first(payer: Payer, today: date) -> date:
    """Of the months whose bills may still change, the first day on which anything ran."""
    month = open_since(today)
    rows = UsageLine.objects.filter(account__in=payer.covers)
    used: date | None = rows.aggregate(first=Min("day"))["first"]
    added = min(day_of(account.created_at) for account in payer.covers)
    return max(month, min(used or added, added))


def _span(first: date, last: date) -> Iterable[date]:
    return (first + n * _DAY for n in range((last - first).days + 1))


def _posted(payer: Payer, first: date) -> Mapping[date, datetime]:
    """When lines of each day were written last."""
    rows = UsageLine.objects.filter(account__in=payer.covers, day__gte=first)
    written = rows.order_by().values_list("day").annotate(last=Max("created_at"))
    return {day: last for day, last in written if last is not None}


def _due(
    day: date,
    today: date,
    known: Mapping[date, BillDay],
    posted: Mapping[date, datetime],
    now: datetime,
) -> bool:
    row = known.get(day)
    if row is None or row.asked_at is None:
        return True
    changed = day in posted and posted[day] > row.asked_at
    fresh = (today - day).days < FRESH_DAYS
    wait = timedelta(seconds=settings.BILL_SECONDS) if fresh or changed else SELDOM
    return (changed or row.state != BillDay.State.FINAL) and now - row.asked_at >= wait


def keep(payer: Payer, bill: Bill, now: datetime) -> set[int]:
    """Put the bill in the place of what was heard of its day before; the accounts in it."""
    owners = _owners(payer.covers, {line.cloud_id for line in bill.lines if line.cloud_id})
    items = [_item(payer, line, owners, now) for line in bill.lines]
    with transaction.atomic():
        heard = BillItem.objects.filter(payer=payer.number, day=bill.day)
        before = set(heard.values_list("account_id", flat=True))
        heard.delete()
        BillItem.objects.bulk_create(items, batch_size=_CHUNK)
    return before | {item.account_id for item in items}


def _item(payer: Payer, line: BillLine, owners: Mapping[str, Owner], now: datetime) -> BillItem:
    owner = owners.get(line.cloud_id) or Owner(payer.home.pk, line.cloud_id)
    return BillItem(
        account_id=owner.account,
        payer=payer.number,
        day=line.day,
        cloud_id=owner.cloud_id[:128],
        product=line.product[:64],
        item=line.item[:64],
        region=line.region[:64],
        usage=line.usage,
        usage_unit=line.usage_unit[:32],
        seconds=line.seconds,
        list_amount=line.list_amount,
        amount=line.amount,
        currency=line.currency[:3],
        key=hashlib.sha256(f"{payer.number}\n{line.key}".encode()).hexdigest(),
        raw=dict(line.raw),
        heard_at=now,
    )


def _owners(accounts: Iterable[CloudAccount], ids: set[str]) -> dict[str, Owner]:
    """By the id in the bill, which is the ledger's or the one people call the instance by."""
    found: dict[str, Owner] = {}
    pks = [account.pk for account in accounts]
    wanted = sorted(ids)
    for at in range(0, len(wanted), _CHUNK):
        part = wanted[at : at + _CHUNK]
        for model in (Orphan, Instance):
            known = model.objects.filter(account__in=pks, cloud_id__in=part)
            for account, cloud_id in known.values_list("account_id", "cloud_id"):
                found[cloud_id] = Owner(account, cloud_id)
        left = [cloud_id for cloud_id in part if cloud_id not in found]
        shown = Instance.objects.filter(account__in=pks, seen__shown_id__in=left)
        for account, cloud_id, name in shown.values_list(
            "account_id", "cloud_id", "seen__shown_id"
        ):
            found[name] = Owner(account, cloud_id)
    return found
