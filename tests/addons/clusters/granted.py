"""A service account of the simulated cluster that has our roles, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import yaml

from kube import Kube
from kube.resources import BY_KIND, SERVICE_ACCOUNTS, Resource
from kube.secret import Secret


async def granted(admin: Kube, name: str, manifests: Iterable[str]) -> Secret:
    """Make the account with the roles of the manifests, all called anew; its token."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}
    await admin.create(SERVICE_ACCOUNTS, account, "kube-system")
    for text in manifests:
        for document in yaml.safe_load_all(text):
            if "Role" in document["kind"]:
                await _create(admin, document, name)
    tokens = Resource("", "v1", f"serviceaccounts/{name}/token", "TokenRequest", namespaced=True)
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    return Secret((await admin.create(tokens, body, "kube-system"))["status"]["token"])


async def _create(admin: Kube, document: dict[str, Any], name: str) -> None:
    meta = document["metadata"]
    meta["name"] = f"{name}-{meta['name']}"
    if "roleRef" in document:
        document["roleRef"]["name"] = meta["name"]
        document["subjects"][0]["name"] = name
    resource = BY_KIND[document["apiVersion"], document["kind"]]
    await admin.create(resource, document, meta.get("namespace"))
