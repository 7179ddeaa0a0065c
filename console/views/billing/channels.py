"""Channels: where notices of budgets go. Addresses are written once and never shown again."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import Group
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from console import audit
from console.access import Role, access, default_team, visible
from console.billing.budgets import channels as use_cases
from console.billing.budgets import manage
from console.billing.budgets.errors import BudgetError
from console.models import Channel
from console.views.billing.teams import TeamForm, able
from kube.secret import Secret

_TEXT = {"class": "input", "autocomplete": "off", "spellcheck": "false"}


class ChannelForm(TeamForm):
    name = forms.CharField(
        max_length=64, label=gettext_lazy("Name"), widget=forms.TextInput(attrs=_TEXT)
    )
    kind = forms.ChoiceField(
        choices=Channel.Kind.choices,
        label=gettext_lazy("Kind"),
        widget=forms.Select(attrs={"class": "input"}),
    )
    address = forms.CharField(
        max_length=2000,
        label=gettext_lazy("Address"),
        help_text=gettext_lazy(
            "The https:// address of the receiver or robot; of e-mail the recipients."
        ),
        widget=forms.TextInput(attrs=_TEXT),
    )
    secret = forms.CharField(
        max_length=512,
        required=False,
        strip=False,
        label=gettext_lazy("Signing secret"),
        help_text=gettext_lazy(
            "A webhook needs one; DingTalk and Feishu robots may have one. Never shown again."
        ),
        widget=forms.PasswordInput(attrs={**_TEXT, "autocomplete": "new-password"}),
    )

    def blame(self, error: BudgetError) -> None:
        name = error.field if error.field in self.fields else None
        self.add_error(name, f"{error.message} {error.fix}".strip())


def _create(team: Group, form: ChannelForm) -> Channel:
    given = form.cleaned_data
    return use_cases.create(
        team,
        name=given["name"],
        kind=given["kind"],
        address=given["address"],
        secret=Secret(given["secret"]),
        now=timezone.now(),
    )


@require_http_methods(["GET", "POST"])
@login_required
def channels(request: HttpRequest) -> HttpResponse:
    teams = able(request.user)
    form = ChannelForm(teams, request.POST or None)
    if request.method == "POST" and not teams:
        default_team(request.user, role=Role.OPERATOR)
    if request.method == "POST" and form.is_valid():
        team = default_team(request.user, role=Role.OPERATOR, name=form.team_name)
        try:
            made = _create(team, form)
        except BudgetError as error:
            form.blame(error)
        else:
            audit.record(request, "channel.create", made.name, team=team)
            messages.success(request, _("The channel is added; send it a test notice."))
            return redirect("billing-channels")
    rows = list(visible(Channel, request.user).select_related("team").prefetch_related("budgets"))
    several = len({row.team_id for row in rows}) > 1
    context = {"channels": rows, "form": form, "several": several}
    status = 422 if form.errors else 200
    return render(request, "pages/billing/channels.html", context, status=status)


@require_POST
@login_required
def test(request: HttpRequest, pk: int) -> HttpResponse:
    found = access(Channel, request.user, role=Role.OPERATOR, pk=pk)
    error = manage.test_channel(found, timezone.now())
    audit.record(request, "channel.test", found.name, team=found.team)
    if error:
        messages.error(request, f"{found.name}: {error}")
    else:
        messages.success(request, _("The test notice was accepted."))
    return redirect("billing-channels")


@require_POST
@login_required
def remove(request: HttpRequest, pk: int) -> HttpResponse:
    found = access(Channel, request.user, role=Role.OWNER, pk=pk)
    team, name = found.team, found.name
    found.delete()
    audit.record(request, "channel.remove", name, team=team)
    messages.success(request, _("The channel is gone."))
    return redirect("billing-channels")
