"""Orphans that a vendor's virtual kubelet made: they carry none of our tags.

The sweep's list asks for our tags and cannot tell them gone; each is asked for by its id.
"""

from __future__ import annotations

from django.db.models import QuerySet

from addons.pods import reasons
from addons.runtime.contract import Context
from addons.sweep import orphans
from providers.base import Provider
from providers.errors import NotFound
from providers.models import CloudAccount, Orphan


def rows(account: CloudAccount, region: str) -> QuerySet[Orphan]:
    """Open orphans without a row in our ledger that were left on purpose."""
    return Orphan.objects.filter(
        account=account,
        region=region,
        closed_at=None,
        instance=None,
        reason=reasons.ORPHAN_LEFT,
    )


async def close_gone(
    ctx: Context, account: CloudAccount, region: str, provider: Provider
) -> list[int]:
    """Close those that the cloud says are gone or over; which they were."""
    closed = []
    for orphan in await ctx.db(_read, account, region):
        if await _over(provider, orphan.cloud_id):
            await ctx.db(orphans.close, orphan.pk, "gone")
            closed.append(orphan.pk)
    return closed


def _read(account: CloudAccount, region: str) -> list[Orphan]:
    return list(rows(account, region))


async def _over(provider: Provider, cloud_id: str) -> bool:
    """One witness is not enough: what is not found must be missing from the whole list too."""
    try:
        return (await provider.get(cloud_id)).state.over
    except NotFound:
        listing = await provider.list(tags={})
        return all(one.id != cloud_id for one in listing.instances)
