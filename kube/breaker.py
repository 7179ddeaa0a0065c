"""A circuit breaker per cluster: after failures in a row, one probe at a time."""

from __future__ import annotations

from kube.clock import Clock
from kube.errors import CircuitOpen
from kube.target import Limits


class Breaker:
    """Counts consecutive transport failures.

    closed: calls pass. open: calls raise CircuitOpen until the time is over. half-open: one
    probe passes, the others still raise; its success closes, its failure opens for twice as long.
    """

    def __init__(self, limits: Limits, clock: Clock, *, name: str = "") -> None:
        self._limits = limits
        self._clock = clock
        self._name = name
        self._failures = 0
        self._open_for = 0.0
        self._opened_at = 0.0
        self._probing = False

    @property
    def state(self) -> str:
        """closed, open or half-open."""
        if not self._open_for:
            return "closed"
        return "half-open" if self._remaining() <= 0 else "open"

    def enter(self) -> bool:
        """Call before dialling; whether this call is the probe. CircuitOpen: do not call."""
        if not self._open_for:
            return False
        remaining = self._remaining()
        if remaining > 0 or self._probing:
            wait = max(remaining, 0.1)
            raise CircuitOpen(
                f"cluster {self._name or 'API'} failed {self._failures} times in a row; "
                f"next try in {wait:.1f} s",
                retry_after=wait,
            )
        self._probing = True
        return True

    def succeeded(self) -> None:
        self._failures = 0
        self._open_for = 0.0
        self._probing = False

    def failed(self) -> None:
        self._failures += 1
        limits = self._limits
        if self._probing:
            self._open(min(self._open_for * 2, limits.open_seconds_max))
        elif not self._open_for and self._failures >= limits.failures_to_open:
            self._open(limits.open_seconds)

    def leave(self, probe: bool) -> None:
        """Call at the end with what `enter` said, so that a probe that proved nothing is over."""
        if probe:
            self._probing = False

    def _open(self, seconds: float) -> None:
        self._open_for = seconds
        self._opened_at = self._clock.monotonic()
        self._probing = False

    def _remaining(self) -> float:
        return self._opened_at + self._open_for - self._clock.monotonic()
