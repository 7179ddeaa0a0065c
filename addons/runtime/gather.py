"""One call for what many coroutines ask at nearly the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

P = TypeVar("P")
R = TypeVar("R")
# When so many wait already, more are coming: a longer pause makes fewer, larger runs.
CROWD = 4
CROWD_SECONDS = 0.015


class Gather(Generic[P, R]):
    """`run` gets what came within `seconds`, or during the run before, and answers in order.

    When it raises, everybody who asked gets that exception. One event loop only.
    """

    def __init__(
        self, run: Callable[[Sequence[P]], Awaitable[Sequence[R]]], *, seconds: float
    ) -> None:
        self._run = run
        self._seconds = seconds
        self._waiting: list[tuple[P, asyncio.Future[R]]] = []
        self._task: asyncio.Task[None] | None = None

    async def ask(self, payload: P) -> R:
        answer: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((payload, answer))
        if self._task is None:
            self._task = asyncio.create_task(self._work())
        return await answer

    async def _work(self) -> None:
        try:
            while self._waiting:
                await asyncio.sleep(self._seconds if len(self._waiting) < CROWD else CROWD_SECONDS)
                batch, self._waiting = self._waiting, []
                await self._answer(batch)
        finally:
            self._task = None

    async def _answer(self, batch: list[tuple[P, asyncio.Future[R]]]) -> None:
        try:
            results = await self._run([payload for payload, _ in batch])
        except BaseException as error:  # safe: everybody who asked is told
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            if isinstance(error, asyncio.CancelledError):
                raise
            return
        for (_, future), result in zip(batch, results, strict=True):
            if not future.done():
                future.set_result(result)
