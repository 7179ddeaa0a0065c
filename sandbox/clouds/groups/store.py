"""State of the simulated cloud on disk: groups, the ledger of calls, small settings.

One SQLite file written in batches. Every change is committed before the call that made it is
answered, so a killed world comes back with everything it ever confirmed; ``synchronous=OFF``
survives the death of the process, not of the machine.
"""

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from .model import Group

KEEP_CALLS = 500_000
_SCHEMA = """
create table if not exists meta (name text primary key, value blob not null);
create table if not exists groups (id text primary key, seq integer not null, body blob not null);
create table if not exists calls (
    seq integer primary key, action text not null, body blob not null
);
"""


class Call(msgspec.Struct, kw_only=True):
    """One line of the ledger: a call as it arrived and how it was answered."""

    action: str
    access_key_id: str
    parameters: dict[str, str]
    status: int
    code: str
    request_id: str
    container_group_id: str
    service: str = ""
    seq: int = 0
    time: str = ""


class Store:
    """Writes are buffered until ``commit``; reads see everything."""

    def __init__(self, path: Path | None) -> None:
        self._db = sqlite3.connect(path or ":memory:", isolation_level=None)
        self._db.executescript(_SCHEMA)
        self._db.execute("pragma journal_mode=wal")
        self._db.execute("pragma synchronous=off")
        self._groups: dict[str, Group] = {}
        self._calls: list[Call] = []
        self._meta: dict[str, Any] = {}

    @property
    def dirty(self) -> bool:
        """Tell whether anything waits for ``commit``."""
        return bool(self._groups or self._calls or self._meta)

    @property
    def owes(self) -> bool:
        """Tell whether a change of state, not only a ledger line, waits for ``commit``."""
        return bool(self._groups or self._meta)

    def put_group(self, group: Group) -> None:
        """Write a group with the next commit."""
        self._groups[group.id] = group

    def put_call(self, call: Call) -> None:
        """Append a line to the ledger with the next commit."""
        self._calls.append(call)

    def put_meta(self, name: str, value: Any) -> None:
        """Keep a small value with the next commit."""
        self._meta[name] = value

    def commit(self) -> None:
        """Write everything buffered in one transaction."""
        if not self.dirty:
            return
        encode = msgspec.json.encode
        db = self._db
        db.execute("begin")
        db.executemany(
            "insert or replace into groups values (?, ?, ?)",
            [(g.id, g.seq, encode(g)) for g in self._groups.values()],
        )
        db.executemany(
            "insert or replace into calls values (?, ?, ?)",
            [(c.seq, c.action, encode(c)) for c in self._calls],
        )
        db.executemany(
            "insert or replace into meta values (?, ?)",
            [(name, encode(value)) for name, value in self._meta.items()],
        )
        db.execute("commit")
        self._groups.clear()
        self._calls.clear()
        self._meta.clear()

    def trim(self) -> None:
        """Drop the oldest lines of a ledger that grew too long."""
        self._db.execute("delete from calls where seq < ?", (self.last_seq() - KEEP_CALLS,))

    def groups(self) -> Iterable[Group]:
        """Yield every group ever, oldest first."""
        self.commit()
        decode = msgspec.json.Decoder(Group).decode
        for (body,) in self._db.execute("select body from groups order by seq").fetchall():
            yield decode(body)

    def calls(self, since: int, action: str, limit: int) -> list[Call]:
        """Return ledger lines after ``since``, oldest first, at most ``limit``."""
        self.commit()
        decode = msgspec.json.Decoder(Call).decode
        rows = self._db.execute(
            "select body from calls where seq > ? and (? = '' or action = ?) order by seq limit ?",
            (since, action, action, limit),
        )
        return [decode(body) for (body,) in rows.fetchall()]

    def last_seq(self) -> int:
        """Return the number of the newest ledger line."""
        row = self._db.execute("select coalesce(max(seq), 0) from calls").fetchone()
        return int(row[0])

    def meta(self, name: str) -> Any:
        """Return a kept value, None when there is none."""
        self.commit()
        row = self._db.execute("select value from meta where name = ?", (name,)).fetchone()
        return msgspec.json.decode(row[0]) if row else None

    def wipe(self) -> None:
        """Forget groups and calls; small settings stay."""
        self._groups.clear()
        self._calls.clear()
        self._db.executescript("delete from groups; delete from calls;")

    def close(self) -> None:
        """Write what is buffered and close the file."""
        self.commit()
        self._db.close()
