"""What kind of cluster it is and where, read off its nodes and version."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

_REGION_LABELS = ("topology.kubernetes.io/region", "failure-domain.beta.kubernetes.io/region")


@dataclass(frozen=True, slots=True)
class Found:
    """`kind` is ack, kce or self-managed; `virtual` names the virtual nodes that are there."""

    kind: str
    region: str
    virtual: list[str]


def _is_virtual(node: Mapping[str, Any]) -> bool:
    labels = node.get("metadata", {}).get("labels") or {}
    return bool(labels.get("type") == "virtual-kubelet")


def _kind(real: list[Mapping[str, Any]], version: str) -> str:
    ids = [str(node.get("spec", {}).get("providerID", "")) for node in real]
    if "aliyun" in version or any(".i-" in text or text.startswith("alicloud") for text in ids):
        return "ack"
    if any("ksc" in text or "kingsoft" in text for text in ids):
        return "kce"
    return "self-managed"


def detect(nodes: Iterable[Mapping[str, Any]], version: str) -> Found:
    every = list(nodes)
    real = [node for node in every if not _is_virtual(node)]
    regions = [
        labels[name]
        for node in real
        for labels in [node.get("metadata", {}).get("labels") or {}]
        for name in _REGION_LABELS
        if labels.get(name)
    ]
    virtual = [node["metadata"]["name"] for node in every if _is_virtual(node)]
    region = max(set(regions), key=regions.count) if regions else ""
    return Found(_kind(real, version), region, virtual)
