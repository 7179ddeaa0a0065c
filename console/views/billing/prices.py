"""Prices: what is shipped, quoted and entered; entering, importing and withdrawing them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
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
from django.utils.translation import gettext_lazy, pgettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from console import audit
from console.access import AnyUser, Role, access, default_team, teams_of, visible
from console.billing import book, price_file, priced
from console.billing.models import DiscountRule, PriceEntry
from console.views.billing.teams import TeamForm, able
from providers import registry
from providers.calendar import day_of, day_start
from providers.models import CloudAccount

ITEMS = {
    "cpu": gettext_lazy("vCPU"),
    "memory": gettext_lazy("GiB of memory"),
    "instance": gettext_lazy("machine"),
    "gpu": gettext_lazy("GPU card"),
    "storage": gettext_lazy("GiB of storage"),
}
PERS = {
    "second": pgettext_lazy("price per", "second"),
    "hour": pgettext_lazy("price per", "hour"),
}
ORIGINS = {priced.SHIPPED: gettext_lazy("Shipped"), **dict(PriceEntry.Origin.choices)}
AREAS = {
    "@mainland": gettext_lazy("mainland China"),
    "@abroad": gettext_lazy("outside mainland China"),
}
MISSING_DAYS = 35
_TEXT = {"class": "input", "autocomplete": "off", "spellcheck": "false"}
_SELECT = {"class": "input"}
_DATE = {"class": "input", "type": "date"}


def _text(label: Any, **kw: Any) -> forms.CharField:
    more = {"placeholder": kw.pop("placeholder", "")}
    return forms.CharField(
        max_length=64, required=False, label=label, widget=forms.TextInput({**_TEXT, **more}), **kw
    )


class _ScopeForm(TeamForm):
    """Where and for what a price or a contract holds; empty fields fit anything."""

    provider = forms.ChoiceField(label=gettext_lazy("Provider"), widget=forms.Select(_SELECT))
    region = _text(
        gettext_lazy("Region"),
        placeholder="cn-hangzhou, @mainland, @abroad",
        help_text=gettext_lazy("Empty: everywhere."),
    )
    type = _text(
        gettext_lazy("Machine type or size"),
        placeholder="ecs.gn6i-c4g1.xlarge, 2-4Gi",
        help_text=gettext_lazy("Empty: sizes without a machine type; * for any."),
    )
    tier = _text(gettext_lazy("Compute class"), placeholder="economy, spot")
    account = forms.ModelChoiceField(
        CloudAccount.objects.none(),
        required=False,
        label=gettext_lazy("Only this credential"),
        empty_label=gettext_lazy("all"),
        widget=forms.Select(_SELECT),
    )
    valid_from = forms.DateField(label=gettext_lazy("From"), widget=forms.DateInput(_DATE))
    valid_to = forms.DateField(
        required=False, label=gettext_lazy("Until, not included"), widget=forms.DateInput(_DATE)
    )

    def __init__(self, teams: Sequence[Group], *args: Any, **kwargs: Any) -> None:
        super().__init__(teams, *args, **kwargs)
        names = [(name, registry.dialect(name).title) for name in registry.PROVIDERS]
        self.fields["provider"].choices = names  # type: ignore[attr-defined]
        account = self.fields["account"]
        mine = CloudAccount.objects.filter(team__in=teams).select_related("team")
        account.queryset = mine  # type: ignore[attr-defined]
        named = _named if len(teams) > 1 else _name
        account.label_from_instance = named  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        account = given.get("account")
        if account is not None and self.team_name not in {"", account.team.name}:
            self.add_error("account", _("The credential is of another team."))
        return given

    def clean_valid_from(self) -> datetime:
        return day_start(self.cleaned_data["valid_from"])

    def clean_valid_to(self) -> datetime | None:
        given = self.cleaned_data["valid_to"]
        return day_start(given) if given else None

    def blame(self, error: book.Unreadable) -> None:
        self.add_error(
            error.field if error.field in self.fields else None, f"{error.why} {error.fix}"
        )


class PriceForm(_ScopeForm):
    item = forms.ChoiceField(
        choices=ITEMS.items(),
        label=pgettext_lazy("unit of a price", "One"),
        widget=forms.Select(_SELECT),
    )
    amount = forms.DecimalField(
        label=gettext_lazy("costs"), widget=forms.NumberInput({**_TEXT, "step": "any"})
    )
    per = forms.ChoiceField(
        choices=PERS.items(), initial="hour", label=gettext_lazy("a"), widget=forms.Select(_SELECT)
    )
    currency = forms.ChoiceField(
        choices=[("CNY", "CNY"), ("USD", "USD")],
        label=gettext_lazy("Currency"),
        widget=forms.Select(_SELECT),
    )
    zone = _text(gettext_lazy("Zone"))
    source = forms.CharField(
        max_length=255,
        required=False,
        label=gettext_lazy("Where it is from"),
        widget=forms.TextInput({**_TEXT, "placeholder": "contract 2026-117"}),
    )
    field_order = (
        *("team", "provider", "item", "amount", "per", "currency", "region", "zone", "type"),
        *("tier", "account", "valid_from", "valid_to", "source"),
    )


class DiscountForm(_ScopeForm):
    name = forms.CharField(max_length=64, label=gettext_lazy("Name"), widget=forms.TextInput(_TEXT))
    percent = forms.DecimalField(
        min_value=0,
        max_value=99,
        label=gettext_lazy("Percent off"),
        widget=forms.NumberInput({**_TEXT, "step": "any"}),
    )
    item = forms.ChoiceField(
        choices=[("", gettext_lazy("all")), *ITEMS.items()],
        required=False,
        label=gettext_lazy("Only for"),
        widget=forms.Select(_SELECT),
    )
    field_order = (
        *("team", "name", "percent", "provider", "region", "type", "tier", "item", "account"),
        *("valid_from", "valid_to"),
    )


class FileForm(TeamForm):
    file = forms.FileField(
        label=gettext_lazy("CSV file"),
        widget=forms.FileInput({"class": "input", "accept": ".csv,text/csv"}),
        help_text=gettext_lazy("All of it is imported, or nothing."),
    )


def _name(row: CloudAccount) -> str:
    return row.name


def _named(row: CloudAccount) -> str:
    return f"{row.name} · {row.team.name}"


def _shown(one: priced.Price, now: datetime) -> dict[str, Any]:
    return {
        "it": one,
        "item": ITEMS.get(one.item, one.item),
        "region": AREAS.get(one.region, one.region),
        "origin": ORIGINS.get(one.origin, one.origin),
        "current": one.current(now),
        "own": one.pk is not None and one.withdrawn_at is None,
    }


def _missing(request: HttpRequest, now: datetime) -> list[priced.Missing]:
    end = day_of(now) + timedelta(days=1)
    return priced.missing(request.user, end - timedelta(days=MISSING_DAYS), end, now)


@require_safe
@login_required
def prices(request: HttpRequest) -> HttpResponse:
    given, now = request.GET, timezone.now()
    found = priced.prices(
        request.user,
        provider=given.get("provider", ""),
        origin=given.get("origin", ""),
        text=given.get("q", ""),
    )
    shown = [_shown(one, now) for one in found]
    context = {
        "prices": shown,
        "own": [row for row in shown if row["own"]],
        "missing": _missing(request, now),
        "discounts": list(visible(DiscountRule, request.user).select_related("account", "team")),
        "several": teams_of(request.user).count() > 1,
        "providers": registry.PROVIDERS,
        "origins": ORIGINS.items(),
        "chosen": {name: given.get(name, "") for name in ("provider", "origin", "q")},
    }
    return render(request, "pages/billing/prices.html", context)


def _initial(request: HttpRequest) -> dict[str, Any]:
    """From the address, so that a missing price comes filled in."""
    return {"valid_from": day_of(timezone.now()).replace(day=1).isoformat(), **request.GET.dict()}


def _owned(user: AnyUser) -> list[Group]:
    """The teams whose book the reader may change; refused where there is none."""
    return able(user, Role.OWNER) or [default_team(user, role=Role.OWNER)]


def _given(user: AnyUser, form: TeamForm) -> tuple[Group, dict[str, Any]]:
    """The team, and what the form says of the rest."""
    given = {name: value for name, value in form.cleaned_data.items() if name != "team"}
    return default_team(user, role=Role.OWNER, name=form.team_name), given


@require_http_methods(["GET", "POST"])
@login_required
def new(request: HttpRequest) -> HttpResponse:
    teams = _owned(request.user)
    form = PriceForm(teams, request.POST or None, initial=_initial(request))
    if request.method == "POST" and form.is_valid():
        team, given = _given(request.user, form)
        by, now = request.user.get_username(), timezone.now()
        try:
            made = book.add_price(team, book.NewPrice(**given), by=by, now=now)
        except book.Unreadable as error:
            form.blame(error)
        else:
            audit.record(request, "price.add", str(made.pk), team=team, detail=_detail(made))
            messages.success(request, _("The price counts; what it touches is metered anew."))
            return redirect("billing-prices")
    context = {"form": form, "file_form": FileForm(teams), "columns": _columns(), "teams": teams}
    status = 422 if form.errors else 200
    return render(request, "pages/billing/price_new.html", context, status=status)


def _detail(row: PriceEntry) -> dict[str, Any]:
    names = ("provider", "item", "per", "currency", "region", "zone", "type", "tier", "origin")
    return {name: getattr(row, name) for name in names} | {"amount": f"{row.amount:f}"}


def _columns() -> str:
    return ",".join((*price_file.REQUIRED, *price_file.OPTIONAL))


@require_POST
@login_required
def load(request: HttpRequest) -> HttpResponse:
    """Prices from a CSV file, all of them or none; each fault is told with its line."""
    teams = _owned(request.user)
    form = FileForm(teams, request.POST, request.FILES)
    faults: tuple[price_file.Fault, ...] = ()
    if form.is_valid():
        team, given = _given(request.user, form)
        content, by = given["file"].read(price_file.MOST_BYTES + 1), request.user
        try:
            made = price_file.import_csv(team, content, by=by.get_username(), now=timezone.now())
        except price_file.FileRefused as error:
            faults = error.faults
        else:
            audit.record(request, "price.import", str(len(made)), team=team)
            messages.success(request, _("%(n)s prices were imported.") % {"n": len(made)})
            return redirect("billing-prices")
    context = {
        "form": PriceForm(teams, initial=_initial(request)),
        "file_form": form,
        "faults": faults,
        "columns": _columns(),
        "teams": teams,
    }
    return render(request, "pages/billing/price_new.html", context, status=422)


@require_POST
@login_required
def withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    found = access(PriceEntry, request.user, role=Role.OWNER, pk=pk)
    try:
        book.withdraw(found, now=timezone.now())
    except book.Unchangeable as error:
        messages.error(request, str(error))
    else:
        audit.record(request, "price.withdraw", str(pk), team=found.team, detail=_detail(found))
        messages.success(request, _("Withdrawn; what it touched is metered anew."))
    return redirect("billing-prices")


@require_http_methods(["GET", "POST"])
@login_required
def discount_new(request: HttpRequest) -> HttpResponse:
    teams = _owned(request.user)
    form = DiscountForm(teams, request.POST or None, initial=_initial(request))
    if request.method == "POST" and form.is_valid():
        team, given = _given(request.user, form)
        given["factor"] = 1 - given.pop("percent") / Decimal(100)
        by, now = request.user.get_username(), timezone.now()
        try:
            made = book.add_discount(team, book.NewDiscount(**given), by=by, now=now)
        except book.Unreadable as error:
            form.blame(error)
        else:
            detail = {"provider": made.provider, "factor": f"{made.factor:f}"}
            audit.record(request, "discount.add", made.name, team=team, detail=detail)
            messages.success(request, _("The contract counts; what it touches is metered anew."))
            return redirect("billing-prices")
    context = {"form": form, "teams": teams}
    status = 422 if form.errors else 200
    return render(request, "pages/billing/discount_new.html", context, status=status)


@require_POST
@login_required
def discount_remove(request: HttpRequest, pk: int) -> HttpResponse:
    found = access(DiscountRule, request.user, role=Role.OWNER, pk=pk)
    team, name = found.team, found.name
    book.remove_discount(found)
    audit.record(request, "discount.remove", name, team=team)
    messages.success(request, _("The contract no longer counts."))
    return redirect("billing-prices")
