"""Calls of ECI within the account's rates: repeated where that is safe, paged to the end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from providers.buckets import Limiter, Priority, Unlimited
from providers.eci.wire import Wire
from providers.errors import Throttled, Unavailable, UnknownOutcome
from providers.turns import Turns

PAUSES = (0.2, 1.0)
_MAX_PAGES = 5000

PRIORITIES = {
    "DeleteContainerGroup": Priority.DELETE,
    "CreateContainerGroup": Priority.CREATE,
    "RestartContainerGroup": Priority.CREATE,
    "DescribeContainerLog": Priority.LOGS,
    "DescribeContainerGroupEvents": Priority.LOGS,
    "DescribeMultiContainerGroupMetric": Priority.LOGS,
    "DescribeContainerGroupPrice": Priority.PRICE,
}


class Calls:
    """One key in one region."""

    def __init__(
        self,
        wire: Wire,
        *,
        limiter: Limiter | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.wire = wire
        self.region = wire.region
        self._limiter = limiter or Unlimited()
        self._sleep = sleep
        self._turns = Turns(self._limiter)

    async def aclose(self) -> None:
        await self.wire.aclose()
        await self._limiter.aclose()

    async def ask(self, action: str, parameters: Any, *, product: str = "eci") -> dict[str, Any]:
        """One call within the account's rates; `Throttled` slows the bucket for all processes."""
        await self._limiter.take(action, PRIORITIES.get(action, Priority.STATUS))
        try:
            return await self.wire.call(action, parameters, product=product)
        except Throttled as error:
            await self._limiter.throttled(action, error.retry_after)
            raise

    async def turn(self, name: str) -> float:
        """`base.Turns` for CreateContainerGroup."""
        return await self._turns.of(name)

    async def read(self, action: str, parameters: Any, *, product: str = "eci") -> dict[str, Any]:
        """`ask` for calls without effect: repeated when nothing, or nothing readable, came back."""
        for pause in PAUSES:
            try:
                return await self.ask(action, parameters, product=product)
            except (Unavailable, UnknownOutcome):
                await self._sleep(pause)
        try:
            return await self.ask(action, parameters, product=product)
        except UnknownOutcome as error:
            raise Unavailable(error.message, code=error.code) from error

    async def pages(
        self, action: str, key: str, filters: Mapping[str, Any], limit: int | None
    ) -> list[dict[str, Any]]:
        """Every page, or an error: part of a list is never given."""
        parameters: dict[str, Any] = {"RegionId": self.region, **filters}
        if limit:
            parameters["Limit"] = limit
        found: dict[str, dict[str, Any]] = {}
        seen: set[str] = set()
        for _ in range(_MAX_PAGES):
            body = await self.read(action, parameters)
            for item in body.get(key) or ():
                found[str(item["ContainerGroupId"])] = item
            token = str(body.get("NextToken") or "")
            if not token:
                return list(found.values())
            if token in seen:
                raise Unavailable(f"{action}: a page repeats", code="PageRepeats")
            seen.add(token)
            parameters["NextToken"] = token
        raise Unavailable(f"{action}: more than {_MAX_PAGES} pages", code="TooManyPages")
