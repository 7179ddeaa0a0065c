"""Calls of KCI within the account's rates: repeated where that is safe, with a fresh key when a
temporary one has ended."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from providers.buckets import Limiter, Priority, Unlimited
from providers.errors import AccountTrouble, Throttled, Unavailable, UnknownOutcome
from providers.kci.rates import CREATE, DELETE, READ
from providers.kingsoft.errors import is_expired
from providers.kingsoft.signing import Key
from providers.kingsoft.wire import Wire
from providers.turns import Turns

PAUSES = (0.2, 1.0)
Refresh = Callable[[], Awaitable[Key | None]]

PRIORITIES = {
    DELETE: Priority.DELETE,
    CREATE: Priority.CREATE,
    "DescribeContainerLog": Priority.LOGS,
    "DescribeContainerGroupEvents": Priority.LOGS,
    "DescribeKciPackages": Priority.CREATE,
}


class Calls:
    """One key in one region. `refresh` gives the account's key of now, if it may be another."""

    def __init__(
        self,
        wire: Wire,
        *,
        limiter: Limiter | None = None,
        refresh: Refresh | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.wire = wire
        self.region = wire.region
        self._limiter = limiter or Unlimited()
        self._refresh = refresh
        self._refreshing = asyncio.Lock()
        self._sleep = sleep
        self._turns = Turns(self._limiter)

    async def aclose(self) -> None:
        await self.wire.aclose()
        await self._limiter.aclose()

    async def turn(self, name: str) -> float:
        """`base.Turns` for CreateContainerGroup."""
        return await self._turns.of(name)

    async def ask(
        self,
        action: str,
        parameters: Mapping[str, Any],
        *,
        service: str = "kci",
        version: str = "",
    ) -> dict[str, Any]:
        """One call; a second one with a fresh key when the first was refused for its age.

        Such a refusal comes from the gateway, before the call had any effect.
        """
        used = self.wire.key
        try:
            return await self._once(action, parameters, service, version)
        except AccountTrouble as error:
            if not is_expired(error) or not await self._renewed(used):
                raise
        return await self._once(action, parameters, service, version)

    async def _once(
        self, action: str, parameters: Mapping[str, Any], service: str, version: str
    ) -> dict[str, Any]:
        bucket = action if action in {CREATE, DELETE} else READ
        await self._limiter.take(bucket, PRIORITIES.get(action, Priority.STATUS))
        try:
            return await self.wire.call(action, parameters, service=service, version=version)
        except Throttled as error:
            await self._limiter.throttled(bucket, error.retry_after)
            raise

    async def _renewed(self, used: Key) -> bool:
        """Whether the wire has another key than `used` now; many callers ask the source once."""
        async with self._refreshing:
            if self.wire.key == used and self._refresh is not None:
                self.wire.key = await self._refresh() or used
            return self.wire.key != used

    async def read(
        self,
        action: str,
        parameters: Mapping[str, Any],
        *,
        service: str = "kci",
        version: str = "",
    ) -> dict[str, Any]:
        """`ask` for calls without effect: repeated when nothing, or nothing readable, came back."""
        for pause in PAUSES:
            try:
                return await self.ask(action, parameters, service=service, version=version)
            except (Unavailable, UnknownOutcome):
                await self._sleep(pause)
        try:
            return await self.ask(action, parameters, service=service, version=version)
        except UnknownOutcome as error:
            raise Unavailable(error.message, code=error.code) from error
