"""The little of STS, VPC and ECS that an ECI client asks: identity, network, security groups."""

from .. import catalog
from ..parameters import Nested, integer, text, texts
from .base import Call, Json

_CREATED = "2025-01-01T00:00:00Z"


def caller_identity(call: Call) -> Json:
    """STS GetCallerIdentity: who owns the key."""
    account, user = call.cloud.account_id, call.key.user_id
    return {
        "AccountId": account,
        "Arn": f"acs:ram::{account}:user/{call.key.owner}",
        "IdentityType": "RAMUser",
        "PrincipalId": user,
        "UserId": user,
    }


def _paged(params: Nested, items: list[Json], size: int = 10) -> tuple[list[Json], Json]:
    page = integer(params, "PageNumber", 1, 1)
    per_page = integer(params, "PageSize", size, 1, 100)
    window = items[(page - 1) * per_page : page * per_page]
    return window, {"TotalCount": len(items), "PageNumber": page, "PageSize": per_page}


def _wanted(params: Nested, name: str) -> set[str]:
    return {v.strip() for v in text(params, name).split(",") if v.strip()}


def vpcs(call: Call) -> Json:
    """VPC DescribeVpcs."""
    network, wanted = call.cloud.network, _wanted(call.params, "VpcId")
    every: list[Json] = []
    if call.region() == call.cloud.region and (not wanted or network.vpc_id in wanted):
        every.append(
            {
                "VpcId": network.vpc_id,
                "VpcName": "demo",
                "RegionId": call.cloud.region,
                "CidrBlock": network.cidr,
                "Status": "Available",
                "IsDefault": False,
                "CreationTime": _CREATED,
                "VSwitchIds": {"VSwitchId": list(network.vswitches)},
            }
        )
    window, counts = _paged(call.params, every)
    return {**counts, "Vpcs": {"Vpc": window}}


def vswitches(call: Call) -> Json:
    """VPC DescribeVSwitches, with the free addresses of each."""
    params, network = call.params, call.cloud.network
    wanted = _wanted(params, "VSwitchId")
    zone, vpc = text(params, "ZoneId"), text(params, "VpcId")
    every: list[Json] = [
        {
            "VSwitchId": v.id,
            "VSwitchName": v.name,
            "VpcId": v.vpc_id,
            "ZoneId": v.zone,
            "CidrBlock": v.cidr,
            "AvailableIpAddressCount": v.free,
            "Status": "Available",
            "IsDefault": False,
            "CreationTime": _CREATED,
        }
        for v in network.vswitches.values()
        if (not wanted or v.id in wanted) and zone in {"", v.zone} and vpc in {"", v.vpc_id}
    ]
    if text(params, "RegionId", call.cloud.region) != call.cloud.region:
        every = []
    window, counts = _paged(params, every)
    return {**counts, "VSwitches": {"VSwitch": window}}


def zones(call: Call) -> Json:
    """VPC DescribeZones."""
    region = call.region()
    listed = [
        {"ZoneId": zone, "LocalName": f"Zone {zone[-1].upper()}", "ZoneType": "AvailabilityZone"}
        for zone in catalog.zones(region)
    ]
    return {"Zones": {"Zone": listed}}


def security_groups(call: Call) -> Json:
    """ECS DescribeSecurityGroups."""
    params = call.params
    wanted = _wanted(params, "SecurityGroupId") | set(_json_ids(params, "SecurityGroupIds"))
    vpc = text(params, "VpcId")
    every: list[Json] = [
        {
            "SecurityGroupId": group.id,
            "SecurityGroupName": group.name,
            "VpcId": group.vpc_id,
            "SecurityGroupType": "normal",
            "Description": "",
            "CreationTime": _CREATED,
        }
        for group in call.cloud.network.security_groups.values()
        if (not wanted or group.id in wanted) and vpc in {"", group.vpc_id}
    ]
    if call.region() != call.cloud.region:
        every = []
    window, counts = _paged(params, every)
    return {
        **counts,
        "RegionId": call.cloud.region,
        "NextToken": "",
        "SecurityGroups": {"SecurityGroup": window},
    }


def _json_ids(params: Nested, name: str) -> list[str]:
    given = params.get(name)
    if isinstance(given, list):
        return texts(params, name)
    return [part.strip(' "[]') for part in text(params, name).split(",") if part.strip(' "[]')]
