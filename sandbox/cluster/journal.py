"""State on disk: a snapshot written now and then, and a journal of every write since.

The journal line of a write is appended before the write is answered, so state survives kill -9
whole: uids and resourceVersions never go back. A torn last line (a crash within a write) was never
answered and is dropped.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from sandbox.cluster.store import Entry, Key, Store, encode

Obj = dict[str, Any]
SNAPSHOT = "snapshot.json"
JOURNAL = "journal.jsonl"
COMPACT_BYTES = 32 * 1024 * 1024


class Journal:
    """Keeps the state of one store in ``folder``."""

    def __init__(self, store: Store, folder: Path) -> None:
        self._store = store
        self._folder = folder
        self._file: int | None = None
        self._written = 0
        folder.mkdir(parents=True, exist_ok=True)

    def open(self) -> None:
        """Begin to record writes; call after ``read`` and before the first write."""
        path = self._folder / JOURNAL
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._written = os.fstat(self._file).st_size
        self._store.sink = self._append

    def close(self) -> None:
        """Write a last snapshot and stop recording."""
        if self._file is None:
            return
        self.compact()
        self._store.sink = None
        os.close(self._file)
        self._file = None

    def _append(self, resource: str, key: Key, entry: Entry | None, rv: int) -> None:
        assert self._file is not None
        head = encode({"r": resource, "n": key[0], "m": key[1], "v": rv})
        body = head[:-1] + b',"o":' + (entry.data if entry else b"null") + b"}\n"
        os.write(self._file, body)
        self._written += len(body)

    @property
    def worth_compacting(self) -> bool:
        """Return whether the journal has grown enough for a new snapshot."""
        return self._written > COMPACT_BYTES

    def compact(self) -> None:
        """Write a snapshot and empty the journal; a crash in between is harmless."""
        write_snapshot(self._store, self._folder / SNAPSHOT)
        if self._file is not None:
            os.ftruncate(self._file, 0)
        self._written = 0

    def read(self) -> bool:
        """Fill the store from disk; returns whether there was anything."""
        found = read_snapshot(self._store, self._folder / SNAPSHOT)
        path = self._folder / JOURNAL
        if path.exists():
            found = self._replay(path) or found
        self._store.seal()
        return found

    def _replay(self, path: Path) -> bool:
        base = self._store.revision
        count = good = 0
        for record, size in _sized(path):
            good += size
            if record["v"] <= base:
                continue
            if record["o"] is None:
                self._store.unload(record["r"], (record["n"], record["m"]))
                self._store.revision = record["v"]
            else:
                self._store.load(record["r"], record["o"])
            count += 1
        os.truncate(path, good)
        return count > 0


def _sized(path: Path) -> Iterator[tuple[Obj, int]]:
    """Yield each whole line's object and length; ends at a torn line."""
    with path.open("rb") as file:
        for raw in file:
            if not raw.endswith(b"\n"):
                return
            try:
                yield msgspec.json.decode(raw), len(raw)
            except msgspec.DecodeError:
                return


def _lines(path: Path) -> Iterator[Obj]:
    return (record for record, _ in _sized(path))


def write_snapshot(store: Store, path: Path) -> None:
    """Write every object to one file, atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        file.write(encode({"revision": store.revision}) + b"\n")
        for resource in store.resources():
            name = encode(resource)
            for entry in store.entries(resource):
                file.write(b'{"r":' + name + b',"o":' + entry.data + b"}\n")
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def read_snapshot(store: Store, path: Path) -> bool:
    """Fill the store from a snapshot; returns False when there is none."""
    if not path.exists():
        return False
    lines = _lines(path)
    head = next(lines)
    for record in lines:
        store.load(record["r"], record["o"])
    store.revision = max(store.revision, head["revision"])
    return True
