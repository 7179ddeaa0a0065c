"""Budgets: how far each is used up, its burn-down, and what may be changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import Group
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from addons.models import Cluster
from console import audit
from console.access import Role, access, default_team, visible
from console.billing.budgets import manage, scope
from console.billing.budgets.errors import BudgetError
from console.billing.budgets.reach import limits
from console.models import Budget, BudgetEvent, Channel
from console.views.billing import burn
from console.views.billing.teams import able
from providers import registry
from providers.models import CloudAccount

_TEXT = {"class": "input", "autocomplete": "off", "spellcheck": "false"}
_SELECT = {"class": "input"}
STATES = {
    "ok": ("ok", gettext_lazy("within")),
    "near": ("warn", gettext_lazy("nearly used up")),
    "over": ("bad", gettext_lazy("used up")),
    "held": ("bad", gettext_lazy("used up, new instances held")),
    "off": ("mute", gettext_lazy("not watched")),
}


class BudgetForm(forms.Form):
    name = forms.CharField(
        max_length=64, label=gettext_lazy("Name"), widget=forms.TextInput(attrs=_TEXT)
    )
    amount = forms.DecimalField(
        min_value=Decimal("0.0001"),
        max_digits=16,
        decimal_places=4,
        label=gettext_lazy("Amount"),
        widget=forms.NumberInput(attrs={**_TEXT, "step": "any"}),
    )
    currency = forms.ChoiceField(
        choices=[("CNY", "CNY"), ("USD", "USD")],
        label=gettext_lazy("Currency"),
        widget=forms.Select(attrs=_SELECT),
    )
    period = forms.ChoiceField(
        choices=Budget.Period.choices,
        initial=Budget.Period.MONTH,
        label=gettext_lazy("Period"),
        widget=forms.Select(attrs=_SELECT),
        help_text=gettext_lazy("Days, weeks and months begin at midnight, UTC+8."),
    )
    cluster = forms.ChoiceField(
        required=False, label=gettext_lazy("Cluster"), widget=forms.Select(attrs=_SELECT)
    )
    namespace = forms.CharField(
        max_length=253,
        required=False,
        label=gettext_lazy("Namespace"),
        widget=forms.TextInput(attrs=_TEXT),
    )
    workload = forms.CharField(
        max_length=320,
        required=False,
        label=gettext_lazy("Workload"),
        widget=forms.TextInput(attrs={**_TEXT, "placeholder": "Deployment/web"}),
    )
    provider = forms.ChoiceField(
        required=False, label=gettext_lazy("Provider"), widget=forms.Select(attrs=_SELECT)
    )
    account = forms.ChoiceField(
        required=False, label=gettext_lazy("Credential"), widget=forms.Select(attrs=_SELECT)
    )
    node = forms.CharField(
        max_length=253,
        required=False,
        label=gettext_lazy("Virtual node"),
        widget=forms.TextInput(attrs=_TEXT),
    )
    thresholds = forms.CharField(
        initial="50, 80, 100",
        required=False,
        label=gettext_lazy("Tell at"),
        help_text=gettext_lazy("Percent of the amount, between commas."),
        widget=forms.TextInput(attrs=_TEXT),
    )
    channels = forms.MultipleChoiceField(
        required=False, label=gettext_lazy("Channels"), widget=forms.CheckboxSelectMultiple
    )
    action = forms.ChoiceField(
        choices=Budget.Action.choices,
        initial=Budget.Action.NOTIFY,
        label=gettext_lazy("When it is used up"),
        help_text=gettext_lazy(
            "Pods that run are never touched. New ones wait with an event until it is lifted. "
            "Virtual nodes that a vendor runs can be cordoned, but do not refuse instances."
        ),
        widget=forms.Select(attrs=_SELECT),
    )
    forecast = forms.BooleanField(
        required=False,
        initial=True,
        label=gettext_lazy("Also tell when the forecast crosses the amount"),
    )
    enabled = forms.BooleanField(
        required=False, initial=True, label=gettext_lazy("Watch this budget")
    )
    scope_fields = scope.KEYS
    _checks = ("forecast", "enabled")

    def __init__(self, team: Group, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        clusters = Cluster.objects.filter(team=team).values_list("slug", "name")
        accounts = CloudAccount.objects.filter(team=team).values_list("pk", "name")
        providers = [(name, registry.dialect(name).title) for name in registry.PROVIDERS]
        channels = Channel.objects.filter(team=team).values_list("pk", "name")
        self._choose("cluster", [("", _("all")), *clusters])
        self._choose("account", [("", _("all")), *((str(pk), name) for pk, name in accounts)])
        self._choose("provider", [("", _("all")), *providers])
        self._choose("channels", [(str(pk), name) for pk, name in channels])

    def _choose(self, name: str, choices: Sequence[tuple[str, str]]) -> None:
        self.fields[name].choices = choices  # type: ignore[attr-defined]

    def clean_thresholds(self) -> tuple[int, ...]:
        words = self.cleaned_data["thresholds"].replace("%", " ").replace(",", " ").split()
        if any(not word.isdecimal() for word in words):
            raise forms.ValidationError(_("Whole numbers between commas, like 50, 80, 100."))
        return tuple(int(word) for word in words)

    @property
    def wish(self) -> manage.Wish:
        given = self.cleaned_data
        return manage.Wish(
            name=given["name"].strip(),
            amount=given["amount"],
            currency=given["currency"],
            period=given["period"],
            scope={key: given[key] for key in scope.KEYS if given[key]},
            thresholds=given["thresholds"],
            forecast=given["forecast"],
            action=given["action"],
            channels=tuple(int(pk) for pk in given["channels"]),
            enabled=given["enabled"],
        )

    def blame(self, error: BudgetError) -> None:
        name = error.field.removeprefix("scope.")
        text = f"{error.message} {error.fix}".strip()
        self.add_error(name if name in self.fields else None, text)


@dataclass(frozen=True, slots=True)
class Shown:
    """A budget as the list has it; `held`: the places where it holds new instances now."""

    it: Budget
    scope: str
    held: int

    @property
    def used(self) -> Decimal:
        return self.it.spent / self.it.amount

    @property
    def tone(self) -> str:
        return STATES[manage.state_of(self.it, self.held)][0]

    @property
    def state(self) -> str:
        return str(STATES[manage.state_of(self.it, self.held)][1])

    @property
    def over_soon(self) -> bool:
        return self.it.expected is not None and self.it.expected > self.it.amount

    @property
    def left(self) -> Decimal:
        return self.it.amount - self.it.spent


def shown(budgets: Sequence[Budget]) -> list[Shown]:
    held = manage.held(budgets)
    return [Shown(one, scope.described(one), held.get(one.pk, 0)) for one in budgets]


@dataclass(frozen=True, slots=True)
class Happened:
    """`accepted` and `refused`: by how many channels."""

    it: BudgetEvent
    accepted: int
    refused: int


def happened(event: BudgetEvent) -> Happened:
    refused = sum(bool(told.get("error")) for told in event.told.values())
    return Happened(event, len(event.told) - refused, refused)


@require_safe
@login_required
def budgets(request: HttpRequest) -> HttpResponse:
    rows = visible(Budget, request.user).select_related("team").prefetch_related("channels")
    found = shown(list(rows))
    found.sort(key=lambda one: (not one.it.enabled, -one.used, one.it.name))
    return render(request, "pages/billing/budgets.html", {"budgets": found})


def initial_of(budget: Budget) -> dict[str, Any]:
    return {
        **{key: budget.scope.get(key, "") for key in scope.KEYS},
        **{
            name: getattr(budget, name)
            for name in ("name", "currency", "period", "forecast", "action", "enabled")
        },
        "amount": f"{budget.amount.normalize():f}",
        "thresholds": ", ".join(str(number) for number in budget.thresholds),
        "channels": [str(one.pk) for one in budget.channels.all()],
    }


@require_http_methods(["GET", "POST"])
@login_required
def new(request: HttpRequest) -> HttpResponse:
    team = default_team(request.user, role=Role.OPERATOR, name=request.GET.get("team", ""))
    initial = {key: request.GET[key] for key in (*scope.KEYS, "currency") if key in request.GET}
    form = BudgetForm(team, request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        by, now = request.user.get_username(), timezone.now()
        try:
            made = manage.create(team, form.wish, by=by, now=now)
        except BudgetError as error:
            form.blame(error)
        else:
            audit.record(request, "budget.create", made.name, team=team)
            messages.success(request, _("The budget is watched."))
            return redirect("billing-budget", made.pk)
    others = [one for one in able(request.user) if one != team]
    context = {"form": form, "team": team, "others": others}
    status = 422 if form.errors else 200
    return render(request, "pages/billing/budget_new.html", context, status=status)


@require_http_methods(["GET", "POST"])
@login_required
def budget(request: HttpRequest, pk: int) -> HttpResponse:
    role = Role.OPERATOR if request.method == "POST" else Role.VIEWER
    found, now = access(Budget, request.user, role=role, pk=pk), timezone.now()
    form = BudgetForm(found.team, request.POST or None, initial=initial_of(found))
    if request.method == "POST" and form.is_valid():
        try:
            manage.update(found, form.wish, by=request.user.get_username(), now=now)
        except BudgetError as error:
            form.blame(error)
        else:
            audit.record(request, "budget.change", found.name, team=found.team)
            messages.success(request, _("Saved."))
            return redirect("billing-budget", pk)
    found.refresh_from_db()
    return _budget_page(request, found, form, now)


def _budget_page(
    request: HttpRequest, found: Budget, form: BudgetForm, now: datetime
) -> HttpResponse:
    [row] = shown([found])
    context = {
        "row": row,
        "budget": found,
        "form": form,
        "burn": burn.drawn(found, now),
        "limits": limits(found),
        "events": [happened(one) for one in found.events.all()[:50]],
    }
    status = 422 if form.errors else 200
    return render(request, "pages/billing/budget.html", context, status=status)


@require_POST
@login_required
def lift(request: HttpRequest, pk: int) -> HttpResponse:
    found = access(Budget, request.user, role=Role.OPERATOR, pk=pk)
    manage.lift(found, by=request.user.get_username(), now=timezone.now())
    audit.record(request, "budget.lift", found.name, team=found.team)
    messages.success(request, _("Lifted: pods that waited get their instances now."))
    return redirect("billing-budget", pk)


@require_POST
@login_required
def test(request: HttpRequest, pk: int) -> HttpResponse:
    """A test notice to each of its channels."""
    found = access(Budget, request.user, role=Role.OPERATOR, pk=pk)
    failed = {one: text for one, text in manage.test_budget(found, timezone.now()).items() if text}
    names = dict(found.channels.values_list("pk", "name"))
    for one, text in failed.items():
        messages.error(request, f"{names[one]}: {text}")
    if not failed:
        messages.success(request, _("A test notice was sent to each channel."))
    audit.record(request, "budget.test", found.name, team=found.team)
    return redirect("billing-budget", pk)


@require_POST
@login_required
def remove(request: HttpRequest, pk: int) -> HttpResponse:
    found = access(Budget, request.user, role=Role.OWNER, pk=pk)
    team, name = found.team, found.name
    manage.delete(found, by=request.user.get_username(), now=timezone.now())
    audit.record(request, "budget.remove", name, team=team)
    messages.success(request, _("The budget is gone; nothing is held by it any more."))
    return redirect("billing-budgets")
