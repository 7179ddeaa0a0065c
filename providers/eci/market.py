"""What sizes cost and whether they are in stock.

Sources: ECI developer reference, DescribeContainerGroupPrice (per second; spot prices per hour) and
DescribeAvailableResource (stock of ECS types and families by zone).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from providers.base import Price, Size, StockState
from providers.eci import sizes
from providers.eci.calls import Calls
from providers.eci.prices import quoted, quoted_spot

_SPOT = "spot"
_STATES = {
    "WithStock": StockState.AVAILABLE,
    "ClosedWithStock": StockState.LOW,
    "WithoutStock": StockState.NONE,
    "ClosedWithoutStock": StockState.NONE,
}
_BEST = (StockState.AVAILABLE, StockState.LOW, StockState.NONE)
# ECS types begin with so many vCPUs: the stock of smaller sizes cannot be asked for.
_LEAST = Decimal(2)


class MarketCalls(Calls):
    async def price(self, size: Size, *, zone: str) -> Price:
        """The quote for an hour; of a spot size its present market price in `zone`, else the
        lowest of the region."""
        parameters: dict[str, Any] = {"RegionId": self.region, **_described(size)}
        if zone:
            parameters["ZoneId"] = zone
        if size.tier == _SPOT:
            parameters["SpotStrategy"] = "SpotAsPriceGo"
            body = await self.read("DescribeContainerGroupPrice", parameters)
            return quoted_spot(body, zone=zone)
        if size.tier and not size.type:
            parameters["ComputeCategory"] = size.tier
        return quoted(await self.read("DescribeContainerGroupPrice", parameters))

    async def stock(self, size: Size, zones: Sequence[str]) -> Mapping[str, StockState]:
        """Of each zone whether the size's type, or any type that carries the size, is in stock."""
        if not size.type and size.cpu < _LEAST:
            return dict.fromkeys(zones, StockState.UNKNOWN)
        parameters: dict[str, Any] = {
            "RegionId": self.region,
            "DestinationResource": {"Category": "InstanceType", **_wanted(size)},
        }
        if len(zones) == 1:
            parameters["ZoneId"] = zones[0]
        if size.tier == _SPOT:
            parameters["SpotResource"] = {"SpotStrategy": "SpotAsPriceGo"}
        body = await self.read("DescribeAvailableResource", parameters)
        told = (body.get("AvailableZones") or {}).get("AvailableZone") or ()
        found = {str(zone.get("ZoneId")): _best(_categories(zone)) for zone in told}
        return {zone: found.get(zone, StockState.UNKNOWN) for zone in zones}


def _described(size: Size) -> dict[str, Any]:
    if size.type:
        return {"InstanceType": size.type}
    return {"Cpu": float(size.cpu), "Memory": float(size.memory)}


def _wanted(size: Size) -> dict[str, Any]:
    """A type by its name, a size by what an ECS type that carries it has."""
    if size.type:
        return {"Value": size.type}
    like = sizes.round_up(size.cpu, size.memory, region="", spot=True) or size
    return {"Cores": int(like.cpu), "Memory": float(like.memory)}


def _categories(zone: Mapping[str, Any]) -> Iterable[str]:
    for resource in (zone.get("AvailableResources") or {}).get("AvailableResource") or ():
        supported = (resource.get("SupportedResources") or {}).get("SupportedResource") or ()
        yield from (str(one.get("StatusCategory")) for one in supported)


def _best(categories: Iterable[str]) -> StockState:
    told = {_STATES.get(category, StockState.UNKNOWN) for category in categories}
    return next((state for state in _BEST if state in told), StockState.UNKNOWN)
