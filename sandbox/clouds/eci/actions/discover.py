"""DescribeRegions, DescribeAvailableResource, DescribeContainerGroupPrice, ListUsage."""

from decimal import Decimal

from .. import catalog, meter, sizes
from ..errors import ApiFault, invalid, missing
from ..parameters import Nested, integer, number, structure, text
from .base import Call, Json


def regions(call: Call) -> Json:
    """List regions with their zones; endpoints are this simulator's own."""
    wanted = text(call.params, "RegionId")
    names = [name for name in catalog.REGION_ZONES if wanted in {"", name}]
    return {
        "Regions": [
            {
                "RegionId": name,
                "RegionEndpoint": call.cloud.endpoints.get(name, call.base_url).partition("://")[2],
                "Zones": catalog.zones(name),
                "RecommendZones": catalog.recommended_zones(name),
            }
            for name in names
        ]
    }


def usage(call: Call) -> Json:
    """Show quotas and what is used of them."""
    call.region()
    return {
        "Attributes": {
            "MaxCpu": call.cloud.knobs.quota_cpu,
            "UsedCpu": round(call.cloud.used_cpu, 2),
            "MaxImageCacheCount": 500,
            "UsedImageCacheCount": len(call.cloud.caches.by_id),
            "MaxAutoImageCacheCount": 25,
            "UsedAutoImageCacheCount": 0,
            "MaxDataCacheCount": 100,
            "UsedDataCacheCount": 0,
        }
    }


def available(call: Call) -> Json:
    """Tell per zone whether a type, a family or a size is in stock."""
    destination = structure(call.params, "DestinationResource")
    category = text(destination, "Category")
    if category not in {"InstanceType", "InstanceTypeFamily"}:
        raise invalid("DestinationResource.Category", "InstanceType or InstanceTypeFamily")
    region = call.region()
    zone_filter = text(call.params, "ZoneId")
    names = _names(destination, category)
    zones = [zone for zone in catalog.zones(region) if zone_filter in {"", zone}]
    return {
        "AvailableZones": {
            "AvailableZone": [
                {
                    "RegionId": region,
                    "ZoneId": zone,
                    "AvailableResources": {
                        "AvailableResource": [
                            {
                                "Type": category,
                                "SupportedResources": {
                                    "SupportedResource": _stock(call, zone, names)
                                },
                            }
                        ]
                    },
                }
                for zone in zones
            ]
        }
    }


def _names(destination: Nested, category: str) -> list[str]:
    value = text(destination, "Value")
    if value:
        return [value]
    cores, memory = number(destination, "Cores"), number(destination, "Memory")
    kinds = [
        kind
        for kind in catalog.TYPES.values()
        if cores in {0.0, kind.cpu} and memory in {0.0, kind.memory}
    ]
    if category == "InstanceTypeFamily":
        return sorted({kind.family for kind in kinds})
    return [kind.name for kind in kinds]


def _stock(call: Call, zone: str, names: list[str]) -> list[Json]:
    return [
        {
            "Value": name,
            "StatusCategory": _category(call, zone, name),
        }
        for name in names
    ]


def _category(call: Call, zone: str, name: str) -> str:
    strategy = text(structure(call.params, "SpotResource"), "SpotStrategy", "NoSpot")
    knobs = call.cloud.knobs
    if strategy != "NoSpot" and knobs.in_stock(zone, [f"{name} spot", "spot"]) is not True:
        return "WithoutStock"
    if knobs.in_stock(zone, [name]) is not True:
        return "WithoutStock"
    return "ClosedWithStock" if knobs.runs_low(zone, name) else "WithStock"


def price(call: Call) -> Json:
    """Quote a group's price per second, and spot prices per hour."""
    params = call.params
    region = call.region()
    kinds = [name.strip() for name in text(params, "InstanceType").split(",") if name.strip()]
    economy = text(params, "ComputeCategory") == "economy"
    spot = text(params, "SpotStrategy", "NoSpot") != "NoSpot"
    items = _type_items(kinds[0]) if kinds else _size_items(params, region, economy, spot=spot)
    extra = integer(params, "EphemeralStorage", 0)
    if extra:
        items.append(("disk", extra * catalog.DISK_GIB_SECOND))
    total = sum((amount for _, amount in items), Decimal(0))
    names = kinds or [_match(params, region, spot=spot)]
    return {
        "PriceInfo": {
            "Price": {
                "Currency": "CNY",
                **_amounts(total),
                "DetailInfos": {
                    "DetailInfo": [
                        {"Resource": name, **_amounts(amount), "Rules": {"Rule": []}}
                        for name, amount in items
                    ]
                },
            },
            "Rules": {"Rule": []},
            "SpotPrices": {"SpotPrice": _spot_prices(call, region, names) if spot else []},
        }
    }


def _amounts(value: Decimal) -> Json:
    amount = float(round(value, 12))
    return {"OriginalPrice": amount, "DiscountPrice": 0.0, "TradePrice": amount}


def _type_items(name: str) -> list[tuple[str, Decimal]]:
    kind = catalog.TYPES.get(name)
    if kind is None:
        raise invalid("InstanceType", f"{name} is not supported")
    return [("instance_type", meter.per_second(0, 0, name, economy=False))]


def _size_items(
    params: Nested, region: str, economy: bool, *, spot: bool
) -> list[tuple[str, Decimal]]:
    cpu, memory = number(params, "Cpu"), number(params, "Memory")
    if not cpu or not memory:
        raise missing("Cpu" if not cpu else "Memory")
    category = text(params, "ComputeCategory")
    cpu, memory = sizes.round_up(
        cpu, memory, region=region, spot=spot, categories=[category] if category else []
    )
    vcpu = catalog.VCPU_SECOND_ECONOMY if economy else catalog.VCPU_SECOND
    return [
        ("cpu", Decimal(str(cpu)) * vcpu),
        ("mem", Decimal(str(memory)) * catalog.GIB_SECOND),
    ]


def _match(params: Nested, region: str, *, spot: bool) -> str:
    if not spot:
        return ""
    size = sizes.round_up(number(params, "Cpu"), number(params, "Memory"), region=region, spot=True)
    return catalog.spot_match(*size).name


def _spot_prices(call: Call, region: str, names: list[str]) -> list[Json]:
    zone_filter = text(call.params, "ZoneId")
    prices: list[Json] = []
    for name in names:
        kind = catalog.TYPES.get(name)
        if kind is None:
            raise ApiFault("InvalidParameter", f"The InstanceType {name} is not supported.")
        prices.extend(
            {
                "ZoneId": zone,
                "InstanceType": name,
                "SpotPrice": float(round(kind.spot_hourly, 3)),
                "OriginPrice": float(round(kind.hourly, 3)),
            }
            for zone in catalog.zones(region)
            if zone_filter in {"", zone}
        )
    return prices
