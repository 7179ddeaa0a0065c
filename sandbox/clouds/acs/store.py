"""State of the simulated ACS on disk: instances, the ledger, knobs.

One SQLite file. An instance is committed before its pod is told about it; ``synchronous=OFF``
survives the death of the process, not of the machine.
"""

import sqlite3
from pathlib import Path
from typing import Any

import msgspec

from .model import Call, Instance

_SCHEMA = """
create table if not exists meta (name text primary key, value blob not null);
create table if not exists instances (
    id text primary key, seq integer not null, body blob not null
);
create table if not exists calls (
    seq integer primary key, action text not null, body blob not null
);
"""


class Store:
    """Writes are in one transaction until ``commit``; reads see everything."""

    def __init__(self, path: Path | None) -> None:
        # Made in one thread and used in the world's: never in two at a time.
        self._db = sqlite3.connect(path or ":memory:", check_same_thread=False)
        self._db.executescript(_SCHEMA)
        self._db.execute("pragma journal_mode=wal")
        self._db.execute("pragma synchronous=off")

    def put(self, instance: Instance) -> None:
        """Write an instance with the next commit."""
        row = (instance.id, instance.seq, msgspec.json.encode(instance))
        self._db.execute("insert or replace into instances values (?, ?, ?)", row)

    def put_call(self, call: Call) -> None:
        """Append a line to the ledger with the next commit."""
        row = (call.seq, call.action, msgspec.json.encode(call))
        self._db.execute("insert into calls values (?, ?, ?)", row)

    def put_meta(self, name: str, value: Any) -> None:
        """Keep a small value with the next commit."""
        row = (name, msgspec.json.encode(value))
        self._db.execute("insert or replace into meta values (?, ?)", row)

    def instances(self) -> list[Instance]:
        """Return every instance ever, oldest first."""
        decode = msgspec.json.Decoder(Instance).decode
        rows = self._db.execute("select body from instances order by seq")
        return [decode(body) for (body,) in rows]

    def calls(self, since: int, action: str, limit: int) -> list[Call]:
        """Return ledger lines after ``since``, oldest first, at most ``limit``."""
        decode = msgspec.json.Decoder(Call).decode
        rows = self._db.execute(
            "select body from calls where seq > ? and (? = '' or action = ?) order by seq limit ?",
            (since, action, action, limit),
        )
        return [decode(body) for (body,) in rows]

    def last_call(self) -> int:
        """Return the number of the newest ledger line."""
        row = self._db.execute("select coalesce(max(seq), 0) from calls").fetchone()
        return int(row[0])

    def meta(self, name: str) -> Any:
        """Return a kept value, None when there is none."""
        row = self._db.execute("select value from meta where name = ?", (name,)).fetchone()
        return msgspec.json.decode(row[0]) if row else None

    def wipe(self) -> None:
        """Forget instances that ended, and the ledger; small settings stay."""
        self._db.execute("delete from instances")
        self._db.execute("delete from calls")

    def commit(self) -> None:
        """Make everything written so far outlive the process."""
        self._db.commit()

    def close(self) -> None:
        """Commit and close the file."""
        self._db.commit()
        self._db.close()
