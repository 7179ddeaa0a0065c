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

from django.db import transaction

from addons import holds
from addons.models import Hold
from addons.runtime.lease import acquire
from addons.runtime.loop import Runtime
from console.billing.budgets import notify, reach, vendors, words
from console.billing.budgets.periods import period_of
from console.billing.budgets.scope import SOURCE, source_of, targets
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
    """Every hold on what is ours is placed or lifted before any cluster is asked for something."""
    budgets = list(Budget.objects.filter(enabled=True).select_related("team"))
    acting = []
    for budget in budgets:
        try:
            look_at(budget, now)
            if budget.action == Budget.Action.CORDON and stands(budget, now):
                acting.append(budget)
        except Exception:  # One budget that cannot be read must not blind us to the others.
            log.exception("budget %s could not be looked at", budget.pk)
    _let_go(now)
    try:
        vendors.hold(acting, now)
    except TimeoutError:
        log.warning("nodes that vendors run are left for the next look")
    holds.settle(cordoning(budgets))
    return len(budgets)


def _let_go(now: datetime) -> None:
    """Holds whose budget was removed or is not watched any more: a look under way may place one
    just after."""
    kept = {source_of(one) for one in Budget.objects.filter(enabled=True)}
    mine = Hold.objects.filter(lifted_at=None, source__startswith=SOURCE)
    for source in set(mine.values_list("source", flat=True)) - kept:
        holds.lift(source, by="", now=now)


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
    budget.spent = spending.spent
    act(budget, now)
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
    mine = {"budget": budget, "period_start": begins, "threshold": threshold}
    if BudgetEvent.objects.filter(**mine).exists():
        return None
    acts = threshold == str(FULL) and budget.action != Budget.Action.NOTIFY
    event, new = BudgetEvent.objects.get_or_create(
        budget=budget,
        period_start=begins,
        threshold=threshold,
        defaults={
            "at": now,
            "spent": spending.expected if threshold == words.FORECAST else spending.spent,
            "amount": budget.amount,
            "action": _reached(budget) if acts else "",
        },
    )
    return event if new else None


def _reached(budget: Budget) -> str:
    return budget.action if reach.reaches(budget) else words.NOTHING


def stands(budget: Budget, now: datetime) -> bool:
    """Whether it is used up, acts, and nobody lifted it in this period."""
    mine = BudgetEvent.objects.filter(
        budget=budget,
        period_start=period_of(budget, now).begins,
        threshold=str(FULL),
        lifted_at=None,
    )
    acts = budget.action != Budget.Action.NOTIFY
    return acts and budget.spent >= budget.amount and mine.exists()


def act(budget: Budget, now: datetime) -> None:
    """Hold while it stands; else let go. Nodes that vendors run follow with `settle`."""
    if stands(budget, now):
        reason = words.held(budget, budget.spent)
        holds.place(source_of(budget), reason, targets(budget), now=now)
    else:
        holds.lift(source_of(budget), by="", now=now)
