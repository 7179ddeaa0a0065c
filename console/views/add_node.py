"""Adding a virtual node: cluster and credentials by the address, then what those clouds offer."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods

from addons.models import Cluster
from addons.nodes import install
from addons.runtime.loop import runtime
from console import audit
from console.access import Role, access, usable_account, visible
from console.api.credentials import pickers
from console.fields import FieldsForm, ListField
from console.keys import known
from console.pairs import could_pair, groups_max, mismatch, settings_of, subnet_words
from console.refusals import EXPLAINED, explain
from providers import registry
from providers.models import CloudAccount

Offers = dict[str, Any]
_SELECT = {"class": "input"}
_TEXT = {"class": "input", "autocomplete": "off", "spellcheck": "false"}


def _label(account: CloudAccount) -> str:
    dialect = known(account.provider)
    title = dialect.title if dialect else account.provider
    return " · ".join(part for part in (account.name, title, account.region) if part)


class WhereForm(forms.Form):
    """First half: which cluster, which key; a second key where two products of a vendor serve."""

    cluster = forms.ModelChoiceField(
        Cluster.objects.none(),
        to_field_name="slug",
        label=gettext_lazy("Cluster"),
        widget=forms.Select(attrs=_SELECT),
    )
    account = forms.ModelChoiceField(
        CloudAccount.objects.none(),
        label=gettext_lazy("Credential"),
        widget=forms.Select(attrs=_SELECT),
    )
    second = forms.ModelChoiceField(
        CloudAccount.objects.none(),
        required=False,
        empty_label=gettext_lazy("none"),
        label=gettext_lazy("Second credential"),
        widget=forms.Select(attrs=_SELECT),
        help_text=gettext_lazy(
            "Of another product of the same vendor; labels of each pod choose between the two."
        ),
    )

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        accounts = visible(CloudAccount, request.user).filter(provider__in=registry.PROVIDERS)
        cluster = self.fields["cluster"]
        cluster.queryset = visible(Cluster, request.user)  # type: ignore[attr-defined]
        cluster.label_from_instance = lambda row: row.name  # type: ignore[attr-defined]
        for name in ("account", "second"):
            field = self.fields[name]
            field.queryset = accounts  # type: ignore[attr-defined]
            field.label_from_instance = _label  # type: ignore[attr-defined]
        if not could_pair(accounts):
            del self.fields["second"]

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        first, second = given.get("account"), given.get("second")
        if first and second and (text := mismatch(first, second)):
            self.add_error("second", text)
        return given


class NodeForm(FieldsForm):
    """Second half: where its instances go, chosen from what the cloud tells, else written down."""

    zone = forms.CharField(max_length=64, label=gettext_lazy("Zone"))
    subnets = ListField(required=False, max_length=2048)
    security_groups = ListField(
        required=False, max_length=512, label=gettext_lazy("Security group")
    )
    name = forms.CharField(
        max_length=253,
        required=False,
        label=gettext_lazy("Name of the node"),
        widget=forms.TextInput(attrs=_TEXT),
        help_text=gettext_lazy("Left empty, it is named after its zone."),
    )

    def __init__(self, accounts: list[CloudAccount], offers: Offers, data: Any) -> None:
        super().__init__(settings_of(accounts), data)
        self.dialect = registry.dialect(accounts[0].provider)
        self.most = groups_max(self.dialect)
        self.known_subnets = {item["id"]: item["zone"] for item in offers.get("subnets", ())}
        self.known_groups = [item["id"] for item in offers.get("security_groups", ())]
        self.fields["subnets"].label = subnet_words(self.dialect)["many"]
        self.fields["subnets"].help_text = _("Ids, separated by commas; all in the zone above.")
        self.placements: list[dict[str, str]] = []
        self._dress(offers)

    def _dress(self, offers: Offers) -> None:
        """Choices where the cloud tells them."""
        for name in ("zone", "subnets", "security_groups"):
            self.fields[name].widget = forms.TextInput(attrs=_TEXT)
        if self.known_subnets:
            zones = [(zone, zone) for zone in dict.fromkeys(self.known_subnets.values())]
            self.fields["zone"].widget = forms.Select(attrs=_SELECT, choices=zones)
            self.fields["subnets"].widget = forms.CheckboxSelectMultiple()
        if self.known_groups:
            names = [
                (item["id"], f"{item['id']} {item['name']}") for item in offers["security_groups"]
            ]
            groups = self.fields["security_groups"]
            groups.required = True
            groups.widget = (
                forms.Select(attrs=_SELECT, choices=names)
                if self.most == 1
                else forms.CheckboxSelectMultiple(choices=names)
            )

    @property
    def settings_fields(self) -> list[forms.BoundField]:
        return [self[field.name] for field in self.asked]

    @property
    def chosen_subnets(self) -> set[str]:
        """What is ticked; at first all of them."""
        return set(self.data.getlist("subnets") if self.is_bound else self.known_subnets)  # type: ignore[attr-defined]

    def clean_security_groups(self) -> str:
        text: str = self.cleaned_data["security_groups"]
        given = [part for part in text.split(",") if part]
        if len(given) > self.most:
            said = ngettext(
                "This cloud takes one security group.",
                "This cloud takes at most %(most)s security groups.",
                self.most,
            )
            raise forms.ValidationError(said % {"most": self.most})
        if self.known_groups and set(given) - set(self.known_groups):
            raise forms.ValidationError(_("Choose among those that the key sees."))
        return text

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        zone = given.get("zone", "")
        ids = [part for part in given.get("subnets", "").split(",") if part]
        rows = [{"zone": self.known_subnets.get(pk, zone), "subnet": pk} for pk in ids]
        # Its own zone first, then where to go when that is short.
        self.placements = sorted(rows, key=lambda row: row["zone"] != zone)
        if self.known_subnets and set(ids) - set(self.known_subnets):
            self.add_error("subnets", _("Choose among those that the key sees."))
        elif self.known_subnets and not any(row["zone"] == zone for row in rows):
            self.add_error("subnets", _("Choose at least one in the zone of the node."))
        return given


def _offers(account: CloudAccount) -> tuple[Offers, str]:
    """What the cloud offers to this key, or why it cannot be asked."""
    try:
        return runtime().run(pickers(account.pk, account.region)), ""
    except EXPLAINED as error:
        return {}, explain(error).text


@require_http_methods(["GET", "POST"])
@login_required
def new(request: HttpRequest) -> HttpResponse:
    where = WhereForm(request, request.GET or None)
    context: dict[str, Any] = {"where": where, "form": None, "error": ""}
    if not where.is_bound or not where.is_valid():
        if not request.GET.get("second"):
            where.errors.clear()
        return render(request, "pages/node/new.html", context)
    cluster, account = where.cleaned_data["cluster"], where.cleaned_data["account"]
    second = where.cleaned_data.get("second")
    context |= {"cluster": cluster, "account": account, "second": second}
    offers, context["error"] = _offers(account)
    if context["error"]:
        return render(request, "pages/node/new.html", context)
    accounts = [account, second] if second else [account]
    form = NodeForm(accounts, offers, request.POST if request.method == "POST" else None)
    context |= {"form": form, "offers": offers, "words": subnet_words(form.dialect)}
    if request.method == "POST" and form.is_valid():
        return _add(request, cluster, account, second, form)
    return render(request, "pages/node/new.html", context, status=422 if form.errors else 200)


def _add(
    request: HttpRequest,
    cluster: Cluster,
    account: CloudAccount,
    second: CloudAccount | None,
    form: NodeForm,
) -> HttpResponse:
    access(Cluster, request.user, role=Role.OPERATOR, pk=cluster.pk)
    for one in (account, second):
        if one:
            usable_account(request.user, one.pk, cluster.team)
    operation = install.add_node(
        cluster,
        account,
        second_account=second,
        zone=form.cleaned_data["zone"],
        name=form.cleaned_data["name"],
        placements=form.placements,
        security_group=form.cleaned_data["security_groups"],
        settings=form.texts(),
        actor=request.user.get_username(),
        team=cluster.team,
    )
    audit.record(request, "node.add", operation.target, team=cluster.team)
    return redirect("operation", operation.pk)
