"""CreateImageCache, DescribeImageCaches, DeleteImageCache."""

import msgspec

from .. import view
from ..caches import CREATING_SECONDS, ImageCache
from ..errors import ApiFault, missing
from ..parameters import integer, required, tags, text, texts
from .base import Call, Json


def create(call: Call) -> Json:
    """Make a cache of some images; it is Ready half a minute later, at the world's speed."""
    call.region()
    images = texts(call.params, "Image")
    if not images:
        raise missing("Image.1")
    cache = ImageCache(
        id=call.cloud.new_id("imc"),
        name=required(call.params, "ImageCacheName"),
        images=images,
        created_at=call.now,
        ready_at=call.now + CREATING_SECONDS / call.cloud.speed,
        group_id=call.cloud.new_id("eci"),
        size=integer(call.params, "ImageCacheSize", 20, 20, 32768),
        tags=tags(call.params),
    )
    call.cloud.caches.by_id[cache.id] = cache
    _keep(call)
    return {"ImageCacheId": cache.id, "ContainerGroupId": cache.group_id}


def describe(call: Call) -> Json:
    """List caches, by id, name or an image in them."""
    region = call.region()
    wanted = text(call.params, "ImageCacheId")
    name, image = text(call.params, "ImageCacheName"), text(call.params, "Image")
    found = [
        cache
        for cache in call.cloud.caches.by_id.values()
        if wanted in {"", cache.id}
        and name in {"", cache.name}
        and (not image or image in cache.images)
    ]
    return {
        "TotalCount": len(found),
        "NextToken": "",
        "ImageCaches": [_shown(cache, region, call.now) for cache in found],
    }


def _shown(cache: ImageCache, region: str, now: float) -> Json:
    return {
        "ImageCacheId": cache.id,
        "ImageCacheName": cache.name,
        "ImageCacheSize": cache.size,
        "Images": cache.images,
        "RegionId": region,
        "ContainerGroupId": cache.group_id,
        "Status": cache.status(now),
        "Progress": "100%" if cache.status(now) == "Ready" else "50%",
        "CreationTime": view.iso(cache.created_at),
        "LastMatchedTime": view.iso(cache.matched_at) if cache.matched_at else "",
        "Tags": [{"Key": key, "Value": value} for key, value in cache.tags.items()],
        "Events": [],
    }


def delete(call: Call) -> Json:
    """Delete a cache; instances that started with it keep running."""
    call.region()
    cache_id = required(call.params, "ImageCacheId")
    if call.cloud.caches.by_id.pop(cache_id, None) is None:
        raise ApiFault(
            "InvalidImageCacheId.NotFound", f"The image cache {cache_id} does not exist.", 404
        )
    _keep(call)
    return {}


def _keep(call: Call) -> None:
    kept = msgspec.to_builtins(list(call.cloud.caches.by_id.values()))
    call.cloud.store.put_meta("image_caches", kept)
