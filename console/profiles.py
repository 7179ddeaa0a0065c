"""The ConfigMap `eci-profile` of a cluster, as people read it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from addons.models import Cluster
from addons.pods import profile
from console.keys import known

EDIT = f"kubectl -n {profile.NAMESPACE} edit configmap {profile.NAME}"
CREATE = (
    f"kubectl -n {profile.NAMESPACE} create configmap {profile.NAME} \\\n"
    "  --from-literal=vSwitchIds=vsw-aaa,vsw-bbb --from-literal=securityGroupId=sg-ccc"
)


@dataclass(frozen=True, slots=True)
class Key:
    name: str
    value: str
    obeyed: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """What it says; `problems` are sentences by the place that is wrong."""

    keys: tuple[Key, ...]
    selectors: str
    problems: tuple[tuple[str, str], ...]
    seen_at: datetime | None
    command: str


def profile_of(cluster: Cluster) -> Shown | None:
    """None where it means nothing: no node of the vendor and no such ConfigMap."""
    data: dict[str, str] = cluster.profile
    if not data and not _has_node(cluster):
        return None
    ignored = set(profile.ignored(data))
    keys = [
        Key(name, value, name not in ignored)
        for name, value in sorted(data.items())
        if name != "selectors"
    ]
    problems = [(item["path"], _said(item)) for item in cluster.profile_problems]
    return Shown(
        tuple(keys),
        _pretty(data.get("selectors", "")),
        tuple(problems),
        cluster.profile_seen_at,
        EDIT if data else CREATE,
    )


def _has_node(cluster: Cluster) -> bool:
    found = (known(name) for name in cluster.nodes.values_list("provider", flat=True).distinct())
    return any(dialect.vendor == profile.VENDOR for dialect in found if dialect)


def _said(problem: dict[str, object]) -> str:
    values = problem["values"]
    return " ".join(_(str(problem[part])) % values for part in ("message", "fix") if problem[part])


def _pretty(text: str) -> str:
    """Indented where it is JSON; as it stands where it is not."""
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False) if text else ""
    except ValueError:
        return text
