"""How many instances whose pod is gone may be deleted in one cycle without a person's word.

Counted on the account's row, so that all workers together stay within it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q

from addons.runtime.contract import Context, Held
from providers.models import CloudAccount, Instance

CYCLE_SECONDS = 5.0
AT_LEAST = 3
SHARE = 0.10


def allowed(known: int) -> int:
    return max(AT_LEAST, int(known * SHARE))


def take_one(account_id: int, lease: Held, now: datetime) -> bool:
    """One deletion of the account's cycle, by compare-and-swap. Raises `LeaseLost`."""
    rows = CloudAccount.objects.filter(pk=account_id)
    over = Q(deletions_since=None) | Q(deletions_since__lte=now - timedelta(seconds=CYCLE_SECONDS))
    with transaction.atomic():
        lease.fence()
        rows.filter(over).update(deletions_since=now, deletions=0)
        known = Instance.objects.filter(account_id=account_id, state__in=Instance.OPEN).count()
        left = rows.filter(deletions__lt=allowed(known))
        return bool(left.update(deletions=F("deletions") + 1))


async def take(ctx: Context, account_id: int) -> bool:
    """False: wait for the next cycle."""
    return await ctx.db(take_one, account_id, ctx.lease, ctx.now())
