"""Credentials: cloud keys, the permission doctor, adding and rotating."""

from __future__ import annotations

import json

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from addons.pods import reasons
from addons.sweep import breaker
from console import audit
from console.access import Role, access, default_team, visible
from console.api.credentials import new_key
from console.refusals import EXPLAINED, explain, user_kind
from providers import accounts, registry
from providers.models import CloudAccount

ROTATE_AFTER_DAYS = 90


def _input(**attrs: str) -> dict[str, str]:
    return {"class": "input", "autocomplete": "off", "spellcheck": "false", **attrs}


class KeyForm(forms.Form):
    access_key_id = forms.CharField(
        max_length=128, label="AccessKey ID", widget=forms.TextInput(attrs=_input())
    )
    access_key_secret = forms.CharField(
        max_length=256,
        label="AccessKey Secret",
        widget=forms.PasswordInput(attrs=_input(), render_value=False),
        help_text=gettext_lazy("Sealed before it is stored; it is never shown again."),
    )
    security_token = forms.CharField(
        max_length=4096,
        required=False,
        label=gettext_lazy("Security token"),
        widget=forms.PasswordInput(attrs=_input(), render_value=False),
        help_text=gettext_lazy("Only for temporary keys of STS."),
    )


class CredentialForm(KeyForm):
    name = forms.CharField(
        max_length=64, label=gettext_lazy("Name"), widget=forms.TextInput(attrs=_input())
    )
    provider = forms.ChoiceField(
        choices=[("eci", "Alibaba Cloud ECI")],
        label=gettext_lazy("Provider"),
        widget=forms.Select(attrs={"class": "input"}),
    )
    region = forms.CharField(
        max_length=64,
        label=gettext_lazy("Region"),
        widget=forms.TextInput(attrs=_input(placeholder="cn-hangzhou")),
    )
    endpoint = forms.URLField(
        required=False,
        assume_scheme="https",
        label=gettext_lazy("API endpoint"),
        widget=forms.URLInput(attrs=_input()),
        help_text=gettext_lazy("Leave empty for the documented endpoint of the region."),
    )
    field_order = (
        "name",
        "provider",
        "region",
        "access_key_id",
        "access_key_secret",
        "security_token",
        "endpoint",
    )


@require_safe
@login_required
def credentials(request: HttpRequest) -> HttpResponse:
    rows = visible(CloudAccount, request.user)
    context = {"accounts": rows, "old_days": ROTATE_AFTER_DAYS}
    return render(request, "pages/credentials.html", context)


def _show(
    request: HttpRequest, template: str, context: dict[str, object], bad: bool
) -> HttpResponse:
    return render(request, template, context, status=422 if bad else 200)


@require_http_methods(["GET", "POST"])
@login_required
def new(request: HttpRequest) -> HttpResponse:
    form = CredentialForm(request.POST or None, initial={"region": "cn-hangzhou"})
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        team = default_team(request.user, role=Role.OPERATOR)
        try:
            account = accounts.add(
                team=team,
                name=given["name"],
                provider=given["provider"],
                region=given["region"],
                endpoint=given["endpoint"],
                key=new_key(given),
                now=timezone.now(),
            )
        except EXPLAINED as error:
            refusal = explain(error)
            form.add_error(None, refusal.text)
        else:
            audit.record(request, "credential.add", account.name, team=team)
            messages.success(request, _("The key works and is stored."))
            return redirect("credential", account.pk)
    policy = json.dumps(registry.dialect("eci").policy(), indent=2)
    context = {"form": form, "policy": policy}
    return _show(request, "pages/credential/new.html", context, bool(form.errors))


@require_safe
@login_required
def credential(request: HttpRequest, pk: int) -> HttpResponse:
    account = access(CloudAccount, request.user, pk=pk)
    return _page(request, account, KeyForm())


def _page(request: HttpRequest, account: CloudAccount, form: KeyForm) -> HttpResponse:
    policy = json.dumps(registry.dialect(account.provider).policy(), indent=2)
    context = {
        "account": account,
        "users": [(user_kind(user), user) for user in accounts.users(account)],
        "form": form,
        "policy": policy,
        "age_days": (timezone.now() - account.rotated_at).days,
        "old_days": ROTATE_AFTER_DAYS,
        "halt_text": reasons.sentence(account.halt_reason, account.halt_detail),
    }
    return _show(request, "pages/credential.html", context, bool(form.errors))


@require_POST
@login_required
def verify(request: HttpRequest, pk: int) -> HttpResponse:
    account = access(CloudAccount, request.user, role=Role.OPERATOR, pk=pk)
    try:
        accounts.verify(account, now=timezone.now())
    except EXPLAINED as error:
        refusal = explain(error)
        messages.error(request, refusal.text)
    else:
        messages.success(request, _("The key was tried again."))
    audit.record(request, "credential.verify", account.name, team=account.team)
    return redirect("credential", pk)


@require_POST
@login_required
def rotate(request: HttpRequest, pk: int) -> HttpResponse:
    account = access(CloudAccount, request.user, role=Role.OPERATOR, pk=pk)
    form = KeyForm(request.POST)
    if form.is_valid():
        try:
            accounts.rotate(account, new_key(form.cleaned_data), now=timezone.now())
        except EXPLAINED as error:
            refusal = explain(error)
            form.add_error(None, refusal.text)
        else:
            audit.record(request, "credential.rotate", account.name, team=account.team)
            text = _("The new key is in use. Disable the old one in the cloud's console now.")
            messages.success(request, text)
            return redirect("credential", pk)
    return _page(request, account, form)


@require_POST
@login_required
def resume(request: HttpRequest, pk: int) -> HttpResponse:
    account = access(CloudAccount, request.user, role=Role.OPERATOR, pk=pk)
    breaker.resume(account.pk)
    audit.record(request, "credential.resume", account.name, team=account.team)
    messages.success(request, _("Work on this account goes on."))
    return redirect("credential", pk)


@require_POST
@login_required
def remove(request: HttpRequest, pk: int) -> HttpResponse:
    account = access(CloudAccount, request.user, role=Role.OWNER, pk=pk)
    try:
        accounts.remove(account)
    except EXPLAINED as error:
        refusal = explain(error)
        messages.error(request, refusal.text)
        return redirect("credential", pk)
    audit.record(request, "credential.remove", account.name, team=account.team)
    messages.success(request, _("The credential is removed."))
    return redirect("credentials")
