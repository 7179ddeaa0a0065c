"""What pickers and preflight ask: regions, subnets, security groups, quota.

Sources: ECI developer reference, DescribeRegions and ListUsage; VPC API reference 2016-04-28,
DescribeVSwitches; ECS API reference 2014-05-26, DescribeSecurityGroups. The VPC and ECS SDKs are
not imported for one call each: they add 240 MB and 2.7 s to every process.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from providers.base import Quota, SecurityGroup, Subnet
from providers.eci.calls import Calls
from providers.errors import Unavailable

_PAGE = 50


class CatalogueCalls(Calls):
    async def regions(self) -> Mapping[str, Sequence[str]]:
        """All that ECI is offered in: without `RegionId` the answer is not narrowed."""
        body = await self.read("DescribeRegions", {})
        return {
            str(region["RegionId"]): tuple(region.get("Zones") or ())
            for region in body.get("Regions") or ()
        }

    async def subnets(self, *, vpc: str = "") -> Sequence[Subnet]:
        found: list[Subnet] = []
        for page in range(1, 1000):
            parameters = self._filter(vpc) | {"PageNumber": page, "PageSize": _PAGE}
            body = await self.read("DescribeVSwitches", parameters, product="vpc")
            items = (body.get("VSwitches") or {}).get("VSwitch") or ()
            found += [_subnet(item) for item in items]
            if not items or len(found) >= int(body.get("TotalCount") or 0):
                return found
        raise Unavailable("DescribeVSwitches: more than 999 pages", code="TooManyPages")

    async def security_groups(self, *, vpc: str = "") -> Sequence[SecurityGroup]:
        found: list[SecurityGroup] = []
        parameters = self._filter(vpc) | {"MaxResults": _PAGE}
        for _ in range(1000):
            body = await self.read("DescribeSecurityGroups", parameters, product="ecs")
            items = (body.get("SecurityGroups") or {}).get("SecurityGroup") or ()
            found += [_security_group(item) for item in items]
            token = str(body.get("NextToken") or "")
            if not token:
                return found
            parameters["NextToken"] = token
        raise Unavailable("DescribeSecurityGroups: more than 1000 pages", code="TooManyPages")

    async def quota(self) -> Quota:
        """vCPUs that may run in the region at once, and how many do."""
        body = await self.read("ListUsage", {"RegionId": self.region})
        usage = body.get("Attributes") or {}
        if usage.get("MaxCpu") is None:
            raise Unavailable("ListUsage told no MaxCpu", code="NoQuota")
        return Quota(Decimal(str(usage["MaxCpu"])), Decimal(str(usage.get("UsedCpu") or 0)))

    def _filter(self, vpc: str) -> dict[str, Any]:
        return {"RegionId": self.region} | ({"VpcId": vpc} if vpc else {})


def _subnet(item: Mapping[str, Any]) -> Subnet:
    return Subnet(
        id=str(item["VSwitchId"]),
        name=str(item.get("VSwitchName") or ""),
        zone=str(item.get("ZoneId") or ""),
        cidr=str(item.get("CidrBlock") or ""),
        free_ips=int(item.get("AvailableIpAddressCount") or 0),
        vpc=str(item.get("VpcId") or ""),
    )


def _security_group(item: Mapping[str, Any]) -> SecurityGroup:
    return SecurityGroup(
        id=str(item["SecurityGroupId"]),
        name=str(item.get("SecurityGroupName") or ""),
        vpc=str(item.get("VpcId") or ""),
    )
