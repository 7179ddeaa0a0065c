"""Whose an instance is, written on the instance: the way back when the database is lost.

Keys are at most 64 characters and values at most 128, the limits of ECI, the narrowest cloud. The
UIDs identify; names that are too long are cut.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

CONSOLE = "spillway-console"
CLUSTER = "spillway-cluster"
NODE = "spillway-node"
NAMESPACE = "spillway-namespace"
POD = "spillway-pod"
UID = "spillway-pod-uid"
GENERATION = "spillway-generation"
_VALUE = 128


@dataclass(frozen=True, slots=True)
class Owner:
    """The pod that an instance was made for. `console` is the installation of Spillway."""

    console: str
    cluster_uid: str
    node: str
    namespace: str
    pod: str
    pod_uid: str
    generation: int


def tags_of(owner: Owner) -> dict[str, str]:
    values = {
        CONSOLE: owner.console,
        CLUSTER: owner.cluster_uid,
        NODE: owner.node,
        NAMESPACE: owner.namespace,
        POD: owner.pod,
        UID: owner.pod_uid,
        GENERATION: str(owner.generation),
    }
    return {key: value[:_VALUE] for key, value in values.items()}


def owner_of(tags: Mapping[str, str]) -> Owner | None:
    """The owner that the tags name; None when they are not ours or not complete."""
    generation = tags.get(GENERATION, "")
    if not (tags.get(CONSOLE) and tags.get(CLUSTER) and tags.get(UID) and generation.isdigit()):
        return None
    return Owner(
        console=tags[CONSOLE],
        cluster_uid=tags[CLUSTER],
        node=tags.get(NODE, ""),
        namespace=tags.get(NAMESPACE, ""),
        pod=tags.get(POD, ""),
        pod_uid=tags[UID],
        generation=int(generation),
    )
