"""Instances that a vendor's virtual kubelet made: found, deleted, left on purpose, proved gone.

They are none of our ledger's. They are known by the tags that the vendor puts on them and by the
ids that it wrote on their pods; only a complete list of the cloud counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from addons.components.work import Work
from addons.models import Cluster
from addons.pods import reasons
from addons.runtime.contract import Context
from providers import registry
from providers.base import Instance, Provider
from providers.errors import NotFound
from providers.models import CloudAccount, Orphan


def account_of(work: Work) -> CloudAccount | None:
    """The credential that its values name, else the cluster's own if it is of that cloud."""
    for name in work.kit.credentials:
        pk = work.wanted.effective.get(name)
        if pk:
            return CloudAccount.objects.filter(pk=pk).first()
    account = Cluster.objects.select_related("account").get(pk=work.cluster_id).account
    if account is not None and account.provider == work.kit.provider:
        return account
    return None


def region_of(work: Work, account: CloudAccount) -> str:
    values = work.wanted.effective
    named = next((values[key] for key in ("KCI_REGION", "ECI_REGION") if values.get(key)), "")
    return named or account.region or work.installation.cluster.region


async def _listed(
    ctx: Context, work: Work, account: CloudAccount, ids: Iterable[str]
) -> tuple[list[Instance], int]:
    """Those of the release that are not over, of so many that the cloud has."""
    provider = await ctx.provider(account.pk, region_of(work, account))
    listing = await provider.list(tags={})
    tags = work.kit.instance_tags(work.wanted)
    known = set(ids)
    mine = [
        one
        for one in listing.instances
        if not one.state.over
        and (one.id in known or (tags and tags.items() <= dict(one.tags).items()))
    ]
    return mine, len(listing.instances)


async def ours(
    ctx: Context, work: Work, account: CloudAccount, ids: Iterable[str]
) -> list[Instance]:
    return (await _listed(ctx, work, account, ids))[0]


async def delete(provider: Provider, instance_id: str) -> None:
    """Asked for again is no harm; gone already is fine."""
    try:
        await provider.delete(instance_id)
    except NotFound:
        return


def leave(work: Work, account: CloudAccount, found: Sequence[Instance], now: datetime) -> int:
    """Put them on the orphan list: an explicit choice, kept with the operation."""
    for one in found:
        price = None
        if one.size is not None:
            dialect = registry.dialect(account.provider)
            price = dialect.list_price(one.size, region=one.region)
        Orphan.objects.get_or_create(
            account=account,
            cloud_id=one.id,
            closed_at=None,
            defaults={
                "name": one.name,
                "region": one.region or account.region,
                "zone": one.zone,
                "cluster_uid": work.installation.cluster.uid,
                "reason": reasons.ORPHAN_LEFT,
                "cloud_state": one.raw_state,
                "spec": one.size.label if one.size else "",
                "price_per_hour": price.per_hour if price else None,
                "currency": price.currency if price else "",
                "created_at": one.created_at,
                "found_at": now,
                "seen_at": now,
            },
        )
    return len(found)


async def proof(
    ctx: Context, work: Work, ids: Iterable[str], *, left: Sequence[str]
) -> dict[str, Any]:
    """`asked` whether a cloud could be asked, `listed` how many it has, `instances` those of ours
    that are neither gone nor left on purpose."""
    account = await ctx.db(account_of, work)
    if account is None or not work.kit.provider:
        return {"asked": False, "listed": 0, "instances": [], "left": list(left)}
    mine, listed = await _listed(ctx, work, account, ids)
    return {
        "asked": True,
        "listed": listed,
        "instances": [one.id for one in mine if one.id not in left],
        "left": list(left),
        "account": account.name,
        "region": region_of(work, account),
    }
