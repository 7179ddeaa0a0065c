"""The routine look at a virtual node: its capacity follows the quota of the account."""

from __future__ import annotations

from typing import Any

from addons.models import VirtualNode
from addons.runtime.contract import Context, Outcome
from providers.base import Catalogue, Quota
from providers.errors import ProviderError

EVERY_SECONDS = 300.0
RETRY_SECONDS = 30.0
PODS = 5000
GIB_PER_CPU = 4


def capacity_of(quota: Quota) -> dict[str, str]:
    """All that the account may run: 4 GiB of memory and 30 GiB of disk for each vCPU.

    Pods: a node of ACK's add-on takes up to 50,000; we claim what a quarter vCPU each allows, at
    most 5,000.
    """
    cpu = int(quota.cpu_max)
    return {
        "cpu": str(cpu),
        "memory": f"{cpu * GIB_PER_CPU}Gi",
        "ephemeral-storage": f"{cpu * 30}Gi",
        "pods": str(max(1, min(PODS, cpu * 4))),
    }


def _save(pk: int, capacity: dict[str, Any]) -> bool:
    return bool(
        VirtualNode.objects.filter(pk=pk).exclude(capacity=capacity).update(capacity=capacity)
    )


async def reconcile_node(ctx: Context, key: str) -> Outcome:
    pk = int(key.partition(":")[2])
    node = await ctx.db(VirtualNode.objects.filter(pk=pk, removing_at=None).first)
    if node is None:
        return Outcome()
    provider = await ctx.provider(node.account_id, node.region)
    if not isinstance(provider, Catalogue):
        return Outcome(requeue_after=EVERY_SECONDS)
    try:
        quota = await provider.quota()
    except ProviderError:
        return Outcome(requeue_after=RETRY_SECONDS)
    if await ctx.db(_save, pk, capacity_of(quota)):
        await ctx.announce("nodes", pk)
    return Outcome(requeue_after=EVERY_SECONDS)
