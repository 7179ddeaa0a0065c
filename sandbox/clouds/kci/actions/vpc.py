"""The little of VPC (2016-03-04) that a KCI client asks; response names of ``sdk-go``, vpc."""

from ...groups.network import Subnet
from ..wire import Filter, Json, Request
from .base import Call, Nothing

_CREATED = "2025-01-01 08:00:00"
USUAL, MOST = 1000, 1000


class Listing(Request):
    """Token paging: ``NextToken`` is the offset as text, absent at the end."""

    filter: list[Filter] = []
    max_results: int = USUAL
    next_token: str = ""

    def cut(self, rows: list[Json], name: str) -> Json:
        """Return the page of ``rows`` this request asks for, under ``name``."""
        start = int(self.next_token) if self.next_token.isdecimal() else 0
        end = start + min(self.max_results, MOST)
        more = {"NextToken": str(end)} if end < len(rows) else {}
        return {name: rows[start:end], **more}

    def allows(self, **values: str) -> bool:
        """Tell whether every filter that is known allows a row with these values."""
        known = {name.replace("_", "-"): value for name, value in values.items()}
        return all(known[f.name] in f.value for f in self.filter if f.name in known)


class DescribeVpcs(Listing):
    """Vpcs by id."""

    vpc_id: list[str] = []


class DescribeSubnets(Listing):
    """Subnets by id."""

    subnet_id: list[str] = []


class DescribeSecurityGroups(Listing):
    """Security groups by id."""

    security_group_id: list[str] = []


def vpcs(call: Call, asked: DescribeVpcs) -> Json:
    """List the account's VPCs."""
    network = call.cloud.network
    row = {
        "VpcId": network.vpc_id,
        "VpcName": "demo",
        "CidrBlock": network.cidr,
        "IsDefault": False,
        "CreateTime": _CREATED,
    }
    return asked.cut(
        [row] if network.vpc_id in (asked.vpc_id or [network.vpc_id]) else [], "VpcSet"
    )


def subnets(call: Call, asked: DescribeSubnets) -> Json:
    """List subnets with their free addresses; ``AvailbleIPNumber`` is Kingsoft's spelling."""
    rows = [
        _subnet(subnet)
        for subnet in call.cloud.network.subnets.values()
        if (not asked.subnet_id or subnet.id in asked.subnet_id)
        and asked.allows(vpc_id=subnet.vpc_id, availability_zone_name=subnet.zone)
    ]
    return asked.cut(rows, "SubnetSet")


def _subnet(subnet: Subnet) -> Json:
    return {
        "SubnetId": subnet.id,
        "SubnetName": subnet.name,
        "SubnetType": "Normal",
        "VpcId": subnet.vpc_id,
        "CidrBlock": subnet.cidr,
        "AvailabilityZoneName": subnet.zone,
        "AvailbleIPNumber": str(subnet.free),
        "CreateTime": _CREATED,
    }


def security_groups(call: Call, asked: DescribeSecurityGroups) -> Json:
    """List security groups."""
    rows: list[Json] = [
        {
            "SecurityGroupId": group.id,
            "SecurityGroupName": group.name,
            "SecurityGroupType": "other",
            "VpcId": group.vpc_id,
            "CreateTime": _CREATED,
            "SecurityGroupEntrySet": [],
        }
        for group in call.cloud.network.security_groups.values()
        if (not asked.security_group_id or group.id in asked.security_group_id)
        and asked.allows(vpc_id=group.vpc_id)
    ]
    return asked.cut(rows, "SecurityGroupSet")


def zones(call: Call, _asked: Nothing) -> Json:
    """List the region's zones."""
    return {"AvailabilityZoneInfo": [{"AvailabilityZoneName": zone} for zone in call.cloud.zones]}
