"""Time as an argument: the wall clock for what is stored, the monotonic one for what is held."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Clock:
    """`now` is aware UTC; `monotonic` is in seconds and never jumps."""

    now: Callable[[], datetime] = _utc_now
    monotonic: Callable[[], float] = time.monotonic

    def epoch(self) -> float:
        """Seconds since 1970: the scores of the queue."""
        return self.now().timestamp()


SYSTEM = Clock()
