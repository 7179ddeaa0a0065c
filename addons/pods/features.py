"""Fields of a pod's status that an API server of some version does not keep.

What it drops would be patched again and again. Source: Kubernetes documentation, "Feature gates":
the version that a gate of its field is on by default since.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

Json = Mapping[str, Any]
# InPlacePodVerticalScaling, PodObservedGenerationTracking, InPlacePodLevelResourcesVerticalScaling.
CONTAINER_RESOURCES, OBSERVED_GENERATION, POD_RESOURCES = 33, 34, 36
_MINOR = re.compile(r"v?1\.(\d+)")
_RESOURCES = frozenset({"resources", "allocatedResources"})
_CONTAINERS = ("containerStatuses", "initContainerStatuses")


def kept(status: Json, version: str) -> dict[str, Any]:
    """The status without those; `version` is what `/version` says, empty when nobody asked yet."""
    found = _MINOR.match(version)
    minor = int(found[1]) if found else POD_RESOURCES
    result = dict(status)
    if minor < POD_RESOURCES:
        result = _without(result, _RESOURCES)
    if minor < OBSERVED_GENERATION:
        result = _without(result, {"observedGeneration"})
        result["conditions"] = [
            _without(one, {"observedGeneration"}) for one in result.get("conditions") or ()
        ]
    if minor < CONTAINER_RESOURCES:
        for field in _CONTAINERS:
            if field in result:
                result[field] = [_without(one, _RESOURCES) for one in result[field]]
    return result


def _without(body: Json, fields: frozenset[str] | set[str]) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key not in fields}
