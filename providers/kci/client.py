"""KCI in one region with one key: the verbs and the powers of `providers.base`.

Source: KCI API reference 2020-07-02 (every action named below). What KCI does not have is not
here: no idempotency token (`idempotent_create` is False), no restart, no metrics, no prices, no
quotas. Of a log only the last lines can be had, without times, and none of a run before the last.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import tzinfo
from typing import Any

from providers.base import CloudEvent, Created, Instance, InstanceSpec, Listing, Placement
from providers.errors import (
    InvalidSpec,
    NotFound,
    OutOfStock,
    ProviderError,
    Unavailable,
    UnknownOutcome,
)
from providers.kci import answer, lists, options, request, sizes
from providers.kci.billing import BillCalls
from providers.kci.rates import CREATE, DELETE
from providers.kci.verify import VerifyCalls
from providers.kingsoft.errors import DRY_RUN_PASSED
from providers.kingsoft.wire import Wire
from providers.stock import Stock

MAX_TAIL = 2000


class Kci(BillCalls, VerifyCalls):
    """`Provider` with the powers KCI has. Safe to share between tasks of one event loop.

    `page_seconds` is how long the account's rate wants a page of a list to take.
    """

    name = "kci"
    idempotent_create = False

    def __init__(
        self,
        wire: Wire,
        *,
        stock: Stock | None = None,
        zone: tzinfo = answer.ZONE,
        page: int = lists.PAGE,
        page_seconds: float = 0.0,
        **calls: Any,
    ) -> None:
        super().__init__(wire, **calls)
        self._stock = stock
        self._zone = zone
        self._page = page
        self._page_seconds = page_seconds
        self._shared = lists.Shared(self._everything)
        self._last: tuple[float, Listing] | None = None

    async def aclose(self) -> None:
        await self._shared.aclose()
        await super().aclose()
        if self._stock is not None:
            await self._stock.aclose()

    async def create(self, spec: InstanceSpec, *, token: str) -> Created:
        """CreateContainerGroup, called once: there is no token that would make a second call safe.

        `token` is not sent; the name carries the same identity. A call that may have arrived, and a
        5xx answer, is an `UnknownOutcome`: look for the name before calling again.
        """
        del token
        usable = await self.placed(spec)
        parameters = request.create(usable)
        try:
            body = await self.ask(CREATE, parameters)
        except Unavailable as error:
            if error.code == "NoConnection":
                raise
            raise UnknownOutcome(
                error.message, code=error.code, request_id=error.request_id
            ) from error
        except OutOfStock:
            zones = [placement.zone for placement in usable.placements]
            await self.ran_short(zones, sizes.billed_size(usable).label)
            raise
        if not body.get("ContainerGroupId"):
            raise UnknownOutcome(
                f"{CREATE}: the answer names no instance",
                code="NoInstanceId",
                request_id=str(body.get("RequestId") or ""),
            )
        return Created(str(body["ContainerGroupId"]), str(body.get("RequestId") or ""))

    async def placed(self, spec: InstanceSpec) -> InstanceSpec:
        """The places to try, and the machine packages of the first (`sizes.PACKAGES`)."""
        if spec.placed:
            return spec
        sized = await self._with_packages(_with_own_subnet(spec))
        if self._stock is None or not sized.placements:
            return replace(sized, placed=True)
        zones = [placement.zone for placement in sized.placements]
        size = sizes.billed_size(sized).label
        short = await self._stock.short(zones, size)
        left = tuple(placement for placement in sized.placements if placement.zone not in short)
        if not left:
            raise OutOfStock(
                f"no stock of {size} in {', '.join(zones)} within the last three minutes",
                code="RememberedNoStock",
                zone=zones[0],
                spec=size,
            )
        return replace(sized, placements=left, placed=True)

    async def _with_packages(self, spec: InstanceSpec) -> InstanceSpec:
        """Without the table (no permission, no zone) the API itself fits what is asked."""
        zone = next((p.zone for p in spec.placements if p.zone), "")
        if not zone or sizes.told(spec) is not None:
            return spec
        table = ""
        with suppress(ProviderError):
            table = await self.packages(zone)
        if not table:
            return spec
        return replace(spec, settings={**spec.settings, sizes.PACKAGES: table})

    async def ran_short(self, zones: Sequence[str], size: str) -> None:
        known = [zone for zone in zones if zone]
        if self._stock is not None and known:
            await self._stock.remember(known, size)

    async def get(self, instance_id: str) -> Instance:
        listing = await self.details([instance_id])
        if not listing.instances:
            await self._permitted()
            listing = await self.details([instance_id])
        if not listing.instances:
            raise NotFound(f"{instance_id} is not in the list", code="NotListed")
        return listing.instances[0]

    async def list(self, *, tags: Mapping[str, str]) -> Listing:
        """All container groups are asked for and sorted out here: KCI cannot filter by ours."""
        everything = await self._shared.fresh()
        wanted = tags.items()
        mine = tuple(i for i in everything.instances if wanted <= i.tags.items())
        return Listing(mine, everything.asked_at)

    async def _everything(self) -> Listing:
        asked_at = self.wire.now()
        started = asyncio.get_running_loop().time()
        bodies = await lists.complete(self.read, {}, page=self._page)
        if not bodies:
            await self._really_none()
        found = tuple(self._group(body) for body in bodies.values())
        listing = Listing(found, asked_at)
        self._last = (started, listing)
        return listing

    async def _permitted(self) -> None:
        """An empty answer counts only while the permission is there.

        Without it KCI answers with an error; a dry run asks for nothing but that (Kingsoft Cloud
        OpenAPI, "Common request parameters").
        """
        try:
            await self.read(lists.ACTION, {"MaxResults": 1, "DryRun": True})
        except InvalidSpec as error:
            if error.code != DRY_RUN_PASSED:
                raise

    async def _really_none(self) -> None:
        """An account that has nothing says so twice."""
        await self._permitted()
        if await lists.complete(self.read, {}, page=self._page):
            raise Unavailable(f"{lists.ACTION}: two answers contradict", code="ListContradicts")

    async def delete(self, instance_id: str) -> str:
        """The request id. A refusal of the id is `NotFound` once the list agrees."""
        try:
            body = await self.read(DELETE, {"ContainerGroupId": instance_id})
        except InvalidSpec as error:
            if (await self.details([instance_id])).instances:
                raise
            raise NotFound(error.message, code=error.code, request_id=error.request_id) from error
        return str(body.get("RequestId") or "")

    async def changes(self, *, since_seconds: int | None, ids: Sequence[str] = ()) -> Listing:
        """KCI tells no differences: everything is told, or `ids`.

        A long list is not asked for more often than half of the account's rate allows; until then
        the last one is told again, with the time it was asked at.
        """
        if ids:
            return await self.details(ids)
        if since_seconds is not None and self._last is not None:
            started, listing = self._last
            pages = len(listing.instances) // self._page
            if asyncio.get_running_loop().time() - started < 2 * pages * self._page_seconds:
                return listing
        return await self._shared.fresh()

    async def details(self, ids: Sequence[str]) -> Listing:
        """DescribeContainerGroup by id, a hundred a call."""
        asked_at = self.wire.now()
        found: dict[str, Instance] = {}
        for start in range(0, len(ids), self._page):
            filters = {"ContainerGroupId": list(ids[start : start + self._page])}
            bodies = await self._by_ids(filters)
            found |= {key: self._group(body) for key, body in bodies.items() if key in ids}
        return Listing(tuple(found.values()), asked_at)

    async def _by_ids(self, filters: Mapping[str, Any]) -> lists.Bodies:
        """One unknown id may refuse the whole call: then each is asked for alone."""
        ids = filters["ContainerGroupId"]
        try:
            return await lists.complete(self.read, filters, page=self._page)
        except NotFound:
            if len(ids) == 1:
                return {}
        found: lists.Bodies = {}
        for one in ids:
            found |= await self._by_ids({"ContainerGroupId": [one]})
        return found

    def _group(self, body: Mapping[str, Any]) -> Instance:
        return answer.group(body, region=self.region, zone=self._zone)

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
        """DescribeContainerLog: the last `tail` lines (2000 at most).

        KCI has neither times nor a log of the run before: `since_seconds` and `timestamps` have no
        effect, `previous` is refused with `NotFound`.
        """
        del since_seconds, timestamps
        if previous:
            raise NotFound("KCI keeps no log of the run before", code="NoPreviousLog")
        parameters = {
            "ContainerGroupId": instance_id,
            "ContainerName": container,
            "Tail": min(max(tail, 1), MAX_TAIL),
        }
        return str((await self.read("DescribeContainerLog", parameters)).get("Content") or "")

    async def exec_url(
        self, instance_id: str, container: str, command: Sequence[str], *, tty: bool
    ) -> str:
        """ExecContainerCommand: a WebSocket address."""
        parameters = {
            "ContainerGroupId": instance_id,
            "ContainerName": container,
            "Command": list(command),
            "TTY": tty,
        }
        return str((await self.ask("ExecContainerCommand", parameters))["WebSocketUri"])

    async def events(self, instance_id: str) -> Sequence[CloudEvent]:
        body = await self.read("DescribeContainerGroupEvents", {"ContainerGroupId": instance_id})
        found = [answer.event(one, self._zone) for one in body.get("Events") or ()]
        return sorted(found, key=lambda event: event.at)


def _with_own_subnet(spec: InstanceSpec) -> InstanceSpec:
    """The subnet that the pod names, in place of the virtual node's; its zone where it is known."""
    if not spec.options.get(options.SUBNET, "").strip():
        return spec
    (own,) = options.subnets(spec)
    zones = {placement.subnet: placement.zone for placement in spec.placements}
    return replace(spec, placements=(Placement(zones.get(own, ""), own),))
