"""Signing in, with a brake on guessing passwords."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from console import audit, lockout


class SignInForm(AuthenticationForm):
    def clean(self) -> dict[str, Any]:
        assert self.request is not None
        name, ip = str(self.cleaned_data.get("username", "")), audit.client_ip(self.request)
        now = timezone.now()
        if until := lockout.refused_until(name, ip, now=now):
            minutes = max(1, round((until - now).total_seconds() / 60))
            text = _("Too many failed sign-ins. Try again in %(minutes)s min, at %(time)s.")
            time = timezone.localtime(until).strftime("%H:%M")
            raise ValidationError(text % {"minutes": minutes, "time": time}, code="locked")
        try:
            cleaned: dict[str, Any] = super().clean()
        except ValidationError:
            lockout.failed(name, ip, now=now)
            raise
        lockout.forget(name, ip)
        return cleaned


class SignIn(LoginView):
    form_class = SignInForm
    redirect_authenticated_user = True

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        response = super().form_invalid(form)
        if form.has_error("__all__", "locked"):
            response.status_code = 429
        return response
