"""Checkers of what must never happen, by the cloud's own ledger and ours; each gives violations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from providers import tags
from providers.models import Instance

Json = dict[str, Any]
NEEDED = (
    tags.CONSOLE, tags.CLUSTER, tags.NODE, tags.NAMESPACE, tags.POD, tags.UID, tags.GENERATION,
)  # fmt: skip


def twice_billed(instances: Iterable[Json]) -> list[str]:
    """I1: pod UIDs with more than one instance that ever entered a billed state."""
    billed = Counter(i["tags"].get(tags.UID) for i in instances if i["billed_from"])
    return [str(uid) for uid, count in billed.items() if count > 1]


def leaked(instances: Iterable[Json], live_uids: set[str]) -> list[str]:
    """I2: instances that are there while no live pod owns them."""
    there = (i for i in instances if not i["deleted_at"])
    return [i["id"] for i in there if i["tags"].get(tags.UID) not in live_uids]


def without_intent(instances: Iterable[Json]) -> list[str]:
    """I5: instances whose token no row of the ledger holds."""
    tokens = set(Instance.objects.values_list("token", flat=True))
    return [i["id"] for i in instances if i["client_token"] not in tokens]


def untagged(instances: Iterable[Json]) -> list[str]:
    """I6: instances that lack one of the tags that name their owner."""
    return [i["id"] for i in instances if not all(i["tags"].get(key) for key in NEEDED)]
