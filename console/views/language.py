"""Switching the language: for this browser, and in the profile of who is signed in."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponseBase
from django.views.decorators.http import require_POST
from django.views.i18n import set_language as django_set_language

from console.models import Profile


@require_POST
def set_language(request: HttpRequest) -> HttpResponseBase:
    code = request.POST.get("language", "")
    if isinstance(request.user, User) and code in dict(settings.LANGUAGES):
        Profile.objects.update_or_create(user=request.user, defaults={"language": code})
    return django_set_language(request)
