"""In which zone a subnet lies: as the virtual node, the cluster or the cloud's catalogue know."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence

from addons.models import VirtualNode
from addons.runtime.contract import Context
from providers.base import Catalogue, Placement
from providers.errors import ProviderError
from providers.models import CloudAccount

log = logging.getLogger(__name__)
KEPT_SECONDS = 600.0
AGAIN_SECONDS = 60.0
# Account and region -> (until when, subnet -> zone).
_catalogues: dict[tuple[int, str], tuple[float, Mapping[str, str]]] = {}


async def placements(
    ctx: Context, node: VirtualNode, subnets: Sequence[str]
) -> tuple[Placement, ...]:
    """The subnets with their zones, those in the node's own zone first; unknown: an empty zone."""
    known = {p["subnet"]: p["zone"] for p in node.placements}
    known |= {subnet: zone for zone, subnet in (node.cluster.subnets or {}).items()}
    accounts = [*node.accounts, *([node.cluster.account] if node.cluster.account else [])]
    for account in accounts:
        if all(subnet in known for subnet in subnets):
            break
        known = {**await _told(ctx, account, node.region), **known}
    found = [Placement(known.get(subnet, ""), subnet) for subnet in subnets]
    return tuple(sorted(found, key=lambda placement: placement.zone != node.zone))


async def _told(ctx: Context, account: CloudAccount, region: str) -> Mapping[str, str]:
    now = time.monotonic()
    held = _catalogues.get((account.pk, region))
    if held is not None and now < held[0]:
        return held[1]
    zones: Mapping[str, str] = {}
    seconds = AGAIN_SECONDS
    try:
        provider = await ctx.provider(account.pk, region)
        if isinstance(provider, Catalogue):
            zones = {subnet.id: subnet.zone for subnet in await provider.subnets()}
        seconds = KEPT_SECONDS
    except ProviderError as error:
        log.warning("the subnets of account %s are not known: %s", account.pk, error)
    _catalogues[account.pk, region] = (now + seconds, zones)
    return zones
