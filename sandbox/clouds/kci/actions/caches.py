"""The six actions about image caches."""

import re

import msgspec

from .. import view
from ..caches import Cache
from ..errors import invalid, not_found
from ..wire import Json, Request
from .base import Call, Page
from .checks import check_one_of
from .models import Credential

NAME = re.compile(r"[a-zA-Z0-9](?:[-a-zA-Z0-9._]{0,61}[a-zA-Z0-9])?")
SIZES = {"Common": 20, "Rapid": 40}
MIN_SIZE, MAX_SIZE, MAX_DAYS, MAX_IMAGES, MAX_MATCH = 20, 500, 65536, 20, 5


class CreateImageCache(Request):
    """What to keep; ``image_cache_size`` is in GB, no days mean for ever."""

    image_cache_name: str
    subnet_id: str
    security_group_id: str
    image: list[str]
    image_cache_size: int | None = None
    retention_days: int = 0
    image_registry_credential: list[Credential] = []
    image_cache_type: str = "Common"
    enable_warm: bool = False


class UpdateImageCache(Request):
    """New settings of a cache; what is not given stays."""

    image_cache_id: str
    image_cache_name: str = ""
    subnet_id: str = ""
    security_group_id: str = ""
    image: list[str] = []
    image_cache_size: int | None = None
    retention_days: int | None = None
    image_registry_credential: list[Credential] = []
    image_cache_type: str = ""
    enable_warm: bool = False


class OneCache(Request):
    """A cache by id."""

    image_cache_id: str


class DescribeImageCache(Page):
    """Ids, or a part of a name and of an image."""

    image_cache_id: list[str] = []
    image_cache_name: str = ""
    image: str = ""
    sort_key: str = ""
    sort_direction: str = "asc"


class MatchImageCache(Request):
    """Images to find caches for."""

    image: list[str]


def create(call: Call, asked: CreateImageCache) -> Json:
    """Start the making of a cache."""
    cloud = call.cloud
    _check_place(call, asked.subnet_id, asked.security_group_id)
    check_one_of("ImageCacheType", asked.image_cache_type, tuple(SIZES))
    cache = Cache(
        id=cloud.new_id(),
        name=asked.image_cache_name,
        images=asked.image,
        size=asked.image_cache_size or SIZES[asked.image_cache_type],
        kind=asked.image_cache_type,
        group_id=cloud.new_id(),
        snapshot_id=cloud.new_id(),
        created_at=call.now,
        begun_at=call.now,
        ready_at=call.now,
        retention_days=asked.retention_days,
    )
    _make(call, cache)
    return {"ImageCacheId": cache.id}


def update(call: Call, asked: UpdateImageCache) -> Json:
    """Make a cache anew with changed settings."""
    cache = call.cloud.caches.get(asked.image_cache_id, call.now)
    if asked.subnet_id or asked.security_group_id:
        _check_place(call, asked.subnet_id, asked.security_group_id)
    changed = msgspec.structs.replace(
        cache,
        name=asked.image_cache_name or cache.name,
        images=asked.image or cache.images,
        size=asked.image_cache_size or cache.size,
        kind=asked.image_cache_type or cache.kind,
        updating=True,
    )
    if asked.retention_days is not None:
        changed.retention_days = asked.retention_days
    check_one_of("ImageCacheType", changed.kind, tuple(SIZES))
    _make(call, changed)
    return {"ImageCacheId": cache.id}


def _check_place(call: Call, subnet_id: str, group_id: str) -> None:
    network = call.cloud.network
    if subnet_id and subnet_id not in network.subnets:
        raise not_found("Subnet", subnet_id)
    if group_id and group_id not in network.security_groups:
        raise not_found("SecurityGroup", group_id)


def _make(call: Call, cache: Cache) -> None:
    if not NAME.fullmatch(cache.name):
        raise invalid("ImageCacheName")
    if not MIN_SIZE <= cache.size <= MAX_SIZE:
        raise invalid("ImageCacheSize", f"Expected {MIN_SIZE} to {MAX_SIZE}.")
    if not 0 <= cache.retention_days <= MAX_DAYS:
        raise invalid("RetentionDays", f"Expected 0 to {MAX_DAYS}.")
    if not 0 < len(cache.images) <= MAX_IMAGES:
        raise invalid("Image", f"Expected 1 to {MAX_IMAGES} images.")
    knobs = call.cloud.knobs
    failing = [image for image in cache.images if knobs.pull_fails(image)]
    cache.failure = f'Failed to pull image "{failing[0]}": not found' if failing else ""
    cache.begun_at = call.now
    cache.ready_at = call.now + knobs.cache_seconds / call.cloud.speed
    call.cloud.caches.put(cache)


def delete(call: Call, asked: OneCache) -> Json:
    """Delete a cache."""
    call.cloud.caches.drop(asked.image_cache_id, call.now)
    return {}


def describe(call: Call, asked: DescribeImageCache) -> Json:
    """List caches a page at a time; ids win over names and images."""
    check_one_of("SortKey", asked.sort_key, ("", "LastUsedTime"))
    check_one_of("SortDirection", asked.sort_direction, ("asc", "desc"))
    rows = [cache for cache in call.cloud.caches.living(call.now) if _matches(cache, asked)]
    if asked.sort_key:
        backwards = asked.sort_direction == "desc"
        rows.sort(key=lambda cache: cache.used_at or 0.0, reverse=backwards)
    return asked.cut(rows, "ImageCaches", lambda cache: _row(cache, call.now))


def _matches(cache: Cache, asked: DescribeImageCache) -> bool:
    if asked.image_cache_id:
        return cache.id in asked.image_cache_id
    named = asked.image_cache_name in cache.name
    return named and any(asked.image in image for image in cache.images)


def _row(cache: Cache, now: float) -> Json:
    ready = cache.status(now) == "Ready"
    return {
        "ImageCacheId": cache.id,
        "ImageCacheName": cache.name,
        "ExpireTime": view.stamp(cache.expires_at) if cache.expires_at else "",
        "CreateTime": view.stamp(cache.created_at),
        "Status": cache.status(now),
        "ImageCacheSize": cache.size,
        "SnapshotId": cache.snapshot_id if ready else "",
        "ContainerGroupId": cache.group_id,
        "Images": cache.images,
        "Reason": cache.failure if now >= cache.ready_at else "",
        "ImageCacheType": cache.kind,
        "LastUsedTime": view.stamp(cache.used_at) if cache.used_at else "",
    }


def match(call: Call, asked: MatchImageCache) -> Json:
    """Return the ready caches that hold any of the images, the best first."""
    if not 0 < len(asked.image) <= MAX_MATCH:
        raise invalid("Image", f"Expected 1 to {MAX_MATCH} images.")
    found = call.cloud.caches.matching(asked.image, call.now)
    return {"ImageCaches": [{"ImageCacheId": c.id, "ImageCacheName": c.name} for c in found]}


def events(call: Call, asked: OneCache) -> Json:
    """Return what happened while the cache was made."""
    cache = call.cloud.caches.get(asked.image_cache_id, call.now)
    told = [(cache.begun_at, "Normal", "Pulling", f"Pulling {len(cache.images)} images")]
    if call.now >= cache.ready_at:
        failed = (cache.ready_at, "Warning", "Failed", cache.failure)
        made = (cache.ready_at, "Normal", "SnapshotCreated", f"Snapshot {cache.snapshot_id} made")
        told.append(failed if cache.failure else made)
    return {
        "Events": [
            {
                "FirstTimestamp": view.stamp(at),
                "LastTimestamp": view.stamp(at),
                "Count": 1,
                "Type": kind,
                "Reason": reason,
                "Message": message,
            }
            for at, kind, reason, message in told
        ]
    }
