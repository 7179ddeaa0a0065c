"""A cloud account that refuses us, and its recovery; the virtual nodes show it as a condition."""

from __future__ import annotations

import time

from addons.pods import store
from addons.pods.work import Work
from providers.errors import AccountTrouble

# While an account is in trouble one create is tried so often, to see whether it has healed.
PROBE_SECONDS = 30.0
_probed: dict[int, float] = {}


def may_probe(account_id: int) -> bool:
    """True for one pod each `PROBE_SECONDS`, in this process."""
    now = time.monotonic()
    if now < _probed.get(account_id, 0.0):
        return False
    _probed[account_id] = now + PROBE_SECONDS
    return True


async def troubled(work: Work, error: AccountTrouble, source: str) -> None:
    """The cloud refused us a `source`: create, read or delete."""
    account = work.account.pk
    _probed.setdefault(account, time.monotonic() + PROBE_SECONDS)
    trouble = store.Trouble(account, error.code or "AccountTrouble", error.message, source)
    if await work.writer.do(store.set_trouble, trouble):
        await work.ctx.announce("accounts", account)


async def healed(work: Work, source: str) -> None:
    """A `source` went well: that ends trouble of its kind."""
    account = work.account
    if not account.trouble or account.trouble_source not in {"", source}:
        return
    healthy = store.Trouble(account.pk, "", "", source)
    changed: bool = await work.writer.do(store.set_trouble, healthy)
    if changed:
        _probed.pop(account.pk, None)
        await work.ctx.announce("accounts", account.pk)
