"""What a notice says, in the language of whoever made the budget."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from addons.sentences import stored
from console.billing.budgets.forms import Notice
from console.billing.budgets.reach import limits
from console.billing.budgets.scope import described
from console.models import Budget, BudgetEvent, Channel, Profile
from providers.calendar import BILLING, day_of

FORECAST, LIFTED, TEST = "forecast", "lifted", "test"
# The action of an event that should have held something and found nothing in its scope.
NOTHING = "none"
# What a webhook's receiver tells notices apart by; any other threshold is a percent.
TYPES = {FORECAST: "budget.forecast", LIFTED: "budget.lifted", TEST: "channel.test"}
CROSSED = "budget.crossed"
HELD = gettext_noop("Budget %(name)s is used up: %(spent)s of %(amount)s %(currency)s.")


def money(amount: Decimal) -> str:
    return f"{amount:.2f}"


def held(budget: Budget, spent: Decimal) -> str:
    """Why a hold stands, as it is stored."""
    amounts = {"spent": money(spent), "amount": money(budget.amount)}
    return stored(HELD, name=budget.name, currency=budget.currency, **amounts)


def notice_of(event: BudgetEvent) -> Notice:
    budget = event.budget
    with translation.override(_language(budget)):
        return Notice(
            id=f"budget-{budget.pk}-event-{event.pk}",
            title=_title(budget, event.threshold),
            text=_text(event),
            facts=(
                (_("Scope"), described(budget)),
                (_("Spent"), f"{money(event.spent)} {budget.currency}"),
                (_("Budget"), f"{money(event.amount)} {budget.currency}"),
                (_("Period"), f"{budget.get_period_display()}, {day_of(event.period_start)}"),
            ),
            url=url_of(budget),
            type=TYPES.get(event.threshold, CROSSED),
            at=event.at,
            data=data_of(event),
        )


def sample_notice(channel: Channel, now: datetime) -> Notice:
    title = _("Test of the channel %(name)s") % {"name": channel.name}
    text = _("If you can read this, notices of budgets arrive here.")
    data = {"threshold": TEST, "channel": channel.name}
    url = f"{settings.PUBLIC_URL}/billing/budgets/"
    number = f"channel-{channel.pk}-test-{int(now.timestamp())}"
    return Notice(number, title, text, (), url, TYPES[TEST], now, data)


def url_of(budget: Budget) -> str:
    return f"{settings.PUBLIC_URL}/billing/budgets/{budget.pk}/"


def data_of(event: BudgetEvent) -> dict[str, object]:
    budget = event.budget
    return {
        "budget": {"id": budget.pk, "name": budget.name, "scope": budget.scope},
        "team": budget.team.name,
        "threshold": event.threshold,
        "spent": str(event.spent),
        "amount": str(event.amount),
        "currency": budget.currency,
        "period": budget.period,
        "period_start": event.period_start.astimezone(BILLING).isoformat(),
        "at": event.at.isoformat(),
        "action": event.action,
        "limits": limits(budget),
        "url": url_of(budget),
    }


def _language(budget: Budget) -> str:
    found = Profile.objects.filter(user__username=budget.created_by).values_list("language")
    return str((found.first() or ("",))[0] or settings.LANGUAGE_CODE)


def _title(budget: Budget, threshold: str) -> str:
    name = {"name": budget.name}
    if threshold == FORECAST:
        return _("Budget %(name)s is expected to be exceeded") % name
    if threshold == LIFTED:
        return _("The hold of budget %(name)s was lifted") % name
    return _("Budget %(name)s has reached %(percent)s %%") % {**name, "percent": threshold}


def _text(event: BudgetEvent) -> str:
    if event.threshold == LIFTED:
        return _("New instances are made again.")
    if not event.action:
        return _("Nothing was stopped.")
    # What it does not do matters to whoever reads that it acts.
    return " ".join([_acted(event.action), *limits(event.budget)])


def _acted(action: str) -> str:
    if action == Budget.Action.HOLD:
        return _("New instances are refused from now on; pods that run are left alone.")
    if action == Budget.Action.CORDON:
        return _("Its virtual nodes are cordoned from now on; pods that run are left alone.")
    return _("Nothing was stopped.")
