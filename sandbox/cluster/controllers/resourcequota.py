"""ResourceQuota status: what the namespace uses of each limit."""

from __future__ import annotations

from sandbox.cluster.quantity import canonical
from sandbox.cluster.quota import used

from .informer import Key, Obj, key_of
from .loop import Controller
from .objects import deleting, in_namespace

RESOURCE = "resourcequotas"
GATHER = 0.2
RESYNC = 30.0
_OF_PODS = {"pods", "cpu", "memory"}


class ResourceQuotas(Controller[Key]):
    """Keys are (namespace, name); pods are followed, other kinds looked at every 30 s."""

    name = "resourcequota-controller"

    def setup(self) -> None:
        self.quotas = self.context.informer(RESOURCE)
        self.quotas_in = self.quotas.index("namespace", in_namespace)
        self.quotas.on_change(lambda new, _: self.queue.add(key_of(new)) if new else None)
        self.context.informer("pods").on_change(self._on_pod)

    def _on_pod(self, new: Obj | None, old: Obj | None) -> None:
        for quota in self.quotas_in[(new or old or {})["metadata"]["namespace"]]:
            self.queue.add_after(key_of(quota), GATHER)

    async def reconcile(self, key: Key) -> float | None:
        """Count and write."""
        quota = self.quotas.get(key)
        if quota is None or deleting(quota):
            return None
        hard = quota["spec"].get("hard") or {}
        count = {name: self._used(key[0], name) for name in hard}
        await self.context.write_status(RESOURCE, quota, {"hard": hard, "used": count})
        return RESYNC

    def _used(self, namespace: str, name: str) -> str:
        resource = name.removeprefix("count/")
        if name in _OF_PODS or name.startswith(("requests.", "limits.")):
            resource = "pods"
        value = used(self.context.store, namespace, resource, {name})[name]
        return canonical(format(value.normalize(), "f"))
