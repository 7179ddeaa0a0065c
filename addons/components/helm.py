"""Release records as Helm 3 keeps them, so that `helm list` and `helm history` show our work.

A Secret `sh.helm.release.v1.<name>.v<revision>` of type `helm.sh/release.v1`, labelled with owner,
name, status and version; its `release` is base64 of gzip of JSON (and base64 once more, as in every
Secret). Source: helm.sh/helm/v3, pkg/storage/driver (secrets.go, util.go) and pkg/release.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

import yaml

from addons.components.apply import sealed
from addons.components.base import Json, Release, parts
from addons.models import Revision
from kube import SECRETS, Kube
from kube.errors import NotFound

TYPE = "helm.sh/release.v1"
# Told by the label which record is ours. Helm hands labels on to the records it writes after
# (pkg/action, rollback.go and upgrade.go), so its value has the number too.
OURS = "spillway.io/revision"
DEPLOYED, SUPERSEDED = "deployed", "superseded"
# While the newest record is one of these, Helm itself refuses to begin anything (pkg/action).
_BUSY = frozenset({"pending-install", "pending-upgrade", "pending-rollback", "uninstalling"})
_DONE = {"install": "Install complete", "rollback": "Rollback to {note}"}


class Busy(Exception):
    """Helm is at the release, or was stopped half way."""

    def __init__(self, number: int, status: str) -> None:
        super().__init__(f"v{number}: {status}")
        self.number = number
        self.status = status


class Taken(Exception):
    """Helm wrote a record of this number meanwhile."""


def secret_name(release: str, number: int) -> str:
    return f"sh.helm.release.v1.{release}.v{number}"


def encode(record: Mapping[str, Any]) -> str:
    """The `release` entry of the Secret's data."""
    packed = gzip.compress(json.dumps(record).encode(), mtime=0)
    return base64.b64encode(base64.b64encode(packed)).decode()


def decode(data: str) -> Json:
    """Raises ValueError for what is no record."""
    try:
        packed = base64.b64decode(base64.b64decode(data))
        found: Json = json.loads(gzip.decompress(packed))
    except (OSError, EOFError) as error:
        raise ValueError(str(error)) from error
    return found


def chart_version(version: str) -> str:
    """Charts are versioned semantically: a fourth number becomes build metadata."""
    numbers = [*(str(number) for number in parts(version)), "0", "0", "0"]
    count = max(3, len(parts(version)))
    more = ".".join(numbers[3:count])
    return ".".join(numbers[:3]) + (f"+{more}" if more else "")


def manifest(objects: list[Json]) -> str:
    """What Helm would have applied; Secrets with keys of clouds are there without their data."""
    texts = []
    for obj in objects:
        shown = {k: v for k, v in obj.items() if k != "data"} if sealed(obj) else obj
        texts.append("---\n" + yaml.safe_dump(shown, sort_keys=False, allow_unicode=True))
    return "".join(texts)


def record(release: Release, revision: Revision, now: datetime) -> Json:
    version = release.version.version
    stamp = now.isoformat()
    said = _DONE.get(revision.action, "Upgrade complete").format(note=revision.note or "-")
    return {
        "name": release.name,
        "info": {
            "first_deployed": stamp,
            "last_deployed": stamp,
            "deleted": "",
            "description": said,
            "status": DEPLOYED,
        },
        "chart": {
            "metadata": {
                "name": release.component.name,
                "version": chart_version(version),
                "appVersion": version,
                "description": release.component.summary,
                "apiVersion": "v2",
                "type": "application",
            },
            "lock": None,
            "templates": [],
            "values": release.version.defaults(),
            "schema": None,
            "files": [],
        },
        "config": release.values,
        "manifest": manifest(list(revision.objects_applied)),
        "version": revision.number,
        "namespace": release.namespace,
    }


def secret(record_: Json, *, labels: Mapping[str, str]) -> Json:
    name, number = record_["name"], record_["version"]
    known = {
        "owner": "helm",
        "name": name,
        "version": str(number),
        "status": record_["info"]["status"],
    }
    meta = {
        "name": secret_name(name, number),
        "namespace": record_["namespace"],
        "labels": {**labels, **known},
    }
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": meta,
        "type": TYPE,
        "data": {"release": encode(record_)},
    }


async def records(kube: Kube, release: str, namespace: str) -> list[tuple[Json, Json]]:
    """(Secret, record) of every revision that is kept, oldest first; unreadable ones left out."""
    listing = await kube.list(SECRETS, namespace, labels=f"owner=helm,name={release}")
    found = []
    for item in listing.items:
        try:
            found.append((item, decode((item.get("data") or {}).get("release", ""))))
        except ValueError:
            continue
    return sorted(found, key=lambda pair: int(pair[1]["version"]))


async def last_number(kube: Kube, release: str, namespace: str) -> int:
    """The newest revision that Helm has of a release; 0: none. Raises `Busy`."""
    listing = await kube.list(SECRETS, namespace, labels=f"owner=helm,name={release}")
    labels = [item["metadata"]["labels"] for item in listing.items]
    numbered = {int(one["version"]): one.get("status", "") for one in labels if "version" in one}
    last = max(numbered, default=0)
    if numbered.get(last) in _BUSY:
        raise Busy(last, numbered[last])
    return last


async def write(kube: Kube, release: Release, revision: Revision, now: datetime) -> None:
    """The record of a revision as the deployed one; those before become superseded.

    Raises `Taken`: a record that Helm wrote is never overwritten.
    """
    stamp = str(int(now.timestamp()))
    mark = f"{revision.operation_id}.{revision.number}"
    fresh, there = record(release, revision, now), False
    for item, old in await records(kube, release.name, release.namespace):
        labels = item["metadata"].get("labels") or {}
        if old["version"] == revision.number:
            there = labels.get(OURS) == mark
            if not there:
                raise Taken(str(revision.number))
            continue
        fresh["info"]["first_deployed"] = old["info"]["first_deployed"]
        if old["info"]["status"] == DEPLOYED:
            old["info"]["status"] = SUPERSEDED
            await _rewrite(kube, secret(old, labels={**labels, "modifiedAt": stamp}))
    if not there:
        made = secret(fresh, labels={"createdAt": stamp, OURS: mark})
        await kube.create(SECRETS, made, release.namespace)


async def _rewrite(kube: Kube, obj: Json) -> None:
    """One that Helm took away meanwhile stays away: it keeps ten."""
    meta = obj["metadata"]
    body = {"metadata": {"labels": meta["labels"]}, "data": obj["data"]}
    with suppress(NotFound):
        await kube.patch(SECRETS, meta["name"], body, meta["namespace"])


async def forget(kube: Kube, release: str, namespace: str) -> int:
    """Delete every record of the release, as `helm uninstall` does; how many there were."""
    listing = await kube.list(SECRETS, namespace, labels=f"owner=helm,name={release}")
    for item in listing.items:
        await kube.delete(SECRETS, item["metadata"]["name"], namespace)
    return len(listing.items)
