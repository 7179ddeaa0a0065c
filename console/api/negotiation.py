"""Answers that have one form only, whatever a client says it accepts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.request import Request


class OneForm(DefaultContentNegotiation):
    """Without it, `Accept: text/plain` is refused (406) by a view that answers `text/plain` without
    one of the framework's renderers. Refusals are JSON."""

    def select_renderer(
        self, request: Request, renderers: Iterable[Any], format_suffix: str | None = None
    ) -> tuple[Any, str]:
        first = next(iter(renderers))
        return first, first.media_type
