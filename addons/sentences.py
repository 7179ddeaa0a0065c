"""Sentences that workers store and people read later, each in their own language.

A worker serves no reader, so it stores the English text with its values; the translation is
looked up when somebody reads.
"""

from __future__ import annotations

import json
from typing import Any

from django.utils.translation import gettext, override


def stored(text: str, **values: Any) -> str:
    """The sentence to store; mark `text` with `gettext_noop` and write its values as `%(name)s`.

    A text without values may be stored as it is.
    """
    return json.dumps([text, {key: str(value) for key, value in values.items()}])


def read(kept: str) -> str:
    """In the reader's language; what nobody translated reads as itself."""
    if not kept.startswith('["'):
        return gettext(kept) if kept else ""
    try:
        text, values = json.loads(kept)
        return str(gettext(text) % values)
    except (ValueError, TypeError, KeyError):
        return kept


def read_in_english(kept: str) -> str:
    """For logs, which read alike for everybody."""
    with override("en"):
        return read(kept)
