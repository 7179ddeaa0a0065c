"""ReplicaSets of a Deployment: template hash, revisions, proportional sizes. Pure functions.

Names and arithmetic follow k8s.io/kubernetes pkg/controller/deployment/util.
"""

from __future__ import annotations

import json
from math import ceil, floor
from typing import Any

from .informer import Obj
from .objects import annotations_of, clone, without_nulls
from .timing import seconds_of

HASH_LABEL = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
REVISION_HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MAXIMUM = "deployment.kubernetes.io/max-replicas"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_OWN = {
    LAST_APPLIED,
    REVISION,
    REVISION_HISTORY,
    DESIRED,
    MAXIMUM,
    "deprecated.deployment.rollback.to",
}
_SAFE = "bcdfghjklmnpqrstvwxz2456789"


def fnv32a(data: bytes) -> int:
    """The 32-bit FNV-1a hash."""
    value = 0x811C9DC5
    for byte in data:
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return value


def safe_encode(text: str) -> str:
    """Letters that make no words, as k8s.io/apimachinery rand.SafeEncodeString."""
    return "".join(_SAFE[ord(char) % len(_SAFE)] for char in text)


def template_hash(template: Obj, collisions: int | None = None) -> str:
    """The pod-template-hash of a template."""
    canonical = json.dumps(without_nulls(template), sort_keys=True, separators=(",", ":"))
    salt = "" if collisions is None else str(collisions)
    return safe_encode(str(fnv32a((canonical + salt).encode())))


def same_template(left: Obj, right: Obj) -> bool:
    """Equal but for the hash label."""
    return bool(_bare(left) == _bare(right))


def _bare(template: Obj) -> Any:
    bare = without_nulls(template)
    meta = dict(bare.get("metadata") or {})
    labels = {k: v for k, v in (meta.get("labels") or {}).items() if k != HASH_LABEL}
    meta["labels"] = labels
    return {**bare, "metadata": {k: v for k, v in meta.items() if v}}


def replicas_of(obj: Obj) -> int:
    """spec.replicas, 1 when absent."""
    value = obj["spec"].get("replicas")
    return 1 if value is None else int(value)


def revision_of(obj: Obj) -> int:
    """The revision annotation, 0 when absent or malformed."""
    text = annotations_of(obj).get(REVISION, "0")
    return int(text) if text.isdigit() else 0


def by_creation(sets: list[Obj]) -> list[Obj]:
    """Oldest first."""
    return sorted(
        sets,
        key=lambda rs: (
            seconds_of(rs["metadata"].get("creationTimestamp")),
            rs["metadata"]["name"],
        ),
    )


def find_new(deployment: Obj, sets: list[Obj]) -> Obj | None:
    """The oldest ReplicaSet with the Deployment's template."""
    template = deployment["spec"]["template"]
    for candidate in by_creation(sets):
        if same_template(candidate["spec"]["template"], template):
            return candidate
    return None


def budget(deployment: Obj) -> tuple[int, int]:
    """(maxSurge, maxUnavailable) as counts; (0, all) for Recreate."""
    spec = deployment["spec"]
    total = replicas_of(deployment)
    strategy = spec.get("strategy") or {}
    if strategy.get("type") == "Recreate":
        return 0, total
    rolling = strategy.get("rollingUpdate") or {}
    surge = scaled(rolling.get("maxSurge", "25%"), total, up=True)
    unavailable = scaled(rolling.get("maxUnavailable", "25%"), total, up=False)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return surge, min(unavailable, total)


def scaled(value: int | str, total: int, *, up: bool) -> int:
    """An IntOrString as a count of `total`, percentages rounded up or down."""
    if isinstance(value, int):
        return value
    if not value.endswith("%"):
        return int(value)
    share = int(value[:-1]) * total / 100
    return ceil(share) if up else floor(share)


def size_of_new(deployment: Obj, sets: list[Obj], new: Obj | None) -> int:
    """How large the new ReplicaSet may be right now."""
    wanted = replicas_of(deployment)
    strategy = deployment["spec"].get("strategy") or {}
    if strategy.get("type") == "Recreate":
        return wanted
    surge, _ = budget(deployment)
    have = replicas_of(new) if new is not None else 0
    room = wanted + surge - sum(replicas_of(rs) for rs in sets)
    return have + min(room, wanted - have) if room > 0 else have


def copied_annotations(deployment: Obj) -> dict[str, str]:
    """The Deployment's annotations that its ReplicaSets carry."""
    return {k: v for k, v in annotations_of(deployment).items() if k not in _OWN}


def sized_annotations(deployment: Obj, *, desired: int | None = None) -> dict[str, str]:
    """desired-replicas and max-replicas as proportional scaling needs them."""
    wanted = replicas_of(deployment) if desired is None else desired
    surge, _ = budget(deployment)
    return {DESIRED: str(wanted), MAXIMUM: str(wanted + surge)}


def new_replica_set(deployment: Obj, sets: list[Obj], revision: int, owner: Obj) -> Obj:
    """The ReplicaSet for the Deployment's present template."""
    meta = deployment["metadata"]
    collisions = (deployment.get("status") or {}).get("collisionCount")
    digest = template_hash(deployment["spec"]["template"], collisions)
    template = clone(deployment["spec"]["template"])
    labels = {**(template["metadata"].get("labels") or {}), HASH_LABEL: digest}
    template["metadata"]["labels"] = labels
    selector = clone(deployment["spec"]["selector"])
    selector["matchLabels"] = {**(selector.get("matchLabels") or {}), HASH_LABEL: digest}
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{meta['name']}-{digest}",
            "namespace": meta["namespace"],
            "labels": dict(labels),
            "annotations": {
                **copied_annotations(deployment),
                **sized_annotations(deployment),
                REVISION: str(revision),
            },
            "ownerReferences": [owner],
        },
        "spec": {
            "replicas": size_of_new(deployment, sets, None),
            "minReadySeconds": deployment["spec"].get("minReadySeconds") or 0,
            "selector": selector,
            "template": template,
        },
    }


def proportional_sizes(deployment: Obj, sets: list[Obj]) -> dict[str, int]:
    """New sizes by ReplicaSet name when a rollout is resized half way."""
    surge, _ = budget(deployment)
    wanted = replicas_of(deployment)
    allowed = wanted + surge if wanted > 0 else 0
    have = sum(replicas_of(rs) for rs in sets)
    to_add = allowed - have
    ordered = _by_size(sets, newest_first=to_add > 0)
    sizes: dict[str, int] = {}
    added = 0
    for rs in ordered:
        share = _share(rs, wanted + surge, to_add, added) if to_add else 0
        sizes[rs["metadata"]["name"]] = replicas_of(rs) + share
        added += share
    if ordered and to_add:
        first = ordered[0]["metadata"]["name"]
        sizes[first] = max(0, sizes[first] + to_add - added)
    return sizes


def _by_size(sets: list[Obj], *, newest_first: bool) -> list[Obj]:
    aged = by_creation(sets)
    if newest_first:
        aged.reverse()
    return sorted(aged, key=lambda rs: -replicas_of(rs))


def _share(rs: Obj, maximum: int, to_add: int, added: int) -> int:
    if replicas_of(rs) == 0:
        return 0
    before = int(annotations_of(rs).get(MAXIMUM) or maximum) or maximum
    share = int(replicas_of(rs) * maximum / before + 0.5) - replicas_of(rs)
    left = to_add - added
    return min(share, left) if to_add > 0 else max(share, left)
