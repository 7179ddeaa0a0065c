"""Shared read-only views of the cluster: one subscription per resource, with indexes.

The views follow every commit synchronously, so a loop that has just created an object sees it.
Objects must not be changed by readers; copy before editing.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any

from sandbox.cluster.client import Client

Obj = dict[str, Any]
Key = tuple[str, str]
Handler = Callable[[Obj | None, Obj | None], None]
IndexFunc = Callable[[Obj], Iterable[Hashable]]


def key_of(obj: Obj) -> Key:
    """(namespace, name); the namespace is "" for cluster-scoped objects."""
    meta = obj["metadata"]
    return meta.get("namespace") or "", meta["name"]


class Index:
    """Objects by a value computed from them."""

    def __init__(self, func: IndexFunc) -> None:
        self._func = func
        self._sets: dict[Hashable, dict[Key, Obj]] = {}

    def __getitem__(self, value: Hashable) -> list[Obj]:
        found = self._sets.get(value)
        return list(found.values()) if found else []

    def count(self, value: Hashable) -> int:
        """How many objects have this value."""
        return len(self._sets.get(value, ()))

    def values(self) -> list[Hashable]:
        """All values present."""
        return list(self._sets)

    def change(self, key: Key, new: Obj | None, old: Obj | None) -> None:
        """Follow one change of one object."""
        after = set(self._func(new)) if new is not None else set()
        before = set(self._func(old)) if old is not None else set()
        for value in before - after:
            members = self._sets.get(value)
            if members is not None:
                members.pop(key, None)
                if not members:
                    del self._sets[value]
        for value in after:
            self._sets.setdefault(value, {})[key] = new  # type: ignore[assignment]


class Informer:
    """All objects of one resource, by key and by index, with change handlers."""

    def __init__(self, client: Client, resource: str) -> None:
        self.resource = resource
        self._items: dict[Key, Obj] = {}
        self._indexes: dict[str, Index] = {}
        self._handlers: list[Handler] = []
        self.close = client.subscribe(resource, self._on_event)
        for obj in client.peek(resource):
            self._items[key_of(obj)] = obj

    def __iter__(self) -> Iterator[Obj]:
        return iter(list(self._items.values()))

    def __len__(self) -> int:
        return len(self._items)

    def get(self, key: Key) -> Obj | None:
        """The object now, or None."""
        return self._items.get(key)

    def index(self, name: str, func: IndexFunc) -> Index:
        """The index of this name, built on first use."""
        if name not in self._indexes:
            index = Index(func)
            for key, obj in self._items.items():
                index.change(key, obj, None)
            self._indexes[name] = index
        return self._indexes[name]

    def on_change(self, handler: Handler) -> None:
        """Call handler(new, old) for each object now and after each change of one."""
        self._handlers.append(handler)
        for obj in list(self._items.values()):
            handler(obj, None)

    def _on_event(self, kind: str, new: Obj | None, old: Obj | None) -> None:
        subject = new if new is not None else old
        if subject is None:
            return
        key = key_of(subject)
        before = self._items.get(key)
        after = None if kind == "DELETED" else new
        if after is None:
            self._items.pop(key, None)
        else:
            self._items[key] = after
        for index in self._indexes.values():
            index.change(key, after, before)
        for handler in self._handlers:
            handler(after, before)
