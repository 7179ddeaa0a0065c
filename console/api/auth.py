"""`Authorization: Bearer spw_...`"""

from __future__ import annotations

from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.request import Request

from console import audit, tokens
from console.models import ApiToken

_SAFE = ("GET", "HEAD", "OPTIONS")


class TokenAuthentication(BaseAuthentication):
    """A read token may only read; a view with `only_reads` changes nothing by any method."""

    def authenticate(self, request: Request) -> tuple[object, ApiToken] | None:
        kind, _space, text = get_authorization_header(request).decode("latin-1").partition(" ")
        if kind.lower() != "bearer" or not text:
            return None
        token = tokens.find(text.strip(), now=timezone.now(), ip=audit.client_ip(request))
        if token is None:
            raise AuthenticationFailed(
                _("The token is unknown, expired or revoked. Make a new one under Settings.")
            )
        reads = request.method in _SAFE or getattr(_view(request), "only_reads", False)
        if token.scope == ApiToken.Scope.READ and not reads:
            raise PermissionDenied(_("This token may only read. Make one that may write."))
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="spillway"'


def _view(request: Request) -> object:
    return (request.parser_context or {}).get("view")


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = TokenAuthentication
    name = "token"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer"}
