"""Durations and times as kubectl's tables print them."""

from datetime import datetime

from sandbox.cluster.clock import parse_time


def human(seconds: float) -> str:
    """Format like ``k8s.io/apimachinery/pkg/util/duration`` HumanDuration, e.g. ``4m21s``."""
    total = int(seconds)
    if total < -1:
        return "<invalid>"
    total = max(total, 0)
    minutes, hours, days = total // 60, total // 3600, total // 86400
    if minutes < 10:
        return f"{total}s" if total < 120 else _two(minutes, "m", total % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    return _long(days, hours)


def _long(days: int, hours: int) -> str:
    if hours < 192:
        return _two(days, "d", hours % 24, "h")
    if days < 730:
        return f"{days}d"
    if days < 2920:
        return _two(days // 365, "y", days % 365, "d")
    return f"{days // 365}y"


def _two(big: int, big_unit: str, small: int, small_unit: str) -> str:
    return f"{big}{big_unit}{small}{small_unit}" if small else f"{big}{big_unit}"


def age(moment: str | None, now: datetime) -> str:
    """Return the age of an RFC 3339 time, or ``<unknown>``."""
    if not moment:
        return "<unknown>"
    return human((now - parse_time(moment)).total_seconds())
