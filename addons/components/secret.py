"""The Secret `kube-system/alibaba-addon-secret`: the key that Alibaba Cloud's add-ons work with.

Source: ACK One user guide, registered clusters (keys `access-key-id` and `access-key-secret`). The
add-ons read it when they start, so that who refers to it is restarted after it changed.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from kube import DEPLOYMENTS, SECRETS, Kube
from kube import errors as kube_errors
from kube.secret import Secret

NAME = "alibaba-addon-secret"
NAMESPACE = "kube-system"
_ID, _SECRET = "access-key-id", "access-key-secret"
RESTARTED = "kubectl.kubernetes.io/restartedAt"


async def key_id_in(kube: Kube) -> str:
    """The id of the key that the cluster holds; empty: it has no such Secret."""
    try:
        found = await kube.get(SECRETS, NAME, NAMESPACE)
    except kube_errors.NotFound:
        return ""
    return _text((found.get("data") or {}).get(_ID))


def _text(encoded: Any) -> str:
    try:
        return base64.b64decode(str(encoded or ""), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""


async def write(kube: Kube, key_id: str, secret: Secret) -> None:
    """Apply the Secret, whoever wrote it before."""
    data = {_ID: key_id, _SECRET: secret.reveal()}
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": NAME,
            "namespace": NAMESPACE,
            "labels": {"app.kubernetes.io/managed-by": "spillway"},
        },
        "type": "Opaque",
        "data": {name: base64.b64encode(text.encode()).decode() for name, text in data.items()},
    }
    await kube.patch(SECRETS, NAME, body, NAMESPACE, kind="apply", force=True)


async def remove(kube: Kube, key_id: str) -> bool:
    """Take the Secret away if it holds this key; whether it is gone."""
    there = await key_id_in(kube)
    if there == key_id and there:
        await kube.delete(SECRETS, NAME, NAMESPACE)
        return True
    return not there


async def restart_users(kube: Kube, now: datetime) -> list[str]:
    """Restart the Deployments of kube-system that refer to the Secret, as `kubectl rollout
    restart` does; their names. Each is restarted once for one `now`."""
    found = await kube.list(DEPLOYMENTS, NAMESPACE)
    users = [one for one in found.items if NAME in set(secrets_of(one["spec"]["template"]["spec"]))]
    note = {RESTARTED: now.isoformat()}
    for one in users:
        body = {"spec": {"template": {"metadata": {"annotations": note}}}}
        await kube.patch(DEPLOYMENTS, one["metadata"]["name"], body, NAMESPACE)
    return [one["metadata"]["name"] for one in users]


async def restarting(kube: Kube, names: list[str]) -> list[str]:
    """Those of the Deployments whose new pods are not all available yet."""
    return [name for name in names if not _rolled_out(await kube.get(DEPLOYMENTS, name, NAMESPACE))]


def _rolled_out(deployment: Mapping[str, Any]) -> bool:
    wanted = deployment["spec"].get("replicas", 1)
    status = deployment.get("status") or {}
    seen = int(status.get("observedGeneration") or 0) >= deployment["metadata"]["generation"]
    counts = [int(status.get(key) or 0) for key in ("updatedReplicas", "availableReplicas")]
    return seen and counts == [wanted, wanted] and int(status.get("replicas") or 0) == wanted


def secrets_of(spec: Mapping[str, Any]) -> Iterator[str]:
    """The names of the Secrets that a pod refers to."""
    for volume in spec.get("volumes") or ():
        yield str((volume.get("secret") or {}).get("secretName") or "")
    for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
        for source in container.get("envFrom") or ():
            yield str((source.get("secretRef") or {}).get("name") or "")
        for variable in container.get("env") or ():
            reference = (variable.get("valueFrom") or {}).get("secretKeyRef") or {}
            yield str(reference.get("name") or "")
