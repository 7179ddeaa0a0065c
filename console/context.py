"""What the shell around every page needs."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from addons.models import Cluster, Operation, VirtualNode
from console.access import AnyUser, visible
from providers.models import CloudAccount, Orphan


def _fleet(user: AnyUser) -> dict[str, Any]:
    """Clusters of the scope switcher, and the counts that ask for attention in the navigation."""
    accounts = visible(CloudAccount, user)
    running = visible(Operation, user).filter(state__in=["queued", "running"])
    not_ready = visible(VirtualNode, user).filter(state=VirtualNode.State.NOT_READY)
    troubled = accounts.exclude(trouble="", halted_at=None)
    return {
        "nav_clusters": visible(Cluster, user).only("name", "slug")[:50],
        "tasks_running": running.count(),
        "nav_counts": {
            "nodes": not_ready.count(),
            "orphans": visible(Orphan, user).filter(closed_at=None).count(),
            "credentials": troubled.count(),
        },
    }


def shell(request: HttpRequest) -> dict[str, Any]:
    """Theme, density and shortcuts of the reader, the fleet, the request id for error pages."""
    user = getattr(request, "user", None)
    signed_in = user is not None and user.is_authenticated
    profile = getattr(user, "profile", None) if signed_in else None
    part = request.headers.get("HX-Request")
    return {
        "theme": profile.theme if profile else request.COOKIES.get("theme", "auto"),
        "density": profile.density if profile else "comfortable",
        "shortcuts": profile.shortcuts if profile else True,
        "request_id": getattr(request, "request_id", "-"),
        **(_fleet(user) if signed_in and user and not part else {}),
    }
