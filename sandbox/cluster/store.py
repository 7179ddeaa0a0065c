"""Objects, the resourceVersion counter and the bounded window of events.

Stored objects are immutable by agreement: a write stores a new object, readers never change one.
Each version is encoded to JSON once (``Entry.data``) and those bytes serve every list and watch.
All methods are synchronous, so a commit is atomic on the event loop.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

from sandbox.cluster.clock import Clock
from sandbox.cluster.errors import WatchExpired
from sandbox.cluster.history import History

Obj = dict[str, Any]
Key = tuple[str, str]
WINDOW = 1_000

encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder().decode


class Entry:
    """One version of one object; ``data`` is its JSON, made on first use."""

    __slots__ = ("_data", "key", "obj", "rv")

    def __init__(self, key: Key, obj: Obj, rv: int) -> None:
        self.key = key
        self.obj = obj
        self.rv = rv
        self._data: bytes | None = None

    @property
    def data(self) -> bytes:
        """Return the object's JSON."""
        if self._data is None:
            self._data = encode(self.obj)
        return self._data

    def copy(self) -> Obj:
        """Return a deep copy that the caller may change."""
        copied: Obj = decode(self.data)
        return copied


class Event(NamedTuple):
    """One commit; ``type`` is ADDED, MODIFIED or DELETED, ``entry`` the new or last state."""

    rv: int
    type: str
    entry: Entry
    old: Entry | None


class Origin(NamedTuple):
    """Who wrote and how, for the history."""

    user: str
    verb: str
    subresource: str = ""


Listener = Callable[[Event], None]
Sink = Callable[[str, Key, Entry | None, int], None]


class Table:
    """The objects of one resource, its events and its listeners."""

    __slots__ = ("by_namespace", "events", "listeners", "objects", "window_start")

    def __init__(self) -> None:
        self.objects: dict[Key, Entry] = {}
        self.by_namespace: dict[str, dict[Key, Entry]] = {}
        self.events: deque[Event] = deque()
        self.listeners: list[Listener] = []
        self.window_start = 0

    def put(self, entry: Entry) -> None:
        """Insert or replace one entry."""
        self.objects[entry.key] = entry
        self.by_namespace.setdefault(entry.key[0], {})[entry.key] = entry

    def drop(self, key: Key) -> None:
        """Remove one entry."""
        del self.objects[key]
        bucket = self.by_namespace[key[0]]
        del bucket[key]
        if not bucket:
            del self.by_namespace[key[0]]

    def remember(self, event: Event) -> None:
        """Append to the window and move its start when it is full."""
        self.events.append(event)
        if len(self.events) > WINDOW:
            self.window_start = self.events.popleft().rv


class Store:
    """All tables of one cluster under one revision counter."""

    def __init__(self, clock: Clock, history: History | None = None) -> None:
        self.revision = 1
        self.floor = 0
        self.history = history or History()
        self.sink: Sink | None = None
        self._clock = clock
        self._tables: dict[str, Table] = {}

    def table(self, resource: str) -> Table:
        """Return the table of a resource name such as ``deployments.apps``, made on first use."""
        found = self._tables.get(resource)
        if found is None:
            found = self._tables[resource] = Table()
        return found

    def resources(self) -> Iterator[str]:
        """Yield the names of the resources that have a table."""
        yield from list(self._tables)

    def get(self, resource: str, namespace: str, name: str) -> Entry | None:
        """Return one entry or None; ``namespace`` is "" for cluster-scoped objects."""
        return self.table(resource).objects.get((namespace, name))

    def entries(self, resource: str, namespace: str | None = None) -> Iterable[Entry]:
        """Return the entries of one namespace, or of all, in no order."""
        table = self.table(resource)
        if namespace is None:
            return table.objects.values()
        return table.by_namespace.get(namespace, {}).values()

    def ordered(self, resource: str, namespace: str | None = None) -> list[Entry]:
        """Return the entries sorted by namespace and name, as etcd keys sort."""
        return sorted(self.entries(resource, namespace), key=lambda e: e.key)

    def put(self, resource: str, obj: Obj, origin: Origin) -> Entry:
        """Commit a create or an update; sets ``metadata.resourceVersion`` on ``obj``."""
        meta = obj["metadata"]
        key = (meta.get("namespace", ""), meta["name"])
        table = self.table(resource)
        old = table.objects.get(key)
        entry = self._version(key, obj)
        table.put(entry)
        kind = "MODIFIED" if old else "ADDED"
        self._publish(resource, table, kind, entry=entry, old=old, origin=origin)
        return entry

    def remove(self, resource: str, obj: Obj, origin: Origin) -> Entry:
        """Commit a removal; ``obj`` is the last state, a copy the store may stamp."""
        meta = obj["metadata"]
        key = (meta.get("namespace", ""), meta["name"])
        table = self.table(resource)
        old = table.objects[key]
        entry = self._version(key, obj)
        table.drop(key)
        self._publish(resource, table, "DELETED", entry=entry, old=old, origin=origin)
        return entry

    def drop_table(self, resource: str) -> None:
        """Forget the events of a resource that is no longer served."""
        table = self._tables.get(resource)
        if table and not table.objects:
            table.events.clear()
            table.window_start = self.revision

    def _version(self, key: Key, obj: Obj) -> Entry:
        self.revision += 1
        obj["metadata"]["resourceVersion"] = str(self.revision)
        return Entry(key, obj, self.revision)

    def _publish(
        self,
        resource: str,
        table: Table,
        kind: str,
        *,
        entry: Entry,
        old: Entry | None,
        origin: Origin,
    ) -> None:
        event = Event(entry.rv, kind, entry, old)
        table.remember(event)
        self.history.record(
            entry.obj,
            time=self._clock.now().timestamp(),
            verb=origin.verb,
            resource=resource,
            subresource=origin.subresource,
            rv=entry.rv,
            user=origin.user,
        )
        if self.sink:
            self.sink(resource, entry.key, None if kind == "DELETED" else entry, entry.rv)
        for listener in list(table.listeners):
            listener(event)

    def listen(self, resource: str, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` after each commit of the resource; returns how to stop."""
        listeners = self.table(resource).listeners
        listeners.append(listener)

        def stop() -> None:
            if listener in listeners:
                listeners.remove(listener)

        return stop

    def replay(self, resource: str, since: int) -> list[Event]:
        """Return the events after ``since``; raises WatchExpired outside the window."""
        table = self.table(resource)
        if since < max(table.window_start, self.floor):
            raise WatchExpired(str(since))
        return [event for event in table.events if event.rv > since]

    def load(self, resource: str, obj: Obj) -> None:
        """Put back one object from a snapshot, without an event."""
        meta = obj["metadata"]
        rv = int(meta["resourceVersion"])
        self.table(resource).put(Entry((meta.get("namespace", ""), meta["name"]), obj, rv))
        self.revision = max(self.revision, rv)

    def unload(self, resource: str, key: Key) -> None:
        """Take away one object while a journal is read back, without an event."""
        table = self.table(resource)
        if key in table.objects:
            table.drop(key)

    def seal(self) -> None:
        """End a restore: watches from before it are expired."""
        self.floor = self.revision
