"""Every namespace has a ServiceAccount `default` and the cluster's CA certificate."""

from __future__ import annotations

from sandbox.cluster.errors import ApiError

from .informer import Obj
from .loop import Controller
from .objects import deleting

ROOT_CA = "kube-root-ca.crt"
_NOTE = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal "
    "endpoints such as the internal service IP or kubernetes.default.svc. No other usage is "
    "guaranteed across distributions of Kubernetes clusters."
)


class ServiceAccounts(Controller[str]):
    """Keys are names of namespaces."""

    name = "serviceaccount-controller"

    def setup(self) -> None:
        self.namespaces = self.context.informer("namespaces")
        self.accounts = self.context.informer("serviceaccounts")
        self.maps = self.context.informer("configmaps")
        self.namespaces.on_change(lambda new, _: self._changed(new))
        self.accounts.on_change(lambda new, old: self._missing("default", new, old))
        self.maps.on_change(lambda new, old: self._missing(ROOT_CA, new, old))

    def _changed(self, namespace: Obj | None) -> None:
        if namespace is not None:
            self.queue.add(namespace["metadata"]["name"])

    def _missing(self, name: str, new: Obj | None, old: Obj | None) -> None:
        if old is None or old["metadata"]["name"] != name:
            return
        if new is None or new.get("data") != old.get("data"):
            self.queue.add(old["metadata"]["namespace"])

    async def reconcile(self, key: str) -> float | None:
        """Create what is missing, put back what was changed."""
        namespace = self.namespaces.get(("", key))
        if namespace is None or deleting(namespace):
            return None
        if self.accounts.get((key, "default")) is None:
            await self._create("serviceaccounts", key, {"metadata": {"name": "default"}})
        certificate = self.context.ca_certificate
        current = self.maps.get((key, ROOT_CA))
        if not certificate:
            return None
        data = {"ca.crt": certificate}
        if current is None:
            meta = {"name": ROOT_CA, "annotations": {"kubernetes.io/description": _NOTE}}
            await self._create("configmaps", key, {"metadata": meta, "data": data})
        elif current.get("data") != data:
            await self.client.patch("configmaps", ROOT_CA, key, {"data": data}, kind="merge")
        return None

    async def _create(self, resource: str, namespace: str, obj: Obj) -> None:
        try:
            await self.client.create(resource, obj, namespace)
        except ApiError as error:
            if error.code not in {403, 404, 409}:
                raise
