"""Values as cells of a CSV that no spreadsheet takes for a formula.

Source: OWASP, "CSV Injection", also their full-width forms. Only text is guarded: a negative number
stays a number.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

_FORMULA = frozenset("=+-@\t\r\n＝＋－＠")


def cell(value: Any) -> str:
    """None is empty; times are UTC as `2026-11-21T04:00:00Z`; mappings are JSON."""
    match value:
        case None:
            text = ""
        case bool():
            text = "true" if value else "false"
        case Decimal():
            return f"{value:f}"
        case int():
            return str(value)
        case datetime():
            text = value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        case Mapping():
            text = json.dumps(value, ensure_ascii=False, sort_keys=True)
        case _:
            text = str(value)
    return f"'{text}" if text[:1] in _FORMULA else text
