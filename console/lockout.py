"""Brake on guessing: failed sign-ins are counted per user name and address, and then refused.

Counts live in the cache. When it does not answer, sign-in goes on without the brake: people must
get in while Redis is away.
"""

from __future__ import annotations

import hashlib
import logging
from datetime import UTC, datetime, timedelta

import redis
from django.core.cache import cache

log = logging.getLogger(__name__)
FAILURES = 5
WINDOW = timedelta(minutes=15)


def _name(username: str, ip: str | None) -> str:
    text = f"{username.strip().casefold()}|{ip}"
    return f"signin:{hashlib.sha256(text.encode()).hexdigest()}"


def refused_until(username: str, ip: str | None, *, now: datetime) -> datetime | None:
    """Until when this name is refused from this address."""
    try:
        until = cache.get(f"{_name(username, ip)}:until")
    except redis.RedisError as error:
        log.warning("sign-ins are not counted: %s", error)
        return None
    found = datetime.fromtimestamp(until, UTC) if until else None
    return found if found and found > now else None


def failed(username: str, ip: str | None, *, now: datetime) -> None:
    name, seconds = _name(username, ip), int(WINDOW.total_seconds())
    try:
        cache.add(name, 0, seconds)
        if cache.incr(name) >= FAILURES:
            cache.set(f"{name}:until", (now + WINDOW).timestamp(), seconds)
    except (redis.RedisError, ValueError) as error:
        # ValueError: the count ended between the two calls.
        log.warning("a failed sign-in was not counted: %s", error)


def forget(username: str, ip: str | None) -> None:
    name = _name(username, ip)
    try:
        cache.delete_many([name, f"{name}:until"])
    except redis.RedisError as error:
        log.warning("failed sign-ins were not forgotten: %s", error)
