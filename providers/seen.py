"""`base.Instance` as the JSON of the ledger's column `seen`, and back."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any

import msgspec

from providers.base import Instance

_REQUIRED = {field.name for field in fields(Instance) if field.default is MISSING}


def encode(instance: Instance) -> dict[str, Any]:
    """As a database gives it back: RFC 3339 times, decimals as strings, what is empty left out."""
    plain: dict[str, Any] = msgspec.to_builtins(instance)
    told = {
        key: value
        for key, value in plain.items()
        if key in _REQUIRED or value not in (None, "", [], {})
    }
    found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(told))
    return found


def decode(value: dict[str, Any]) -> Instance | None:
    """None for the empty column: the cloud has told nothing yet."""
    return msgspec.convert(value, Instance) if value else None
