"""Request ids on every answer and log line; the reader's language, theme and time zone."""

from __future__ import annotations

import logging
import re
import uuid
import zoneinfo
from collections.abc import Callable
from contextvars import ContextVar

from django.http import HttpRequest, HttpResponse
from django.utils import timezone, translation

current_request_id: ContextVar[str] = ContextVar("request_id", default="-")
_SAFE = re.compile(r"^[A-Za-z0-9._-]{8,64}$")
GetResponse = Callable[[HttpRequest], HttpResponse]


class RequestIdFilter(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = current_request_id.get()
        return True


def request_id(get_response: GetResponse) -> GetResponse:
    """Take the caller's `X-Request-Id` when it is harmless, else make one; give it back."""

    def middleware(request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-Id", "")
        value = given if _SAFE.match(given) else uuid.uuid4().hex
        request.request_id = value  # type: ignore[attr-defined]
        token = current_request_id.set(value)
        try:
            response = get_response(request)
        finally:
            current_request_id.reset(token)
        response["X-Request-Id"] = value
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
