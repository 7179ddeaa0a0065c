"""Complete lists of container groups, although pages are cut by position.

DescribeContainerGroup pages by `Marker`, the position to begin at, and 0 at the end (KCI API
reference): what is deleted meanwhile moves the rest forward, and a page cut at the next position
would skip as many. So each page begins a little before the end of the one before, and its first
entry must be one that was seen; otherwise the list is asked for again from the start.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Generic, TypeVar

from providers.errors import Unavailable

ACTION = "DescribeContainerGroup"
PAGE = 100
OVERLAP = 10
MAX_PAGES = 5000
TRIES = 3

Read = Callable[[str, Mapping[str, Any]], Awaitable[dict[str, Any]]]
Bodies = dict[str, dict[str, Any]]
T = TypeVar("T")


class Moved(Exception):
    """Between two pages so much was deleted that some may have been skipped."""


async def complete(read: Read, filters: Mapping[str, Any], *, page: int = PAGE) -> Bodies:
    """Every group by its id, or an error: part of a list is never given."""
    for _ in range(TRIES):
        try:
            return await _once(read, filters, page)
        except Moved:
            continue
    raise Unavailable(f"{ACTION}: the list moves faster than it can be read", code="ListMoves")


async def _once(read: Read, filters: Mapping[str, Any], page: int) -> Bodies:
    found: Bodies = {}
    marker = reached = 0
    for _ in range(MAX_PAGES):
        body = await read(ACTION, {**filters, "MaxResults": page, "Marker": marker})
        groups, following = _page(body)
        if marker and groups and _id(groups[0]) not in found:
            raise Moved
        found |= {_id(group): group for group in groups}
        if not following:
            _check_count(found, body)
            return found
        if following <= reached or not groups:
            raise Unavailable(f"{ACTION}: a page repeats", code="PageRepeats")
        reached = following
        marker = max(following - min(OVERLAP, page // 2), marker + 1)
    raise Unavailable(f"{ACTION}: more than {MAX_PAGES} pages", code="TooManyPages")


def _page(body: Mapping[str, Any]) -> tuple[list[dict[str, Any]], int]:
    groups = body.get("ContainerGroups")
    if groups is None or body.get("TotalCount") is None:
        raise Unavailable(f"{ACTION}: the answer holds no list", code="NoList")
    return list(groups), int(body.get("Marker") or 0)


def _id(group: Mapping[str, Any]) -> str:
    return str(group["ContainerGroupId"])


def _check_count(found: Bodies, body: Mapping[str, Any]) -> None:
    """More are said to be there than came: not complete. Fewer is what deletions look like."""
    if len(found) < int(body["TotalCount"]):
        raise Moved


class Shared(Generic[T]):
    """One load at a time, for all who ask.

    Who asks while one is under way is given the next, which begins after the question; so that two
    hundred pods of unknown outcome cost two lists and not two hundred.
    """

    def __init__(self, load: Callable[[], Awaitable[T]]) -> None:
        self._load = load
        self._one = asyncio.Lock()
        self._next: asyncio.Task[T] | None = None

    async def fresh(self) -> T:
        """What was loaded wholly after this call. Raises what the load raises."""
        if self._next is None:
            self._next = asyncio.ensure_future(self._run())
            # Nobody may be left to hear of a failure: all who waited were cancelled.
            self._next.add_done_callback(_heard)
        return await asyncio.shield(self._next)

    async def _run(self) -> T:
        async with self._one:
            self._next = None
            return await self._load()

    async def aclose(self) -> None:
        if self._next is not None:
            self._next.cancel()
            self._next = None


def _heard(task: asyncio.Task[T]) -> None:
    if not task.cancelled():
        task.exception()
