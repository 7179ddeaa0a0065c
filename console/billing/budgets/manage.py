"""Making, changing, lifting and removing budgets; pages and REST call these.

Each takes the time and who acts; nothing asks who may: `console.access` did. Texts of a
`BudgetError` are in the reader's language. A changed budget is looked at again at the next look, so
that a larger amount lifts its hold within seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import Group
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from addons import holds
from addons.models import Hold
from addons.runtime.loop import runtime
from console.billing.budgets import notify, scope, words
from console.billing.budgets.errors import BudgetError, check_name
from console.billing.budgets.periods import period_of
from console.billing.budgets.scope import source_of
from console.billing.budgets.watch import FULL, act, cordoning
from console.models import Budget, BudgetEvent, Channel

THRESHOLDS = (50, 80, 100)
_MOST = 10
_HIGHEST = 1000
SEND_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Wish:
    """A budget as it shall be. `thresholds` are percent; `channels` ids of the team's channels."""

    name: str
    amount: Decimal
    currency: str
    period: str = Budget.Period.MONTH
    scope: Mapping[str, Any] = field(default_factory=dict)
    thresholds: tuple[int, ...] = THRESHOLDS
    forecast: bool = True
    action: str = Budget.Action.NOTIFY
    channels: tuple[int, ...] = ()
    enabled: bool = True


def create(team: Group, wish: Wish, *, by: str, now: datetime) -> Budget:
    """Raises `BudgetError`."""
    budget = Budget(team=team, created_by=by, created_at=now)
    _write(budget, wish)
    return budget


def update(budget: Budget, wish: Wish, *, by: str, now: datetime) -> Budget:
    """Events of this period that would not be true of the new amount are taken back, so that they
    are told when they become true. A hold that no longer fits is lifted. Raises `BudgetError`."""
    before = (budget.action, budget.scope)
    _write(budget, wish)
    begins = period_of(budget, now).begins
    mine = BudgetEvent.objects.filter(budget=budget, period_start=begins)
    stale = [e.pk for e in mine if e.threshold == words.FORECAST or _not_reached(budget, e)]
    mine.filter(pk__in=stale).delete()
    if (budget.action, budget.scope) != before or not budget.enabled:
        holds.lift(source_of(budget), by=by, now=now)
    if budget.enabled:
        act(budget, now)
    holds.settle(cordoning([budget]))
    return budget


def _not_reached(budget: Budget, event: BudgetEvent) -> bool:
    percent = event.threshold
    return percent.isdecimal() and budget.spent * 100 < budget.amount * int(percent)


def delete(budget: Budget, *, by: str, now: datetime) -> None:
    holds.lift(source_of(budget), by=by, now=now)
    holds.settle()
    budget.delete()


def lift(budget: Budget, *, by: str, now: datetime) -> int:
    """End its holds for the rest of the period; its channels are told. How many ended."""
    begins = period_of(budget, now).begins
    with transaction.atomic():
        mine = BudgetEvent.objects.filter(budget=budget, period_start=begins, lifted_at=None)
        lifted = mine.filter(threshold=str(FULL)).update(lifted_at=now, lifted_by=by)
        if lifted:
            _tell_lifted(budget, begins, by=by, now=now)
    ended = holds.lift(source_of(budget), by=by, now=now)
    holds.settle()
    return ended


def _tell_lifted(budget: Budget, begins: datetime, *, by: str, now: datetime) -> None:
    """A row of its own for each lifting, so that channels take it for news; the last is kept."""
    mine = {"budget": budget, "period_start": begins, "threshold": words.LIFTED}
    BudgetEvent.objects.filter(**mine).delete()
    amounts = {"spent": budget.spent, "amount": budget.amount}
    BudgetEvent.objects.create(**mine, **amounts, at=now, lifted_at=now, lifted_by=by)


def held(budgets: Iterable[Budget]) -> dict[int, int]:
    """Budget -> how many places it holds now; only of those that hold some."""
    sources = {source_of(budget): budget.pk for budget in budgets}
    found: dict[int, int] = {}
    rows = Hold.objects.filter(source__in=sources, lifted_at=None).values_list("source", flat=True)
    for source in rows:
        found[sources[source]] = found.get(sources[source], 0) + 1
    return found


def test_budget(budget: Budget, now: datetime) -> dict[int, str]:
    """A test notice to each of its channels; channel -> what went wrong, empty when nothing."""
    return {channel.pk: test_channel(channel, now) for channel in budget.channels.all()}


def test_channel(channel: Channel, now: datetime) -> str:
    """What went wrong, or empty. Takes seconds; not for the loop's own thread."""
    own = runtime()
    notice = words.sample_notice(channel, now)
    try:
        error = own.run(notify.send(own, channel, notice), timeout=SEND_SECONDS)
    except TimeoutError:
        error = "TimeoutError"
    notify.tried(channel, error, now)
    return error


def _write(budget: Budget, wish: Wish) -> None:
    _check(wish)
    channels = list(Channel.objects.filter(team=budget.team_id, pk__in=wish.channels))
    if len(channels) != len(set(wish.channels)):
        raise BudgetError("channels", _("The team has no such channel."))
    budget.scope = scope.checked(budget.team, wish.scope, wish.action)
    budget.name, budget.amount, budget.currency = wish.name, wish.amount, wish.currency
    budget.period, budget.action = wish.period, wish.action
    budget.thresholds = sorted(set(wish.thresholds))
    budget.forecast, budget.enabled = wish.forecast, wish.enabled
    try:
        with transaction.atomic():
            budget.save()
            budget.channels.set(channels)
    except IntegrityError as error:
        raise BudgetError("name", _("There is one of this name already.")) from error


def _check(wish: Wish) -> None:
    check_name(wish.name)
    if wish.amount <= 0:
        raise BudgetError("amount", _("The amount is more than nothing."))
    if len(wish.currency) != 3 or not wish.currency.isalpha() or not wish.currency.isupper():
        raise BudgetError("currency", _("A currency is three letters, like CNY."))
    for name, value, choices in (
        ("period", wish.period, Budget.Period.values),
        ("action", wish.action, Budget.Action.values),
    ):
        if value not in choices:
            known = ", ".join(choices)
            raise BudgetError(name, _("It is one of %(known)s.") % {"known": known})
    odd = [number for number in wish.thresholds if not 0 < number <= _HIGHEST]
    if odd or len(wish.thresholds) > _MOST:
        raise BudgetError("thresholds", _("At most ten thresholds, from 1 to 1000 percent."))


def state_of(budget: Budget, held_places: int) -> str:
    """`off`, `held`, `over`, `near` (a threshold is passed, or it is expected to end over), `ok`.

    As of its last look (`looked_at`).
    """
    if not budget.enabled:
        return "off"
    if held_places:
        return "held"
    if budget.spent >= budget.amount:
        return "over"
    first = min(budget.thresholds, default=FULL)
    expected = budget.expected if budget.forecast else None
    near = budget.spent * 100 >= budget.amount * first
    return "near" if near or (expected is not None and expected > budget.amount) else "ok"
