"""The worker's part of a virtual node: how much the cloud account has room for."""

from __future__ import annotations

import logging

from addons.models import VirtualNode
from addons.nodes import rows, spec
from addons.runtime.contract import Context, Outcome
from providers.base import Quota, Quotas
from providers.errors import AccountTrouble, ProviderError

log = logging.getLogger(__name__)
QUOTA_SECONDS = 300.0


async def reconcile_node(ctx: Context, key: str) -> Outcome:
    """Refresh the capacity from the account's quota; again in five minutes."""
    pk = int(key.partition(":")[2])
    node = await ctx.db(VirtualNode.objects.filter(pk=pk, removing_at=None).first)
    if node is None:
        return Outcome()
    try:
        quota = await _quota(ctx, node)
    except ProviderError as error:
        log.warning("the quota for %s is not known: %s", node.name, error)
        return Outcome(requeue_after=5.0, failed=True)
    ctx.lease.check()
    if await ctx.db(rows.set_capacity, pk, spec.capacity(quota)):
        await ctx.announce("nodes", pk)
    return Outcome(requeue_after=QUOTA_SECONDS)


async def _quota(ctx: Context, node: VirtualNode) -> Quota | None:
    """None when the cloud tells none, or the key may not ask (it may still make instances)."""
    provider = await ctx.provider(node.account_id, node.region)
    if not isinstance(provider, Quotas):
        return None
    try:
        return await provider.quota()
    except AccountTrouble as error:
        log.info("the key of account %s may not ask for the quota: %s", node.account_id, error)
        return None
