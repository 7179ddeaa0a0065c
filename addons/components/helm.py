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
from datetime import datetime
from typing import Any

import yaml

from addons.components.apply import sealed
from addons.components.base import Json, Release, parts
from addons.models import Revision
from kube import SECRETS, Kube
from kube.errors import NotFound

TYPE = "helm.sh/release.v1"
DEPLOYED, SUPERSEDED = "deployed", "superseded"
_DONE = {"install": "Install complete", "rollback": "Rollback to {note}"}


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


async def write(kube: Kube, release: Release, revision: Revision, now: datetime) -> None:
    """The record of a revision as the deployed one; those before become superseded."""
    stamp = {"createdAt": str(int(now.timestamp()))}
    fresh = record(release, revision, now)
    for item, old in await records(kube, release.name, release.namespace):
        if old["version"] == revision.number:
            continue
        fresh["info"]["first_deployed"] = old["info"]["first_deployed"]
        if old["info"]["status"] == DEPLOYED:
            old["info"]["status"] = SUPERSEDED
            labels = item["metadata"].get("labels") or {}
            moment = {"modifiedAt": str(int(now.timestamp()))}
            await _put(kube, secret(old, labels={**labels, **moment}))
    await _put(kube, secret(fresh, labels=stamp))


async def _put(kube: Kube, obj: Json) -> None:
    """As Helm writes: create, or replace what is there."""
    meta = obj["metadata"]
    body = {"metadata": {"labels": meta["labels"]}, "data": obj["data"]}
    try:
        await kube.patch(SECRETS, meta["name"], body, meta["namespace"])
    except NotFound:
        await kube.create(SECRETS, obj, meta["namespace"])


async def forget(kube: Kube, release: str, namespace: str) -> int:
    """Delete every record of the release, as `helm uninstall` does; how many there were."""
    listing = await kube.list(SECRETS, namespace, labels=f"owner=helm,name={release}")
    for item in listing.items:
        await kube.delete(SECRETS, item["metadata"]["name"], namespace)
    return len(listing.items)
