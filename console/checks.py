"""Start-up checks: without a good secret key nothing starts."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, run_checks
from django.core.exceptions import ImproperlyConfigured

SHORTEST = 40
_HINT = (
    "Set SPILLWAY_SECRET_KEY to 50 random characters or more: "
    "python -c 'import secrets; print(secrets.token_urlsafe(50))'"
)
_DEFAULTS = ("changeme", "change-me", "change_me", "django-insecure", "secret_key", "default")


def secret_key(**_: Any) -> list[CheckMessage]:
    try:
        key = settings.SECRET_KEY
    except ImproperlyConfigured:
        key = ""
    if len(key) < SHORTEST or len(set(key)) < 5:
        text = f"SPILLWAY_SECRET_KEY is missing, shorter than {SHORTEST} characters or too simple."
        return [Error(text, hint=_HINT, id="console.E001")]
    if any(word in key.lower() for word in _DEFAULTS):
        return [Error("SPILLWAY_SECRET_KEY is a default.", hint=_HINT, id="console.E002")]
    return []


def refuse_bad_setup() -> None:
    """For servers that are not started through `manage.py`, which checks by itself."""
    bad = [message for message in run_checks(tags=[Tags.security]) if message.is_serious()]
    if bad:
        raise ImproperlyConfigured("\n".join(f"{found.msg} {found.hint or ''}" for found in bad))
