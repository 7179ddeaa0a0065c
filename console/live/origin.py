"""Websockets only from our own pages: browsers send cookies to any port of a host."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from channels.security.websocket import WebsocketDenier
from django.conf import settings
from django.http.request import split_domain_port, validate_host

Application = Callable[[Any, Any, Any], Awaitable[None]]


def ours(headers: dict[bytes, bytes]) -> bool:
    """`Origin` names the host and port that was asked, or the public address."""
    origin = headers.get(b"origin", b"").decode("latin-1")
    host = headers.get(b"host", b"").decode("latin-1").lower()
    if origin in settings.CSRF_TRUSTED_ORIGINS:
        return True
    domain, _port = split_domain_port(host)
    known = bool(domain) and validate_host(domain, settings.ALLOWED_HOSTS)
    return known and urlsplit(origin).netloc.lower() == host


class SameOrigin:
    def __init__(self, application: Application) -> None:
        self._application = application
        self._denier: Application = WebsocketDenier()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        application = self._application if ours(dict(scope["headers"])) else self._denier
        await application(scope, receive, send)
