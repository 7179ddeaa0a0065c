"""One look at every bill whose turn it is. One process at a time, by a lease.

A key that may not read bills is told so on the day's row and on its own page; it is asked once a
round at most, and not at all while its last verification says that it lacks the grant. A day that
the cloud does not tell ends nothing but itself: Kingsoft's SDK says of its days "the current month
is supported", and where that is the only one, what was heard of a past month stands.
"""

from __future__ import annotations

import logging
from datetime import date, datetime, timedelta
from typing import cast

from addons.runtime.lease import Lease, acquire
from addons.runtime.loop import Runtime
from console.billing import book
from console.billing.bills import fetch, payers, reconcile, settle
from console.billing.bills.payers import Payer
from console.billing.models import BillDay, BillItem, UsageLine
from providers.base import Bill, Bills
from providers.calendar import day_of, day_start
from providers.errors import AccountTrouble, InvalidSpec, ProviderError
from providers.models import CloudAccount

log = logging.getLogger(__name__)

SHARD = "bills"
LEASE_SECONDS = 180.0
# So many days of a payer in one round; the rest waits for the next.
MOST_DAYS = 80
# An hour is billed in the hour after it (KCI price page).
SETTLED = timedelta(hours=2)


async def look(runtime: Runtime) -> int:
    """Ask for what is due; how many days of bills came (0 also while someone else is at it)."""
    lease = await runtime.db(
        acquire, SHARD, holder=runtime.holder(), seconds=LEASE_SECONDS, clock=runtime.clock
    )
    if lease is None:
        return 0
    try:
        found = await runtime.db(payers.payers)
        came = sum([await _payer(runtime, lease, payer) for payer in found])
        await runtime.db(lease.renew)
        await runtime.db(estimates, runtime.clock.now())
        return came
    finally:
        await runtime.db(lease.release)


async def _payer(runtime: Runtime, lease: Lease, payer: Payer) -> int:
    now = runtime.clock.now()
    days = await runtime.db(fetch.due_days, payer, now)
    came = 0
    for day in days[:MOST_DAYS]:
        await runtime.db(lease.renew)
        try:
            bill = await _ask(runtime, payer, day)
        except InvalidSpec as error:
            await runtime.db(untold, payer, day, str(error), now)
            continue
        except ProviderError as error:
            log.info("no bill of %s on %s: %s", payer.number, day, error)
            await runtime.db(troubled, payer, day, str(error), now)
            break
        await runtime.db(take, payer, bill, now)
        came += 1
    return came


async def _ask(runtime: Runtime, payer: Payer, day: date) -> Bill:
    """With the first key that may; the refusal of the last one otherwise."""
    refusal: ProviderError = AccountTrouble(f"The key needs {payer.grant}.", code="NotGranted")
    for key in payer.keys:
        client = await runtime.provider(key.pk, key.region)
        try:
            return await cast("Bills", client).bill(day)
        except AccountTrouble as error:
            refusal = error
    raise refusal


def estimates(now: datetime) -> None:
    """The days that nobody bills, or not yet, have a row too."""
    today = day_of(now)
    for account in CloudAccount.objects.all():
        reconcile.estimate(account, fetch.open_since(today), today, now)


def troubled(payer: Payer, day: date, message: str, now: datetime) -> None:
    """Note why there is no bill; what was heard of the day before stays."""
    BillDay.objects.update_or_create(
        account=payer.home,
        day=day,
        currency=fetch.currency_of(payer),
        defaults={"asked_at": now, "trouble": message},
    )


def untold(payer: Payer, day: date, message: str, now: datetime) -> None:
    """No more will be heard of it: of a past month, what was billed of the whole day is final."""
    troubled(payer, day, message, now)
    if day >= day_of(now).replace(day=1):
        return
    heard = BillItem.objects.filter(payer=payer.number, day=day, heard_at__gte=_whole(day))
    if heard.exists():
        rows = BillDay.objects.filter(account__in=payer.covers, day=day)
        rows.update(state=BillDay.State.FINAL, trouble="")


def _whole(day: date) -> datetime:
    """When a bill of all of the day may have come at the soonest."""
    return day_start(day + timedelta(days=1)) + SETTLED


def take(payer: Payer, bill: Bill, now: datetime) -> None:
    """Keep the bill, compare it in every account it is of, and let it settle what it can."""
    told = {line.currency for line in bill.lines if line.amount}
    if len(told) == 1:
        for account in payer.covers:
            book.bill_in(account, *told)
    named = fetch.keep(payer, bill, now)
    used = UsageLine.objects.filter(account__in=payer.covers, day=bill.day)
    touched = named | set(used.values_list("account_id", flat=True).distinct())
    today = bill.day == day_of(now)
    own = (fetch.currency_of(payer),)
    for account in payer.covers:
        if account == payer.home or today or account.pk in touched:
            currencies = own if account == payer.home else ()
            reconcile.reconcile(account, bill, now, currencies)
    if settle.settle(payer, bill, now):
        for account in payer.covers:
            if account.pk in touched:
                reconcile.reconcile(account, bill, now)
