"""Namespaces being deleted: everything in them goes first, pods with their grace."""

from __future__ import annotations

from collections import Counter

from .informer import Obj
from .loop import Controller
from .objects import deleting, with_condition

AGAIN = 0.5
SLOWEST = 15.0


class Namespaces(Controller[str]):
    """Keys are names of namespaces."""

    name = "namespace-controller"

    def setup(self) -> None:
        self._rounds: dict[str, int] = {}
        self.namespaces = self.context.informer("namespaces")
        self.namespaces.on_change(self._on_namespace)
        self.context.informer("pods").on_change(self._on_pod)

    def _on_namespace(self, new: Obj | None, _old: Obj | None) -> None:
        if new is not None and deleting(new):
            self.queue.add(new["metadata"]["name"])

    def _on_pod(self, new: Obj | None, old: Obj | None) -> None:
        """Pods are what a namespace waits for longest."""
        name = old["metadata"]["namespace"] if new is None and old is not None else ""
        if name in self._rounds:
            self.queue.add_after(name, AGAIN / 5)

    async def reconcile(self, key: str) -> float | None:
        """Delete what is left, say so, release the namespace when nothing is."""
        namespace = self.namespaces.get(("", key))
        if namespace is None or not deleting(namespace):
            self._rounds.pop(key, None)
            return None
        if not (namespace.get("spec") or {}).get("finalizers"):
            return None
        await self._empty(key)
        left, holders = self._remaining(key)
        await self._report(key, left, holders)
        if left:
            self._rounds[key] = self._rounds.get(key, 0) + 1
            return min(SLOWEST, AGAIN * 1.3 ** self._rounds[key])
        self._rounds.pop(key, None)
        await self._release(key)
        return None

    def _tables(self) -> list[str]:
        return sorted(
            {r.storage for r in self.context.catalog if r.namespaced and "delete" in r.verbs}
        )

    async def _empty(self, namespace: str) -> None:
        for resource in self._tables():
            for obj in list(self.client.peek(resource, namespace)):
                if not deleting(obj):
                    await self.context.remove(resource, obj)

    def _remaining(self, namespace: str) -> tuple[Counter[str], Counter[str]]:
        """(objects by resource, objects by finalizer) still there."""
        left: Counter[str] = Counter()
        holders: Counter[str] = Counter()
        for resource in self._tables():
            for obj in self.client.peek(resource, namespace):
                left[resource] += 1
                holders.update(obj["metadata"].get("finalizers") or [])
        return left, holders

    async def _report(self, name: str, left: Counter[str], holders: Counter[str]) -> None:
        namespace = self.namespaces.get(("", name))
        if namespace is None:
            return
        status = dict(namespace.get("status") or {})
        conditions = status.get("conditions") or []
        for condition in _conditions(left, holders):
            conditions = with_condition(conditions, condition, self.context.now())
        status.update(phase="Terminating", conditions=conditions)
        await self.context.write_status("namespaces", namespace, status)

    async def _release(self, name: str) -> None:
        namespace = await self.context.fetch("namespaces", name)
        if namespace is not None:
            namespace["spec"] = {"finalizers": []}
            await self.client.update("namespaces", namespace, subresource="finalize")


_DISCOVERED = (
    "NamespaceDeletionDiscoveryFailure",
    "ResourcesDiscovered",
    "All resources successfully discovered",
)
_PARSED = (
    "NamespaceDeletionGroupVersionParsingFailure",
    "ParsedGroupVersions",
    "All legacy kube types successfully parsed",
)
_DELETED = (
    "NamespaceDeletionContentFailure",
    "ContentDeleted",
    "All content successfully deleted, may be waiting on finalization",
)
_REMOVED = (
    "NamespaceContentRemaining",
    "ContentRemoved",
    "All content successfully removed",
)
_FINALIZED = (
    "NamespaceFinalizersRemaining",
    "ContentHasNoFinalizers",
    "All content-preserving finalizers finished",
)
_REMAIN = "Some resources are remaining"
_HELD = "Some content in the namespace has finalizers remaining"


def _conditions(left: Counter[str], holders: Counter[str]) -> list[Obj]:
    remaining = ", ".join(
        f"{name} has {count} resource instances" for name, count in sorted(left.items())
    )
    waiting = ", ".join(f"{name} in {n} resource instances" for name, n in sorted(holders.items()))
    told = [
        _healthy(*_DISCOVERED),
        _healthy(*_PARSED),
        _healthy(*_DELETED),
        _healthy(*_REMOVED),
        _healthy(*_FINALIZED),
    ]
    if left:
        told[3] = _pending(_REMOVED[0], "SomeResourcesRemain", f"{_REMAIN}: {remaining}")
    if holders:
        told[4] = _pending(_FINALIZED[0], "SomeFinalizersRemain", f"{_HELD}: {waiting}")
    return told


def _pending(kind: str, reason: str, message: str) -> Obj:
    return {"type": kind, "status": "True", "reason": reason, "message": message}


def _healthy(kind: str, reason: str, message: str) -> Obj:
    return {"type": kind, "status": "False", "reason": reason, "message": message}
