"""Ask one account in one region what changed, and now and then what there is.

A cloud has no watch. Every `SWEEP_SECONDS` the cheap question (what changed since?), where the
cloud takes it; every `FULL_SWEEP_SECONDS` a complete list, compared with the ledger both ways. A
list that failed, is stale or unbelievable changes nothing but the account's state.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from django.conf import settings

from addons.pods import store
from addons.pods.identity import installation
from addons.runtime.contract import Context, Outcome
from addons.sweep import findings, foreign
from providers import tags
from providers.base import Changes, Provider
from providers.errors import AccountTrouble, NotFound, ProviderError, Throttled
from providers.models import CloudAccount

# The cloud's clock and ours differ, and its answers lag: ask for a little more than passed.
OVERLAP_SECONDS = 10
SOON_SECONDS = 4.0


@dataclass(slots=True)
class _Memory:
    """When this process last asked; a new one begins with a complete list."""

    asked: float = 0.0
    full_due: float = 0.0


_memory: dict[str, _Memory] = {}


async def reconcile_sweep(ctx: Context, key: str) -> Outcome:
    _, account_id, region = key.split(":", 2)
    account = await ctx.db(CloudAccount.objects.filter(pk=int(account_id)).first)
    if account is None:
        return Outcome()
    memory = _memory.setdefault(key, _Memory())
    try:
        provider = await ctx.provider(account.pk, region)
        await _delete_orphans(ctx, account, region, provider)
        if time.monotonic() >= memory.full_due:
            await _full(ctx, account, region, provider, memory)
        elif isinstance(provider, Changes):
            await _delta(ctx, account, provider, memory)
    except AccountTrouble as error:
        await _trouble(ctx, account, error.code or "AccountTrouble", error.message)
        return Outcome(settings.FULL_SWEEP_SECONDS / 3, "AccountTrouble", {"message": str(error)})
    except Throttled as error:
        return Outcome(max(error.retry_after, settings.SWEEP_SECONDS))
    except ProviderError as error:
        memory.full_due = 0.0
        return Outcome(settings.SWEEP_SECONDS, "CloudUnavailable", {"message": error.message})
    if isinstance(provider, Changes):
        return Outcome(settings.SWEEP_SECONDS)
    return Outcome(max(memory.full_due - time.monotonic(), settings.SWEEP_SECONDS))


async def _delta(ctx: Context, account: CloudAccount, provider: Changes, memory: _Memory) -> None:
    before, started = memory.asked, time.monotonic()
    since = int(started - before) + OVERLAP_SECONDS
    listing = await provider.changes(since_seconds=since)
    memory.asked = started
    keys = await ctx.db(findings.changed, account, listing, ctx.lease)
    await _queue(ctx, keys)


async def _full(
    ctx: Context, account: CloudAccount, region: str, provider: Provider, memory: _Memory
) -> None:
    started = time.monotonic()
    mine = await ctx.db(installation)
    listing = await provider.list(tags={tags.CONSOLE: mine})
    found = await ctx.db(findings.complete, account, region, listing, ctx.lease, ctx.now())
    memory.asked = started
    # What was missing needs a second list, seconds apart; a halted account is looked at often, and
    # so is one whose cloud tells of changes by whole lists alone.
    soon = found.absent or found.halted or (found.moving and not isinstance(provider, Changes))
    memory.full_due = started + (SOON_SECONDS if soon else settings.FULL_SWEEP_SECONDS)
    if not found.halted:
        await _trouble(ctx, account, "", "")
    if found.halted != (account.halted_at is not None):
        await ctx.announce("accounts", account.pk)
    closed = await foreign.close_gone(ctx, account, region, provider)
    if found.changed_orphans or closed:
        await ctx.announce("orphans", *found.changed_orphans, *closed)
    await _queue(ctx, found.keys)


async def _queue(ctx: Context, keys: findings.Keys) -> None:
    for shard, key in sorted(keys):
        await ctx.enqueue(shard, key)


async def _trouble(ctx: Context, account: CloudAccount, code: str, message: str) -> None:
    """Mark the account, or end trouble with reading after a list that came whole."""
    if account.trouble == code:
        return
    trouble = store.Trouble(account.pk, code, message, "read")
    if any(await ctx.db(store.set_trouble, [trouble], ctx.now())):
        await ctx.announce("accounts", account.pk)


async def _delete_orphans(
    ctx: Context, account: CloudAccount, region: str, provider: Provider
) -> None:
    """What a person asked to delete; the list closes it when it is gone."""
    for orphan in await ctx.db(findings.to_delete, account, region):
        ctx.lease.check(3.0)
        try:
            await provider.delete(orphan.cloud_id)
        except NotFound:
            continue
        except AccountTrouble:
            raise
        except ProviderError as error:
            await ctx.db(findings.delete_failed, orphan.pk, str(error))
        else:
            _memory[f"sweep:{account.pk}:{region}"].full_due = 0.0
