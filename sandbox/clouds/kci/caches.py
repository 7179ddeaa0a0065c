"""Image caches: made in four steps, kept for some days or for ever.

A cache's state is a function of time, so nothing has to happen for it to become ready. Source:
document 42889 and ``sdk-java``, DescribeImageCache.
"""

from collections.abc import Callable

import msgspec

from .errors import ApiFault, not_found

DAY_SECONDS = 86400.0
STEPS = ("Preparing", "Creating", "SnapshotCreating")


class Cache(msgspec.Struct):
    """An image cache; times are Unix seconds, ``size`` GB. ``ready_at`` ends its making."""

    id: str
    name: str
    images: list[str]
    size: int
    kind: str
    group_id: str
    snapshot_id: str
    created_at: float
    begun_at: float
    ready_at: float
    retention_days: int = 0
    updating: bool = False
    failure: str = ""
    used_at: float | None = None

    @property
    def expires_at(self) -> float | None:
        """When the cloud deletes it by itself, None for never."""
        if not self.retention_days:
            return None
        return self.created_at + self.retention_days * DAY_SECONDS

    def status(self, now: float) -> str:
        """Return its state at ``now``."""
        if now >= self.ready_at:
            return "Failed" if self.failure else "Ready"
        if self.updating:
            return "Updating"
        share = (now - self.begun_at) / (self.ready_at - self.begun_at)
        return STEPS[min(int(share * len(STEPS)), len(STEPS) - 1)]


class Caches:
    """The account's image caches, oldest first. ``save`` is called after every change."""

    def __init__(self, kept: list[Cache], save: Callable[[list[Cache]], None]) -> None:
        self._by_id = {cache.id: cache for cache in kept}
        self._save = save

    def put(self, cache: Cache) -> None:
        """Add or replace a cache."""
        self._by_id[cache.id] = cache
        self._save(list(self._by_id.values()))

    def drop(self, cache_id: str, now: float) -> None:
        """Delete a cache; raises ApiFault when there is none."""
        self.get(cache_id, now)
        del self._by_id[cache_id]
        self._save(list(self._by_id.values()))

    def clear(self) -> None:
        """Delete every cache."""
        self._by_id.clear()
        self._save([])

    def living(self, now: float) -> list[Cache]:
        """Return the caches that have not expired."""
        every = self._by_id.values()
        return [c for c in every if c.expires_at is None or now < c.expires_at]

    def get(self, cache_id: str, now: float) -> Cache:
        """Return a cache; raises ApiFault when there is none."""
        cache = self._by_id.get(cache_id)
        if cache is None or cache not in self.living(now):
            raise not_found("ImageCache", cache_id)
        return cache

    def ready(self, cache_id: str, now: float) -> Cache:
        """Return a cache that can be used; raises ApiFault otherwise."""
        cache = self.get(cache_id, now)
        if cache.status(now) != "Ready":
            raise ApiFault("ImageCacheNotReady", f"The image cache {cache_id} is not ready.")
        return cache

    def matching(self, images: list[str], now: float) -> list[Cache]:
        """Return the ready caches that hold any of ``images``, those with most of them first."""
        wanted = set(images)
        usable = [c for c in self.living(now) if c.status(now) == "Ready"]
        held = [(len(wanted & set(cache.images)), cache) for cache in usable]
        ranked = sorted((p for p in held if p[0]), key=lambda pair: pair[0], reverse=True)
        return [cache for _, cache in ranked]
