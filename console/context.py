"""What the shell around every page needs."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest


def shell(request: HttpRequest) -> dict[str, Any]:
    """Theme, density and shortcuts of the reader, and the request id for error pages."""
    user = getattr(request, "user", None)
    profile = getattr(user, "profile", None) if user and user.is_authenticated else None
    return {
        "theme": profile.theme if profile else request.COOKIES.get("theme", "auto"),
        "density": profile.density if profile else "comfortable",
        "shortcuts": profile.shortcuts if profile else True,
        "request_id": getattr(request, "request_id", "-"),
    }
