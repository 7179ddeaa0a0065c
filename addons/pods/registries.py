"""Registry credentials out of image pull secrets.

Source: Kubernetes documentation, "Pull an Image from a Private Registry": types
`kubernetes.io/dockerconfigjson` (`auths`) and the older `kubernetes.io/dockercfg`.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from typing import Any

from addons.pods.environment import decode
from addons.pods.references import Resolved
from kube.secret import Secret
from providers.base import RegistryCredential

Json = Mapping[str, Any]


def credentials(pod: Json, resolved: Resolved) -> tuple[RegistryCredential, ...]:
    """Of the pod's pull secrets, else of its service account's; the first of a server wins.

    A missing or unreadable pull secret is passed over, as the kubelet does.
    """
    namespace = pod["metadata"]["namespace"]
    names = [e.get("name") for e in pod["spec"].get("imagePullSecrets") or ()]
    if not names:
        account = resolved.find(
            "serviceaccounts", namespace, pod["spec"].get("serviceAccountName") or "default"
        )
        names = [e.get("name") for e in (account or {}).get("imagePullSecrets") or ()]
    result: dict[str, RegistryCredential] = {}
    for name in names:
        secret = resolved.find("secrets", namespace, name) if name else None
        for credential in _of_secret(secret) if secret else ():
            result.setdefault(credential.server, credential)
    return tuple(result.values())


def _of_secret(secret: Json) -> Iterator[RegistryCredential]:
    data = secret.get("data") or {}
    try:
        if ".dockerconfigjson" in data:
            auths = json.loads(decode(data[".dockerconfigjson"])).get("auths") or {}
        else:
            auths = json.loads(decode(data.get(".dockercfg", "e30=")))
    except (ValueError, AttributeError):
        return
    for server, entry in auths.items():
        username, password = _login(entry)
        if username:
            yield RegistryCredential(_host(server), username, Secret(password))


def _login(entry: Json) -> tuple[str, str]:
    if entry.get("username"):
        return entry["username"], entry.get("password", "")
    try:
        text = base64.b64decode(entry.get("auth", "")).decode()
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    username, _, password = text.partition(":")
    return username, password


def _host(server: str) -> str:
    """`https://index.docker.io/v1/` -> `index.docker.io`."""
    return server.split("://", 1)[-1].split("/", 1)[0]
