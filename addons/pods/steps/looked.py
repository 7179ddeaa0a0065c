"""Since when complete lists do not hold an instance whose create was not answered."""

from __future__ import annotations

from datetime import datetime, timedelta

# Row -> when a list, asked for after the last call, first did not hold it; lost with the process,
# which only costs time.
_first: dict[int, datetime] = {}


def missed(row_id: int, asked_at: datetime) -> timedelta:
    """Another complete list did not hold it: how long after the first such one it was asked for."""
    return asked_at - _first.setdefault(row_id, asked_at)


def forget(row_id: int) -> None:
    """It was found, given up, or the cloud is asked for it again: older lists prove nothing."""
    _first.pop(row_id, None)
