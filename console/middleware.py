"""Request ids on every answer and log line; the reader's language and time zone; the audit net."""

from __future__ import annotations

import re
import uuid
import zoneinfo
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.utils import timezone, translation

from console import audit
from console.trace import current_request_id

_SAFE = re.compile(r"^[A-Za-z0-9._-]{8,64}$")
GetResponse = Callable[[HttpRequest], HttpResponse]


def request_id(get_response: GetResponse) -> GetResponse:
    """Take the caller's `X-Request-Id` when it is harmless, else make one; give it back."""

    def middleware(request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-Id", "")
        value = given if _SAFE.match(given) else uuid.uuid4().hex
        request.request_id = value  # type: ignore[attr-defined]
        # Not reset: Django logs refused calls after the last middleware.
        current_request_id.set(value)
        response = get_response(request)
        response["X-Request-Id"] = value
        return response

    return middleware


def audited(get_response: GetResponse) -> GetResponse:
    """Every call that changes something has a row in the audit trail, refused ones too.

    Views write their own row, with names; what they did not write is written here. Calls of nobody
    (no session, no token) leave none, except at sign-in.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        if request.method in {"GET", "HEAD", "OPTIONS", "TRACE"}:
            return get_response(request)
        before = request.user.get_username()
        response = get_response(request)
        actor = before or request.user.get_username()
        route = request.resolver_match.view_name if request.resolver_match else ""
        if (actor or route == "login") and not getattr(request, "audited", False):
            good = response.status_code < 400 and (route != "login" or bool(actor))
            audit.record(
                request,
                f"{request.method} {route}"[:64],
                request.path,
                detail={"status": response.status_code},
                result="ok" if good else "refused" if response.status_code < 500 else "failed",
                actor=actor,
            )
        return response

    return middleware


def preferences(get_response: GetResponse) -> GetResponse:
    """A signed-in user's own language and time zone win over the browser's."""

    def middleware(request: HttpRequest) -> HttpResponse:
        profile = getattr(request.user, "profile", None) if request.user.is_authenticated else None
        if profile and profile.language:
            translation.activate(profile.language)
            request.LANGUAGE_CODE = translation.get_language()
        name = profile.time_zone if profile else ""
        try:
            timezone.activate(zoneinfo.ZoneInfo(name or "UTC"))
        except (zoneinfo.ZoneInfoNotFoundError, ValueError):
            timezone.deactivate()
        return get_response(request)

    return middleware
