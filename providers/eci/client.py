"""ECI in one region with one key: the verbs and the powers of `providers.base`.

Sources: ECI developer reference 2018-08-08 (every action named below), its limits page (calls per
minute), and the SDK `alibabacloud-eci20180808` 2.1.0 whose wire names are used.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from providers.base import CloudEvent, Created, Instance, InstanceSpec, Listing, Used
from providers.buckets import Limiter
from providers.eci import answer, placing, proof, request
from providers.eci.billing import BillCalls
from providers.eci.calls import PAUSES
from providers.eci.catalogue import CatalogueCalls
from providers.eci.choices import choices, named
from providers.eci.market import MarketCalls
from providers.eci.verify import VerifyCalls
from providers.eci.wire import Wire
from providers.errors import (
    AccountTrouble,
    InvalidSpec,
    NotFound,
    OutOfStock,
    ProviderError,
    Throttled,
    Unavailable,
    UnknownOutcome,
)
from providers.stock import Stock

_PAGE = 20
_STATUS_PAGE = 200
_IDS = 20


class Eci(BillCalls, CatalogueCalls, MarketCalls, VerifyCalls):
    """`Provider` with every power. Safe to share between tasks of one event loop."""

    name = "eci"
    idempotent_create = True

    def __init__(
        self,
        wire: Wire,
        *,
        limiter: Limiter | None = None,
        stock: Stock | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        super().__init__(wire, limiter=limiter, sleep=sleep)
        self._memory = placing.Memory(stock)

    async def aclose(self) -> None:
        await super().aclose()
        await self._memory.aclose()

    async def create(self, spec: InstanceSpec, *, token: str) -> Created:
        """CreateContainerGroup, repeated with the same ClientToken while the outcome is unknown.

        A 5xx answer is an unknown outcome here: only the token makes the repetition safe (ECS
        developer reference, "How to ensure idempotence", which ECI refers to). One token asks for
        one choice in one set of places: which, `placed` decides and the caller keeps, so that a
        repetition under the token is of the same content. After `OutOfStock`, `placed` gives the
        next choice, to be asked for under a new token.
        """
        usable = await self.placed(spec)
        parameters = request.create(usable, token=token)
        doubt: ProviderError | None = None
        for pause in (*PAUSES, 0.0):
            try:
                body = await self.ask("CreateContainerGroup", parameters)
            except (Unavailable, UnknownOutcome) as error:
                doubt = _graver(doubt, error)
                await self._sleep(pause)
            except OutOfStock:
                await self._remember_short(usable)
                raise
            except (Throttled, AccountTrouble):
                if doubt is not None and doubt.code != "NoConnection":
                    break
                raise
            else:
                return Created(str(body["ContainerGroupId"]), str(body.get("RequestId") or ""))
        raise _unknown(doubt)

    async def placed(self, spec: InstanceSpec) -> InstanceSpec:
        return spec if spec.placed else await placing.placed(spec, self._memory)

    async def ran_short(self, zones: Sequence[str], size: str) -> None:
        """`size`: a label, followed by its tier (`2-4Gi spot`) where only that was short."""
        await self._memory.remember(zones, named(size))

    async def _remember_short(self, spec: InstanceSpec) -> None:
        zones = [placement.zone for placement in placing.places(spec)]
        await self._memory.remember(zones, choices(spec)[0].stocks)

    async def get(self, instance_id: str) -> Instance:
        listing = await self.details([instance_id])
        if not listing.instances:
            raise NotFound(f"{instance_id} is not in the list", code="NotListed")
        return listing.instances[0]

    async def list(self, *, tags: Mapping[str, str]) -> Listing:
        filters = {"Tag": [{"Key": key, "Value": value} for key, value in tags.items()]}
        asked_at = self.wire.now()
        groups = await self.pages("DescribeContainerGroups", "ContainerGroups", filters, _PAGE)
        if not groups:
            await proof.permitted(self.read, self.region, filters)
        return Listing(tuple(answer.group(body) for body in groups), asked_at)

    async def delete(self, instance_id: str) -> str:
        """The request id. A refusal of the id is `NotFound` once the list agrees."""
        parameters = {"RegionId": self.region, "ContainerGroupId": instance_id}
        try:
            body = await self.read("DeleteContainerGroup", parameters)
        except InvalidSpec as error:
            if (await self.details([instance_id])).instances:
                raise
            raise NotFound(error.message, code=error.code, request_id=error.request_id) from error
        return str(body.get("RequestId") or "")

    async def changes(self, *, since_seconds: int | None, ids: Sequence[str] = ()) -> Listing:
        """DescribeContainerGroupStatus of `ids`, or of all; `since_seconds`: only what changed.

        An empty answer means "nothing changed", never "nothing is there".
        """
        asked_at = self.wire.now()
        filters: dict[str, Any] = {} if since_seconds is None else {"SinceSecond": since_seconds}
        bodies = [
            body
            for chunk in _chunks(ids)
            for body in await self.pages(
                "DescribeContainerGroupStatus", "Data", {**filters, **chunk}, _STATUS_PAGE
            )
        ]
        found = tuple(answer.status(body, region=self.region) for body in bodies)
        return Listing(found, asked_at)

    async def details(self, ids: Sequence[str]) -> Listing:
        """DescribeContainerGroups by id, with events, twenty ids a call."""
        asked_at = self.wire.now()
        bodies: list[Mapping[str, Any]] = []
        for chunk in _chunks(ids) if ids else ():
            filters = {**chunk, "WithEvent": True}
            groups = await self.pages("DescribeContainerGroups", "ContainerGroups", filters, _PAGE)
            if not groups:
                await proof.permitted(self.read, self.region, chunk)
            bodies += groups
        return Listing(tuple(answer.group(body) for body in bodies), asked_at)

    async def logs(
        self,
        instance_id: str,
        container: str,
        *,
        tail: int = 500,
        since_seconds: int | None = None,
        timestamps: bool = True,
        previous: bool = False,
    ) -> str:
        """DescribeContainerLog: the last `tail` lines (2000 at most, 1 MB at most)."""
        parameters: dict[str, Any] = {
            "RegionId": self.region,
            "ContainerGroupId": instance_id,
            "ContainerName": container,
            "Tail": min(tail, 2000),
            "Timestamps": timestamps,
        }
        if since_seconds is not None:
            parameters["SinceSeconds"] = since_seconds
        if previous:
            parameters["LastTime"] = True
        return str((await self.read("DescribeContainerLog", parameters)).get("Content") or "")

    async def exec_url(
        self, instance_id: str, container: str, command: Sequence[str], *, tty: bool
    ) -> str:
        """ExecContainerCommand: a WebSocket address that must be opened within 30 seconds."""
        parameters = {
            "RegionId": self.region,
            "ContainerGroupId": instance_id,
            "ContainerName": container,
            "Command": json.dumps(list(command)),
            "TTY": tty,
            "Stdin": True,
        }
        return str((await self.ask("ExecContainerCommand", parameters))["WebSocketUri"])

    async def metrics(self, ids: Sequence[str]) -> Mapping[str, Used]:
        """DescribeMultiContainerGroupMetric, of at most twenty instances a call."""
        found: dict[str, Used] = {}
        for chunk in _chunks(ids):
            parameters = {"RegionId": self.region, **chunk}
            body = await self.read("DescribeMultiContainerGroupMetric", parameters)
            for data in body.get("MonitorDatas") or ():
                records = data.get("Records") or ()
                told = answer.used(records[-1]) if records else None
                if told:
                    found[str(data["ContainerGroupId"])] = told
        return found

    async def events(self, instance_id: str) -> Sequence[CloudEvent]:
        filters = {"ContainerGroupIds": json.dumps([instance_id])}
        groups = await self.pages("DescribeContainerGroupEvents", "Data", filters, None)
        found = [answer.event(body) for group in groups for body in group.get("Events") or ()]
        return sorted(found, key=lambda event: event.at)

    async def restart(self, instance_id: str) -> None:
        parameters = {"RegionId": self.region, "ContainerGroupId": instance_id}
        await self.ask("RestartContainerGroup", parameters)


def _chunks(ids: Sequence[str]) -> list[dict[str, str]]:
    """Filters of at most twenty ids each, as a JSON array; one empty filter for no ids."""
    if not ids:
        return [{}]
    return [
        {"ContainerGroupIds": json.dumps(list(ids[start : start + _IDS]))}
        for start in range(0, len(ids), _IDS)
    ]


def _graver(first: ProviderError | None, second: ProviderError) -> ProviderError:
    """A call that may have arrived outweighs one that cannot have."""
    if first is not None and first.code != "NoConnection":
        return first
    return second


def _unknown(doubt: ProviderError | None) -> ProviderError:
    """Nothing arrived in any try: `Unavailable`. Otherwise it may have happened."""
    assert doubt is not None
    if doubt.code == "NoConnection":
        return doubt
    return UnknownOutcome(doubt.message, code=doubt.code, request_id=doubt.request_id)
