"""Credentials: cloud keys, the permission doctor, adding, following and rotating."""

from __future__ import annotations

from collections.abc import Sequence
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

from addons import keys as followed
from addons.models import Cluster
from addons.pods import reasons
from addons.sweep import breaker
from console import audit
from console.access import Role, access, default_team, require, visible
from console.fields import FieldsForm
from console.keys import dialects, known, new_key, policies, purpose_of, shown_key, sources, used_by
from console.refusals import EXPLAINED, Refusal, explain, user_kind
from kube.secret import Secret
from providers import accounts, registry
from providers.base import Dialect, Field, TemporaryKeys
from providers.models import CloudAccount

ROTATE_AFTER_DAYS = 90


def _input(**attrs: str) -> dict[str, str]:
    return {"class": "input", "autocomplete": "off", "spellcheck": "false", **attrs}


class NamedForm(FieldsForm):
    """What every credential has, around what its provider asks for."""

    name = forms.CharField(
        max_length=64, label=gettext_lazy("Name"), widget=forms.TextInput(attrs=_input())
    )
    region = forms.CharField(
        max_length=64,
        label=gettext_lazy("Region"),
        widget=forms.TextInput(attrs=_input()),
        help_text=gettext_lazy("As the cloud writes it, for example cn-hangzhou or cn-beijing-6."),
    )
    endpoint = forms.URLField(
        required=False,
        assume_scheme="https",
        label=gettext_lazy("API endpoint"),
        widget=forms.URLInput(attrs=_input()),
        help_text=gettext_lazy("Leave empty for the documented endpoint of the region."),
    )

    def __init__(self, asked: Sequence[Field], *args: Any, **kwargs: Any) -> None:
        super().__init__(asked, *args, **kwargs)
        self.order_fields(["name", "region", *(field.name for field in asked)])


class FollowForm(NamedForm):
    """A key that is read from a ConfigMap of a cluster, again and again."""

    cluster = forms.ModelChoiceField(
        Cluster.objects.none(),
        to_field_name="slug",
        label=gettext_lazy("Cluster"),
        widget=forms.Select(attrs={"class": "input"}),
    )
    namespace = forms.CharField(
        max_length=253,
        initial=followed.NAMESPACE,
        label=gettext_lazy("Namespace"),
        widget=forms.TextInput(attrs=_input()),
    )
    config_map = forms.CharField(
        max_length=253,
        initial=followed.CONFIG_MAP,
        label="ConfigMap",
        widget=forms.TextInput(attrs=_input()),
    )
    cipher = forms.CharField(
        max_length=8192,
        required=False,
        label=gettext_lazy("Cipher key"),
        widget=forms.PasswordInput(attrs=_input(autocomplete="new-password"), render_value=False),
        help_text=gettext_lazy("Only if the secret key in the ConfigMap is enciphered."),
    )
    field_order = ("name", "cluster", "namespace", "config_map", "cipher", "region", "endpoint")

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__((), *args, **kwargs)
        self.order_fields(self.field_order)
        cluster = self.fields["cluster"]
        cluster.queryset = visible(Cluster, request.user)  # type: ignore[attr-defined]
        cluster.label_from_instance = lambda row: row.name  # type: ignore[attr-defined]


@require_safe
@login_required
def credentials(request: HttpRequest) -> HttpResponse:
    rows = list(visible(CloudAccount, request.user))
    users, read_from = used_by(rows), sources(rows)
    context = {
        "accounts": [
            (row, shown_key(row), len(users[row.pk]), read_from.get(row.pk)) for row in rows
        ],
        "old_days": ROTATE_AFTER_DAYS,
    }
    return render(request, "pages/credentials.html", context)


def _show(
    request: HttpRequest, template: str, context: dict[str, object], bad: bool
) -> HttpResponse:
    return render(request, template, context, status=422 if bad else 200)


def _asked(dialect: Dialect) -> str:
    """What a key of this cloud needs at least, in a line."""
    return " · ".join(_(field.label) for field in dialect.credential if field.required)


@require_http_methods(["GET", "POST"])
@login_required
def new(request: HttpRequest) -> HttpResponse:
    """The provider first; then what it asks for, given here or read from a ConfigMap."""
    given = request.POST if request.method == "POST" else request.GET
    dialect = known(given.get("provider", ""))
    if dialect is None:
        context: dict[str, object] = {"choices": [(one, _asked(one)) for one in dialects()]}
        return _show(request, "pages/credential/choose.html", context, request.method == "POST")
    offers = isinstance(dialect, TemporaryKeys)
    follow = offers and given.get("source") == "configmap"
    data = request.POST if request.method == "POST" else None
    form = FollowForm(request, data) if follow else NamedForm(dialect.credential, data)
    if data is not None and form.is_valid():
        added = _added(request, dialect, form)
        if isinstance(added, CloudAccount):
            messages.success(request, _("The key works and is stored."))
            return redirect("credential", added.pk)
        form.add_error(None, added.text)
    context = {
        "form": form,
        "dialect": dialect,
        "policies": policies(dialect),
        "offers_config_map": offers,
        "follow": follow,
    }
    return _show(request, "pages/credential/new.html", context, bool(form.errors))


def _team(request: HttpRequest, form: NamedForm) -> Group:
    """Whose credential it becomes: where a key is read from a cluster, its own team's."""
    if isinstance(form, FollowForm):
        team: Group = form.cleaned_data["cluster"].team
        require(request.user, team, Role.OPERATOR)
        return team
    return default_team(request.user, role=Role.OPERATOR)


def _added(request: HttpRequest, dialect: Dialect, form: NamedForm) -> CloudAccount | Refusal:
    given, team = form.cleaned_data, _team(request, form)
    common: dict[str, Any] = {
        "team": team,
        "name": given["name"],
        "provider": dialect.name,
        "region": given["region"],
        "endpoint": given["endpoint"],
        "now": timezone.now(),
    }
    try:
        if isinstance(form, FollowForm):
            account = followed.add(
                **common,
                cluster=given["cluster"],
                namespace=given["namespace"],
                config_map=given["config_map"],
                cipher=Secret(given["cipher"]),
            )
        else:
            account = accounts.add(**common, key=new_key(dialect.name, form.texts()))
    except EXPLAINED as error:
        return explain(error)
    audit.record(request, "credential.add", account.name, team=team)
    return account


@require_safe
@login_required
def credential(request: HttpRequest, pk: int) -> HttpResponse:
    account = access(CloudAccount, request.user, pk=pk)
    return _page(request, account, None)


def _page(request: HttpRequest, account: CloudAccount, form: FieldsForm | None) -> HttpResponse:
    dialect = known(account.provider)
    if form is None and dialect and not account.key_source:
        form = FieldsForm(dialect.credential)
    context = {
        "account": account,
        "dialect": dialect,
        "source": sources([account]).get(account.pk),
        "shown_key": shown_key(account),
        "stale": account.trouble == accounts.KEY_STALE,
        "works": sum(item["ok"] for item in account.capabilities),
        "tried": [(item, purpose_of(item.get("use", ""))) for item in account.capabilities],
        "users": [(user_kind(user), user) for user in accounts.users(account)],
        "form": form,
        "policies": policies(dialect) if dialect else (),
        "age_days": (timezone.now() - account.rotated_at).days,
        "old_days": ROTATE_AFTER_DAYS,
        "has_users": registry.has_users(account.provider),
        "halt_text": reasons.sentence(account.halt_reason, account.halt_detail),
    }
    partial = request.headers.get("HX-Request") and request.GET.get("part") == "top"
    template = "pages/credential/top.html" if partial else "pages/credential.html"
    return _show(request, template, context, bool(form and form.errors))


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
    dialect = known(account.provider)
    if dialect is None or account.key_source:
        messages.error(request, _("This key is renewed where it is read from, not here."))
        return redirect("credential", pk)
    form = FieldsForm(dialect.credential, request.POST)
    if form.is_valid():
        try:
            key = new_key(dialect.name, form.texts())
            accounts.rotate(account, key, now=timezone.now())
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
