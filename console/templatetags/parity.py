"""The menu by which every page that the API has too is copied as a call."""

from __future__ import annotations

from typing import Any

from django import template
from django.conf import settings
from django.template import Context

from console.billing.asked import Asked
from console.parity import Call, call_of

register = template.Library()


@register.inclusion_tag("components/api_menu.html", takes_context=True)
def api_menu(context: Context) -> dict[str, Any]:
    """The page's `api_call`, else the call that its address stands for; nothing without one."""
    request = context.get("request")
    if request is None:
        return {"call": None}
    asked = context.get("asked")
    pairs = asked.pairs() if isinstance(asked, Asked) else ()
    found: Call | None = context.get("api_call") or call_of(request, pairs)
    return {
        "call": found,
        "line": found.line(settings.PUBLIC_URL) if found else "",
        "curl": found.curl(settings.PUBLIC_URL) if found else "",
    }
