"""The reader's own settings: profile, appearance, API tokens."""

from __future__ import annotations

import zoneinfo
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from console import audit, tokens
from console.models import ApiToken, Profile

if TYPE_CHECKING:
    _ProfileForm = forms.ModelForm[Profile]
else:
    _ProfileForm = forms.ModelForm


class ProfileForm(_ProfileForm):
    class Meta:
        model = Profile
        fields: ClassVar = ["language", "time_zone", "theme", "density", "shortcuts"]
        labels: ClassVar = {
            "theme": gettext_lazy("Theme"),
            "density": gettext_lazy("Density"),
            "shortcuts": gettext_lazy("Single-key shortcuts"),
        }

    language = forms.ChoiceField(
        required=False,
        label=gettext_lazy("Language"),
        choices=[("", gettext_lazy("Same as the browser")), *settings.LANGUAGES],
    )
    time_zone = forms.ChoiceField(required=False, label=gettext_lazy("Time zone"))

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        zones = sorted(zoneinfo.available_timezones())
        choices = [("", "UTC"), *((zone, zone) for zone in zones)]
        self.fields["time_zone"].choices = choices  # type: ignore[attr-defined]
        for name in ("language", "time_zone", "theme", "density"):
            self.fields[name].widget.attrs["class"] = "input"


class TokenForm(forms.Form):
    name = forms.CharField(
        max_length=64,
        label=gettext_lazy("Name"),
        widget=forms.TextInput(attrs={"class": "input", "autocomplete": "off"}),
    )
    scope = forms.ChoiceField(
        choices=ApiToken.Scope.choices,
        label=gettext_lazy("May"),
        widget=forms.Select(attrs={"class": "input"}),
    )
    days = forms.IntegerField(
        min_value=1,
        max_value=366,
        initial=90,
        label=gettext_lazy("Days until it expires"),
        widget=forms.NumberInput(attrs={"class": "input"}),
    )


def _profile(request: HttpRequest) -> Profile:
    assert isinstance(request.user, User)
    return Profile.objects.get_or_create(user=request.user)[0]


@require_http_methods(["GET", "POST"])
@login_required
def profile(request: HttpRequest) -> HttpResponse:
    form = ProfileForm(request.POST or None, instance=_profile(request))
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, _("Saved."))
        return redirect("settings-profile")
    status = 422 if form.errors else 200
    return render(request, "pages/settings/profile.html", {"form": form}, status=status)


@require_POST
@login_required
def appearance(request: HttpRequest) -> HttpResponse:
    """What the shell's own buttons change: theme, density."""
    row = _profile(request)
    theme, density = request.POST.get("theme"), request.POST.get("density")
    if theme in Profile.Theme.values:
        row.theme = theme
    if density in Profile.Density.values:
        row.density = density
    row.save()
    return HttpResponse(status=204)


@never_cache
@require_http_methods(["GET", "POST"])
@login_required
def tokens_page(request: HttpRequest) -> HttpResponse:
    assert isinstance(request.user, User)
    form = TokenForm(request.POST or None, initial={"days": 90})
    secret = ""
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        expires = timezone.now() + timedelta(days=given["days"])
        row, secret = tokens.create(
            request.user, name=given["name"], scope=given["scope"], expires_at=expires
        )
        audit.record(request, "token.create", row.name, detail={"scope": row.scope})
        form = TokenForm(initial={"days": 90})
    rows = ApiToken.objects.filter(user=request.user, revoked_at=None)
    curl = f'curl -H "Authorization: Bearer {secret}" {settings.PUBLIC_URL}/api/v1/pods/'
    context = {"form": form, "tokens": rows, "secret": secret, "curl": curl}
    status = 422 if form.errors else 200
    return render(request, "pages/settings/tokens.html", context, status=status)


@require_POST
@login_required
def token_revoke(request: HttpRequest, pk: int) -> HttpResponse:
    row = ApiToken.objects.filter(user=request.user.pk, pk=pk, revoked_at=None).first()
    if row is None:
        raise Http404
    tokens.revoke(row, now=timezone.now())
    audit.record(request, "token.revoke", row.name)
    messages.success(request, _("The token %(name)s is revoked.") % {"name": row.name})
    return redirect("settings-tokens")
