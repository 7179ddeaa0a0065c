"""Owner references: dependents follow their owners, in the background or before them.

The graph is a set of UIDs kept by subscription; because it is never behind the store, an owner
whose UID is not in it does not exist.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from .informer import Obj, key_of
from .loop import Controller
from .objects import clone, deleting, owners_of

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"
CRDS = "customresourcedefinitions.apiextensions.k8s.io"


class Item(NamedTuple):
    """An object's address."""

    resource: str
    namespace: str
    name: str
    uid: str


class GarbageCollector(Controller[Item]):
    """Keys are addresses of objects whose owners or deletion need a look."""

    name = "garbage-collector"

    def setup(self) -> None:
        self._objects: dict[str, Item] = {}
        self._dependents: dict[str, dict[str, Item]] = {}
        self._watched: dict[str, Callable[[], None]] = {}
        for resource in {r.storage for r in self.context.catalog if "delete" in r.verbs}:
            self._watch(resource)
        self.context.informer(CRDS).on_change(self._on_crd)
        self._first_look()

    async def run(self) -> None:
        """Work until cancelled, then stop listening."""
        try:
            await super().run()
        finally:
            for stop in self._watched.values():
                stop()

    def _watch(self, resource: str) -> None:
        if resource in self._watched:
            return
        for obj in self.client.peek(resource):
            self._learn(resource, obj)

        def handler(kind: str, new: Obj, old: Obj | None) -> None:
            self._on_event(resource, kind, new, old)

        self._watched[resource] = self.client.subscribe(resource, handler)

    def _on_crd(self, new: Obj | None, _old: Obj | None) -> None:
        if new is not None:
            self._watch(f"{new['spec']['names']['plural']}.{new['spec']['group']}")

    def _first_look(self) -> None:
        for items in list(self._dependents.values()):
            for item in items.values():
                self.queue.add(item)
        for item in self._objects.values():
            obj = self.client.look(item.resource, item.name, item.namespace)
            if obj is not None and deleting(obj):
                self.queue.add(item)

    def _learn(self, resource: str, obj: Obj) -> Item:
        item = Item(resource, *key_of(obj), obj["metadata"]["uid"])
        self._objects[item.uid] = item
        for ref in owners_of(obj):
            self._dependents.setdefault(ref["uid"], {})[item.uid] = item
        return item

    def _unlearn(self, uid: str, refs: list[Obj]) -> None:
        for ref in refs:
            siblings = self._dependents.get(ref["uid"])
            if siblings is not None:
                siblings.pop(uid, None)
                if not siblings:
                    del self._dependents[ref["uid"]]

    def _on_event(self, resource: str, kind: str, new: Obj, old: Obj | None) -> None:
        uid = new["metadata"]["uid"]
        if kind == "DELETED":
            self._gone(resource, new, old or new)
            return
        refs = owners_of(new)
        if old is not None and refs != owners_of(old):
            self._unlearn(uid, owners_of(old))
        item = self._learn(resource, new) if old is None or refs != owners_of(old) else None
        if item is not None and refs:
            self.queue.add(item)
        if deleting(new) and _waits(new):
            self.queue.add(item or self._objects[uid])

    def _gone(self, resource: str, last: Obj, old: Obj) -> None:
        uid = last["metadata"]["uid"]
        self._objects.pop(uid, None)
        self._unlearn(uid, owners_of(last) + owners_of(old))
        for dependent in list(self._dependents.get(uid, {}).values()):
            self.queue.add(dependent)
        for ref in owners_of(old):
            owner = self._objects.get(ref["uid"])
            if owner is not None:
                self.queue.add(owner)

    async def reconcile(self, key: Item) -> float | None:
        """Delete an object without owners; finish an owner that waits for its dependents."""
        obj = self.client.look(key.resource, key.name, key.namespace)
        if obj is None or obj["metadata"]["uid"] != key.uid:
            return None
        if deleting(obj) and _waits(obj):
            await self._finish(key, obj)
            return None
        if owners_of(obj) and not deleting(obj):
            await self._judge(key, obj)
        return None

    async def _judge(self, item: Item, obj: Obj) -> None:
        refs = owners_of(obj)
        solid = [ref for ref in refs if self._present(ref, item)]
        waiting = [ref for ref in solid if self._waits_for_us(ref)]
        if not solid:
            await self.context.remove(item.resource, obj, propagation=_inherited(obj))
        elif len(waiting) == len(solid):
            blocking = any(ref.get("blockOwnerDeletion") for ref in waiting)
            policy = "Foreground" if blocking and item.uid in self._dependents else "Background"
            await self.context.remove(item.resource, obj, propagation=policy)
        elif len(solid) < len(refs):
            edited = clone(obj)
            edited["metadata"]["ownerReferences"] = solid
            await self.client.update(item.resource, edited)

    def _present(self, ref: Obj, item: Item) -> bool:
        owner = self._objects.get(ref["uid"])
        if owner is None:
            return False
        return not owner.namespace or owner.namespace == item.namespace

    def _waits_for_us(self, ref: Obj) -> bool:
        owner = self._objects[ref["uid"]]
        obj = self.client.look(owner.resource, owner.name, owner.namespace)
        return obj is not None and deleting(obj) and FOREGROUND in _finalizers(obj)

    async def _finish(self, item: Item, owner: Obj) -> None:
        if ORPHAN in _finalizers(owner):
            for dependent in list(self._dependents.get(item.uid, {}).values()):
                await self._orphan(dependent, item.uid)
            await self._drop_finalizer(item, owner, ORPHAN)
            return
        blocking = 0
        for dependent in list(self._dependents.get(item.uid, {}).values()):
            obj = self.client.look(dependent.resource, dependent.name, dependent.namespace)
            if obj is None:
                continue
            blocking += any(
                ref["uid"] == item.uid and ref.get("blockOwnerDeletion") for ref in owners_of(obj)
            )
            if not deleting(obj):
                self.queue.add(dependent)
        if not blocking:
            await self._drop_finalizer(item, owner, FOREGROUND)

    async def _orphan(self, dependent: Item, uid: str) -> None:
        obj = await self.context.fetch(dependent.resource, dependent.name, dependent.namespace)
        if obj is not None:
            refs = [ref for ref in owners_of(obj) if ref["uid"] != uid]
            obj["metadata"]["ownerReferences"] = refs
            await self.client.update(dependent.resource, obj)

    async def _drop_finalizer(self, item: Item, owner: Obj, finalizer: str) -> None:
        edited = clone(owner)
        kept = [f for f in _finalizers(owner) if f != finalizer]
        edited["metadata"]["finalizers"] = kept
        await self.client.update(item.resource, edited)


def _finalizers(obj: Obj) -> list[str]:
    return obj["metadata"].get("finalizers") or []


def _waits(obj: Obj) -> bool:
    return FOREGROUND in _finalizers(obj) or ORPHAN in _finalizers(obj)


def _inherited(obj: Obj) -> str:
    """A dependent that carries a finalizer of its own keeps that policy."""
    if ORPHAN in _finalizers(obj):
        return "Orphan"
    return "Foreground" if FOREGROUND in _finalizers(obj) else "Background"
