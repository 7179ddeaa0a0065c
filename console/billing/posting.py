"""The books: usage lines of every life, written once, grown into sums, corrected by new lines.

What is due is found in the ledger itself: rows whose facts changed (`unposted`), and lives that go
on and whose lines do not reach the last midnight of the billing calendar. A batch is one
transaction: the rows are locked, metered, compared with the lines that stand, and only the
difference is written; posting again changes nothing, and whoever dies in between has written
nothing. Lines that stand are never touched: what turns out to be wrong is taken back.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction
from django.db.models import Q, QuerySet

from addons.runtime import lease
from addons.runtime.clock import Clock
from addons.runtime.contract import LeaseLost
from console.billing import drafts, live, strays, sums
from console.billing.book import book_of, touched
from console.billing.changes import Change, difference
from console.billing.drafts import Draft, Metered
from console.billing.models import DiscountRule, LiveShare, PriceEntry, UsageLine
from providers.calendar import day_of, day_start
from providers.models import CloudAccount, Instance, Orphan
from providers.rows import update_each

log = logging.getLogger(__name__)

SHARD = "books"
BATCH = 200
LEASE_SECONDS = 30.0
SLICE_SECONDS = 20.0


@dataclass
class Carried:
    """How far a process followed prices that become others by themselves: everything before
    `until` (None: before the last midnight), and of a change since then the rows up to a number."""

    until: datetime | None = None
    rows: dict[tuple[str, int, datetime], int] = field(default_factory=dict)


_carried = Carried()


def post_due(*, holder: str, clock: Clock) -> int:
    """Post what is due, until dry or the time slice is over; the number of lines written.

    One process at a time; another one that tries meanwhile returns at once.
    """
    held = lease.acquire(SHARD, holder=holder, seconds=LEASE_SECONDS, clock=clock)
    if held is None:
        return 0
    end = clock.monotonic() + SLICE_SECONDS
    written = 0
    try:
        for pks in batches(clock.now(), _carried):
            held.renew()
            written += post(pks, clock.now())
            if clock.monotonic() > end:
                return written
        written += post_strays(clock.now())
    except LeaseLost:
        log.info("somebody else keeps the books now")
    finally:
        held.release()
    return written


def due(now: datetime) -> QuerySet[Instance]:
    """Rows of the ledger whose lines do not say yet what is known."""
    return Instance.objects.filter(Q(unposted=True) | _short(now))


def _short(now: datetime) -> Q:
    midnight = day_start(day_of(now))
    short = Q(posted_until=None) | Q(posted_until__lt=midnight)
    # What was left running by choice is closed, but has its share of the live spend.
    open_rows = Q(account__in=CloudAccount.objects.values("pk"), state__in=Instance.OPEN)
    left = Q(pk__in=LiveShare.objects.values("pk"))
    return (open_rows | left) & Q(billed_from__lt=midnight) & short


def batches(now: datetime, carried: Carried | None = None) -> Iterator[list[int]]:
    """What is due, and what costs something else since the last pass that went through to its end;
    each question has an index of its own."""
    carried = carried or Carried()
    for wanted in (Q(unposted=True), _short(now)):
        yield from _walk(wanted)
    since = midnight = day_start(day_of(now))
    if carried.until is not None and midnight < carried.until <= now:
        since = carried.until
    for change, wanted in _repriced(since, now):
        for pks in _walk(wanted, carried.rows.get(change, 0)):
            yield pks
            carried.rows[change] = pks[-1]
    carried.until, carried.rows = now, {}


def _walk(wanted: Q, last: int = 0) -> Iterator[list[int]]:
    while True:
        rows = Instance.objects.filter(wanted, pk__gt=last).order_by("pk")
        pks = list(rows.values_list("pk", flat=True)[:BATCH])
        if not pks:
            return
        yield pks
        last = pks[-1]


def _repriced(since: datetime, now: datetime) -> Iterator[tuple[tuple[str, int, datetime], Q]]:
    """Lives that go on and whose price became another one, as was entered before: their lines come
    by themselves, their part of the live spend does not. With what tells the change from others."""
    lately = (since, now)
    began = Q(valid_from__range=lately) | Q(valid_to__range=lately)
    changes: list[PriceEntry | DiscountRule] = [
        *PriceEntry.objects.filter(began, withdrawn_at=None).order_by("pk"),
        *DiscountRule.objects.filter(began).order_by("pk"),
    ]
    for change in changes:
        borders = [at for at in (change.valid_from, change.valid_to) if at and since <= at <= now]
        key = (type(change).__name__, change.pk, max(borders))
        yield key, Q(live_share__isnull=False, pk__in=touched(change).values("pk"))


def post(pks: Sequence[int], now: datetime, *, reason: str = "") -> int:
    """Bring the lines of these rows in line with what is known; the number of lines written.

    `reason` is given to what is taken back and to what takes its place (see `changes.Reason`);
    without one it is read off the difference. A row that cannot be posted is logged, and keeps no
    other from being posted.
    """
    try:
        return _post(pks, now, reason)
    except Exception:
        # Whatever is wrong with one row, the others are posted; the transaction was rolled back.
        if len(pks) == 1:
            log.exception("the usage of instance %s cannot be posted", pks[0])
            return 0
        return sum(post([pk], now, reason=reason) for pk in pks)


def _post(pks: Sequence[int], now: datetime, reason: str) -> int:
    with transaction.atomic():
        locked = Instance.objects.select_for_update().filter(pk__in=pks).order_by("pk")
        rows = drafts.with_accounts(locked)
        for row in rows:
            row.unposted = row.unposted or bool(reason)
        standing = _standing(rows)
        orphans = drafts.orphans_of(rows)
        changes, shares, books = [], {}, drafts.Books()
        for row in rows:
            book = books.of(row)
            border = drafts.since(row)
            metered = drafts.of_instance(row, book, now, orphans.get(row.pk, ()), since=border)
            shares[row.pk] = live.share_of(row, metered, book, now)
            changes.append(difference(settled(metered, now), standing[row.pk], reason))
            row.unposted, row.posted_until = False, _reached(metered, now)
        written = _write(changes, shares, now)
        update_each(rows, ["unposted", "posted_until"])
    return written


def settled(metered: Metered, now: datetime) -> tuple[Draft, ...]:
    """What is posted: all of a life that is over, otherwise the days that are."""
    if metered.life is None or metered.life.over:
        return metered.drafts
    today = day_of(now)
    return tuple(draft for draft in metered.drafts if draft.scope.day < today)


def _reached(metered: Metered, now: datetime) -> datetime | None:
    midnight = day_start(day_of(now))
    if metered.life is None:
        return None
    if metered.life.over and metered.drafts:
        return max(midnight, metered.drafts[-1].line.end)
    return midnight


def _standing(rows: Sequence[Instance]) -> dict[int, list[UsageLine]]:
    """The lines of each row that may change."""
    found: dict[int, list[UsageLine]] = {row.pk: [] for row in rows}
    borders = {row.pk: drafts.since(row) for row in rows}
    clean = [border for border in borders.values() if border is not None]
    wanted = Q(instance__in=[pk for pk, border in borders.items() if border is None])
    if clean:
        wanted |= Q(instance__in=list(borders), start__gte=min(clean))
    for line in UsageLine.objects.filter(wanted):
        pk = line.instance_id
        border = borders[pk] if pk is not None else None
        if pk is not None and (border is None or line.start >= border):
            found[pk].append(line)
    return found


def _write(
    changes: Sequence[Change], shares: Mapping[int, live.Share | None], now: datetime
) -> int:
    lines = [line for change in changes for line in change.lines]
    for line in lines:
        line.created_at = now
    UsageLine.objects.bulk_create(lines, batch_size=500)
    increments = sums.total(part for change in changes for part in change.figures)
    sums.grow_sums(increments)
    live.update(shares, [(scope, more.amount) for scope, more in increments.items()])
    return len(lines)


def post_strays(now: datetime) -> int:
    """Lines of orphans that never were in the ledger; the number written."""
    written = 0
    for pk in strays.due(now):
        with transaction.atomic():
            orphan = strays.locked(pk)
            book = book_of(orphan.account.team)
            wanted = settled(strays.metered(orphan, book, now), now)
            lines = list(UsageLine.objects.filter(orphan=orphan))
            written += _write([difference(wanted, lines)], {}, now)
            Orphan.objects.filter(pk=pk, unposted=True).update(unposted=False)
    return written
