"""How many instances whose pod is gone may be deleted in one cycle without a person's word."""

from __future__ import annotations

import time
from dataclasses import dataclass

from addons.runtime.contract import Context
from providers.models import Instance

CYCLE_SECONDS = 5.0
AT_LEAST = 3
SHARE = 0.10


@dataclass(slots=True)
class _Cycle:
    ends: float
    left: int


_cycles: dict[int, _Cycle] = {}


def allowed(known: int) -> int:
    return max(AT_LEAST, int(known * SHARE))


def _open_instances(account_id: int) -> int:
    return Instance.objects.filter(account_id=account_id, state__in=Instance.OPEN).count()


async def take(ctx: Context, account_id: int) -> bool:
    """One deletion of this cycle; False: wait for the next. Per account, in this process."""
    cycle = _cycles.get(account_id)
    if cycle is None or time.monotonic() >= cycle.ends:
        known = await ctx.db(_open_instances, account_id)
        # Another key may have begun the cycle while the count was made.
        cycle = _cycles.get(account_id)
        if cycle is None or time.monotonic() >= cycle.ends:
            cycle = _Cycle(time.monotonic() + CYCLE_SECONDS, allowed(known))
            _cycles[account_id] = cycle
    if cycle.left <= 0:
        return False
    cycle.left -= 1
    return True
