"""A ceiling per token, so that one loop cannot starve the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle

from console.models import ApiToken

if TYPE_CHECKING:
    # `rest_framework.views` imports this module while it is being imported itself.
    from rest_framework.views import APIView


class PerToken(SimpleRateThrottle):
    scope = "token"

    def get_cache_key(self, request: Request, view: APIView) -> str | None:
        if not isinstance(request.auth, ApiToken):
            return None
        return f"throttle:{request.auth.pk}"
