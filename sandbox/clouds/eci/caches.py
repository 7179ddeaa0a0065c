"""Image caches: snapshots that hold the images of an instance before it starts.

ECI API reference, CreateImageCache and DescribeImageCaches: Creating, then Ready.
"""

from collections.abc import Iterable

import msgspec

CREATING_SECONDS = 30.0


class ImageCache(msgspec.Struct):
    """A cache; times are Unix seconds."""

    id: str
    name: str
    images: list[str]
    created_at: float
    ready_at: float
    group_id: str
    size: int = 20
    matched_at: float | None = None
    tags: dict[str, str] = {}

    def status(self, now: float) -> str:
        """Return Creating or Ready."""
        return "Ready" if now >= self.ready_at else "Creating"


class ImageCaches:
    """The caches of one region."""

    def __init__(self, known: Iterable[ImageCache] = ()) -> None:
        self.by_id = {cache.id: cache for cache in known}

    def best(self, images: set[str], now: float) -> ImageCache | None:
        """Return the ready cache that holds the most of some images, the newest among equals."""
        ready = [cache for cache in self.by_id.values() if cache.status(now) == "Ready"]
        fitting = [cache for cache in ready if images & set(cache.images)]
        return max(
            fitting,
            key=lambda cache: (len(images & set(cache.images)), cache.created_at),
            default=None,
        )
