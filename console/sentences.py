"""Sentences one after the other, as the reader's language sets them."""

from __future__ import annotations

from django.utils.translation import get_language

_STOPS = (".", "!", "?", "…", "。", "！", "？")


def joined(*parts: str) -> str:
    """Ends every sentence with a full stop of the language; Chinese puts no space between."""
    chinese = (get_language() or "").startswith("zh")
    stop, gap = ("。", "") if chinese else (".", " ")
    told = [part.strip() for part in parts if part.strip()]
    *before, last = told or [""]
    return gap.join([*(part if part.endswith(_STOPS) else part + stop for part in before), last])
