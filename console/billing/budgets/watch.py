"""The look at every budget: what was crossed, what is done about it, whom to tell.

One process at a time, by a lease. What acts comes first: a receiver of notices that is slow to
answer delays no hold. Every step may be repeated: events are unique per period and threshold,
holds per place, and a failed notice is tried again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from django.db import transaction

from addons import holds
from addons.runtime.lease import acquire
from addons.runtime.loop import Runtime
from console.billing.budgets import notify, words
from console.billing.budgets.periods import period_of
from console.billing.budgets.scope import targets
from console.billing.budgets.spending import Spending, spending_of
from console.models import Budget, BudgetEvent

log = logging.getLogger(__name__)

SHARD = "budgets"
LEASE_SECONDS = 60.0
# Looking and telling end before the lease does.
TELL_SECONDS = 25.0
FULL = 100


async def look(runtime: Runtime) -> int:
    """Look at all budgets and tell what is untold; how many were looked at (0: someone else)."""
    lease = await runtime.db(
        acquire, SHARD, holder=runtime.holder(), seconds=LEASE_SECONDS, clock=runtime.clock
    )
    if lease is None:
        return 0
    try:
        count = await runtime.db(look_at_all, runtime.clock.now())
        due = await runtime.db(notify.untold, runtime.clock.now())
        async with asyncio.timeout(TELL_SECONDS):
            await notify.tell(runtime, due)
    except TimeoutError:
        log.warning("notices are left for the next look")
    finally:
        await runtime.db(lease.release)
    return count


def look_at_all(now: datetime) -> int:
    """Every hold is placed or lifted before any cluster is asked for a cordon."""
    budgets = list(Budget.objects.filter(enabled=True).select_related("team"))
    for budget in budgets:
        try:
            look_at(budget, now)
        except Exception:  # One budget that cannot be read must not blind us to the others.
            log.exception("budget %s could not be looked at", budget.pk)
    holds.settle(cordoning(budgets))
    return len(budgets)


def cordoning(budgets: Iterable[Budget]) -> set[str]:
    return {source_of(one) for one in budgets if one.action == Budget.Action.CORDON}


def look_at(budget: Budget, now: datetime) -> list[BudgetEvent]:
    """The events that are new; the action is taken or taken back."""
    spending = spending_of(budget, now)
    Budget.objects.filter(pk=budget.pk).update(
        spent=spending.spent, expected=spending.expected, looked_at=now
    )
    begins = period_of(budget, now).begins
    with transaction.atomic():
        events = [
            event
            for threshold in crossed(budget, spending)
            if (event := _event(budget, threshold, begins, spending, now)) is not None
        ]
    act(budget, spending.spent, begins, now)
    return events


def crossed(budget: Budget, spending: Spending) -> list[str]:
    """What is reached, the highest last; 100 % counts for the action even when nobody asked."""
    asked = set(budget.thresholds) | ({FULL} if budget.action != Budget.Action.NOTIFY else set())
    percent = spending.spent * 100 / budget.amount
    reached = [str(threshold) for threshold in sorted(asked) if percent >= threshold]
    over = budget.forecast and spending.expected > budget.amount > spending.spent
    return [*reached, *([words.FORECAST] if over else [])]


def _event(
    budget: Budget, threshold: str, begins: datetime, spending: Spending, now: datetime
) -> BudgetEvent | None:
    """None when it was there already."""
    acts = threshold == str(FULL) and budget.action != Budget.Action.NOTIFY
    amount = spending.expected if threshold == words.FORECAST else spending.spent
    event, new = BudgetEvent.objects.get_or_create(
        budget=budget,
        period_start=begins,
        threshold=threshold,
        defaults={
            "at": now,
            "spent": amount,
            "amount": budget.amount,
            "action": budget.action if acts else "",
        },
    )
    return event if new else None


def source_of(budget: Budget) -> str:
    return f"budget:{budget.pk}"


def act(budget: Budget, spent: Decimal, begins: datetime, now: datetime) -> None:
    """Hold while this period's 100 % stands and nobody lifted it; else let go."""
    standing = BudgetEvent.objects.filter(
        budget=budget, period_start=begins, threshold=str(FULL), lifted_at=None
    )
    if budget.action != Budget.Action.NOTIFY and spent >= budget.amount and standing.exists():
        holds.place(
            source_of(budget),
            words.held(budget, spent),
            targets(budget),
            now=now,
        )
    else:
        holds.lift(source_of(budget), by="", now=now)
