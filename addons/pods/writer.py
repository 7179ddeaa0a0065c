"""Group commit: what the pods of a shard want to write at one moment goes in one transaction.

SQLite takes some 900 single transactions a second and PostgreSQL waits for its disk in each; a
hundred pods in flight share one instead. While a transaction runs, the next one gathers. The lease
is fenced once per transaction; when it is lost, nothing of the batch is written and every writer
of it gets `LeaseLost`. What pods ask of the database is gathered the same way, without the lease.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar, cast
from weakref import WeakKeyDictionary, ref

from django.db import transaction

from addons.models import Decision
from addons.pods.store import Known, Place, known
from addons.runtime.contract import Context, Held, LeaseLost
from addons.runtime.gather import Gather

P = TypeVar("P")
R = TypeVar("R")
# (payloads, now) -> results in the same order; runs inside the transaction.
Handler = Callable[[Sequence[P], datetime], Sequence[R]]
GATHER_SECONDS = 0.003


@dataclass(frozen=True, slots=True)
class _Write:
    handler: Handler[Any, Any]
    payload: Any
    notes: tuple[Decision, ...]


class Writer:
    """The database as the pods of one drain see it."""

    def __init__(self, ctx: Context) -> None:
        # Weak, so that the writer ends with the drain that it is kept for.
        self._ctx = ref(ctx)
        self._writes: Gather[_Write, Any] = Gather(self._write, seconds=GATHER_SECONDS)
        self._reads: Gather[Place, Known] = Gather(self._read, seconds=GATHER_SECONDS)

    async def do(self, handler: Handler[P, R], payload: P, *notes: Decision) -> R:
        """The handler's result for this payload, committed, together with `notes`."""
        return cast("R", await self._writes.ask(_Write(handler, payload, notes)))

    async def known(self, place: Place) -> Known:
        return await self._reads.ask(place)

    def _context(self) -> Context:
        ctx = self._ctx()
        if ctx is None:
            raise LeaseLost("the drain is over")
        return ctx

    async def _read(self, places: Sequence[Place]) -> Sequence[Known]:
        return await self._context().db(known, places)

    async def _write(self, batch: Sequence[_Write]) -> Sequence[Any]:
        ctx = self._context()
        return await ctx.db(commit, batch, ctx.lease, ctx.now())


def commit(batch: Sequence[_Write], lease: Held, now: datetime) -> list[Any]:
    groups: dict[Any, list[int]] = {}
    for index, write in enumerate(batch):
        groups.setdefault(write.handler, []).append(index)
    results: list[Any] = [None] * len(batch)
    with transaction.atomic():
        lease.fence()
        for handler, members in groups.items():
            answers = handler([batch[index].payload for index in members], now)
            for index, answer in zip(members, answers, strict=True):
                results[index] = answer
        Decision.objects.bulk_create([note for write in batch for note in write.notes])
    return results


_writers: WeakKeyDictionary[Context, Writer] = WeakKeyDictionary()


def writer_of(ctx: Context) -> Writer:
    """One per drain."""
    writer = _writers.get(ctx)
    if writer is None:
        writer = _writers[ctx] = Writer(ctx)
    return writer
