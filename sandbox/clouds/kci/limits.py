"""Call limits: a token bucket per action. Kingsoft publishes none, so the rate is a knob."""


class Buckets:
    """Buckets that hold one second's calls."""

    def __init__(self) -> None:
        self._levels: dict[str, tuple[float, float]] = {}

    def take(self, action: str, rate: float, now: float) -> bool:
        """Take one token at ``rate`` calls a second; False when the bucket is empty."""
        level, since = self._levels.get(action, (rate, now))
        level = min(rate, level + max(0.0, now - since) * rate)
        allowed = level >= 1.0
        self._levels[action] = (level - 1.0 if allowed else level, now)
        return allowed

    def refill(self) -> None:
        """Fill every bucket."""
        self._levels.clear()
