"""Sizes, ECS types, classes and spot of CreateContainerGroup, and what of them is in stock.

ECI help pages "Specify ECS instance types", "Create a preemptible elastic container instance",
"Specify a compute category" and "Create a pod by specifying GPU-accelerated types" (containers
share the GPUs; one may not ask for more than the type has).
"""

from decimal import Decimal
from typing import Any

from .. import catalog, sizes
from ..cloud import EciCloud
from ..errors import ApiFault, invalid, missing
from ..model import Container, Group, is_spot
from ..parameters import Nested, number, text, texts

SPOT_STRATEGIES = ("NoSpot", "SpotWithPriceLimit", "SpotAsPriceGo")
MAX_TYPES = 5
IGNORE = "__ECI_RESOURCE_IGNORE__"


def check(params: Nested) -> None:
    """Refuse spot and compute categories that contradict each other."""
    strategy = text(params, "SpotStrategy", SPOT_STRATEGIES[0])
    if strategy not in SPOT_STRATEGIES:
        raise invalid("SpotStrategy", f"one of {', '.join(SPOT_STRATEGIES)} is expected")
    if strategy == "SpotWithPriceLimit" and number(params, "SpotPriceLimit") <= 0:
        raise missing("SpotPriceLimit")
    categories = texts(params, "ComputeCategory")
    if strategy != "NoSpot" and categories:
        raise ApiFault(
            "FeatureBasedConstraintConflict", "ComputeCategory cannot be used with spot instances."
        )
    for category in categories:
        if category not in sizes.CATEGORY_RANGE:
            raise invalid("ComputeCategory", "economy or general is expected")


def set_size(group: Group, params: dict[str, Any]) -> None:
    """Set vCPU, memory and ECS type: the type wins, else group size, else the containers' sum."""
    types = [t.strip() for t in text(params, "InstanceType").split(",") if t.strip()]
    if types:
        _set_type(group, types)
        return
    if any(container.gpu for container in group.containers):
        raise invalid("InstanceType", "GPUs need an ECS type with GPUs")
    cpu, memory = number(params, "Cpu"), number(params, "Memory")
    if not cpu and not memory:
        cpu, memory = _asked(group, "cpu"), _asked(group, "memory")
    spot = text(params, "SpotStrategy", "NoSpot") != "NoSpot"
    categories = texts(params, "ComputeCategory")
    group.cpu, group.memory = sizes.round_up(
        cpu, memory, region=group.region, spot=spot, categories=categories
    )
    if categories:
        group.request["ComputeCategory"] = [c for c in categories if sizes.sells(c, group.cpu)]
    group.instance_type = catalog.spot_match(group.cpu, group.memory).name if spot else ""


def _asked(group: Group, what: str) -> float:
    def of(containers: list[Container]) -> list[float]:
        counted = [c for c in containers if c.environment().get(IGNORE, "").upper() != "TRUE"]
        return [float(getattr(container, what)) for container in counted]

    return round(max(sum(of(group.containers)), max(of(group.init_containers), default=0.0)), 6)


def _set_type(group: Group, types: list[str]) -> None:
    if len(types) > MAX_TYPES:
        raise ApiFault("InvalidParameter.ValueExceeded", f"At most {MAX_TYPES} instance types.")
    known = [catalog.TYPES[name] for name in types if name in catalog.TYPES]
    if len(known) < len(types):
        unknown = next(name for name in types if name not in catalog.TYPES)
        raise invalid("InstanceType", f"{unknown} is not supported")
    gpus = max((container.gpu for container in group.containers), default=0)
    fitting = [kind for kind in known if kind.gpu >= gpus]
    if not fitting:
        raise invalid("Container.Gpu", f"{types[0]} has fewer than {gpus} GPUs")
    chosen = fitting[0]
    group.cpu, group.memory, group.instance_type = chosen.cpu, chosen.memory, chosen.name
    group.request["InstanceTypes"] = [kind.name for kind in fitting]
    group.request.pop("ComputeCategory", None)


def take_first_in_stock(cloud: EciCloud, group: Group, zones: list[str]) -> bool:
    """Settle on the first type or class that some zone has; False when none has any."""
    if not _affordable(group):
        return False
    types = [catalog.TYPES[name] for name in group.request.get("InstanceTypes", [])]
    for kind in types:
        group.cpu, group.memory, group.instance_type = kind.cpu, kind.memory, kind.name
        if any(cloud.in_stock(zone, group) for zone in zones):
            return True
    categories = list(group.request.get("ComputeCategory", []))
    for category in categories:
        group.request["ComputeCategory"] = [category]
        if any(cloud.in_stock(zone, group) for zone in zones):
            return True
    plain = not types and not categories
    return plain and any(cloud.in_stock(zone, group) for zone in zones)


def _affordable(group: Group) -> bool:
    """The market price is not above the limit, if there is one."""
    kind = catalog.TYPES.get(group.instance_type)
    limit = group.request.get("SpotPriceLimit")
    if not is_spot(group) or limit is None or kind is None:
        return True
    return group.request["SpotStrategy"] != "SpotWithPriceLimit" or (
        Decimal(str(limit)) >= kind.spot_hourly
    )
