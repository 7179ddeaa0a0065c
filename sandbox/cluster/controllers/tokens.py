"""Secrets of type `kubernetes.io/service-account-token` get their token, CA and namespace.

Kubernetes documentation, "Manually create a long-lived API token for a ServiceAccount".
"""

from __future__ import annotations

import base64
import uuid

from .informer import Obj
from .loop import Controller
from .objects import deleting

TYPE = "kubernetes.io/service-account-token"
ACCOUNT = "kubernetes.io/service-account.name"
ACCOUNT_UID = "kubernetes.io/service-account.uid"
# Such a token does not end; ours outlives every demo.
SECONDS = 10 * 365 * 86_400
Key = tuple[str, str]


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


class Tokens(Controller[Key]):
    """Keys are (namespace, name) of Secrets."""

    name = "token-controller"

    def setup(self) -> None:
        self.secrets = self.context.informer("secrets")
        self.accounts = self.context.informer("serviceaccounts")
        self.secrets.on_change(lambda new, _: self._seen(new))

    def _seen(self, secret: Obj | None) -> None:
        if secret is not None and secret.get("type") == TYPE:
            self.queue.add((secret["metadata"]["namespace"], secret["metadata"]["name"]))

    async def reconcile(self, key: Key) -> float | None:
        secret = self.secrets.get(key)
        if secret is None or deleting(secret) or (secret.get("data") or {}).get("token"):
            return None
        namespace, name = key
        wanted = (secret["metadata"].get("annotations") or {}).get(ACCOUNT, "")
        account = self.accounts.get((namespace, wanted))
        if account is None or self.context.issue_token is None:
            return 1.0
        spec = {"expirationSeconds": SECONDS}
        token, _until = self.context.issue_token(account, spec, str(uuid.uuid4()))
        body = {
            "metadata": {"annotations": {ACCOUNT_UID: account["metadata"]["uid"]}},
            "data": {
                "token": _encoded(token),
                "ca.crt": _encoded(self.context.ca_certificate),
                "namespace": _encoded(namespace),
            },
        }
        await self.client.patch("secrets", name, namespace, body, kind="merge")
        return None
