"""Documented call limits per account and minute, as token buckets.

Limits: ECI help page "Limits" (2024-10). A bucket holds a tenth of a minute's calls, so
CreateContainerGroup (1000 a minute) allows a burst of 100 and then 16.7 calls a second.
"""

PER_MINUTE = {
    "DescribeContainerGroups": 2000,
    "DescribeContainerGroupMetric": 2000,
    "CreateContainerGroup": 1000,
    "DeleteContainerGroup": 1000,
    "DescribeContainerGroupPrice": 1000,
    "ExecContainerCommand": 500,
    "DescribeContainerLog": 500,
    "RestartContainerGroup": 500,
    "UpdateContainerGroup": 500,
    "DescribeMultiContainerGroupMetric": 500,
}


class Buckets:
    """One token bucket per action; actions without a documented limit are free."""

    def __init__(self) -> None:
        self._levels: dict[str, tuple[float, float]] = {}

    def take(self, action: str, now: float) -> bool:
        """Take one token; False when the bucket is empty."""
        per_minute = PER_MINUTE.get(action)
        if per_minute is None:
            return True
        burst = per_minute / 10
        level, since = self._levels.get(action, (burst, now))
        level = min(burst, level + max(0.0, now - since) * per_minute / 60)
        allowed = level >= 1.0
        self._levels[action] = (level - 1.0 if allowed else level, now)
        return allowed

    def refill(self) -> None:
        """Fill every bucket."""
        self._levels.clear()
