"""Taints and tolerations (Kubernetes documentation, "Taints and Tolerations"). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Json = Mapping[str, Any]


def repels(taint: Mapping[str, str]) -> bool:
    """Whether it keeps pods away that do not tolerate it."""
    return taint.get("effect") in {"NoSchedule", "NoExecute"}


def tolerated(tolerations: Iterable[Json], taint: Mapping[str, str]) -> bool:
    return any(tolerates(toleration, taint) for toleration in tolerations)


def tolerates(toleration: Json, taint: Mapping[str, str]) -> bool:
    if toleration.get("effect") not in {None, "", taint["effect"]}:
        return False
    exists = toleration.get("operator") == "Exists"
    key = toleration.get("key") or ""
    if not key:
        return exists
    return key == taint["key"] and (
        exists or (toleration.get("value") or "") == taint.get("value", "")
    )


def spelled(taint: Mapping[str, str]) -> str:
    """As kubectl writes it: `key=value:effect`."""
    value = f"={taint['value']}" if taint.get("value") else ""
    return f"{taint['key']}{value}:{taint['effect']}"
