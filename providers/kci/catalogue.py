"""What pickers and preflight ask: regions, subnets, security groups; and the machine packages.

Sources: KCI API reference, DescribeRegions and DescribeKciPackages; VPC API reference 2016-03-04,
DescribeSubnets and DescribeSecurityGroups (response names: repository kingsoftcloud/sdk-go, where
the free addresses go by three spellings). There is no API for the account's quotas.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from providers.base import SecurityGroup, Subnet
from providers.errors import Unavailable
from providers.kci import sizes
from providers.kci.calls import Calls
from providers.kci.request import HOURLY, KCI_TYPE

_PAGE = 100
_MAX_PAGES = 1000
_FREE = ("AvailableIpNumber", "AvailbleIPNumber", "RandomAvailableIpNum")
PACKAGES_SECONDS = 600.0


class CatalogueCalls(Calls):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._tables: dict[str, tuple[float, str]] = {}

    async def regions(self) -> Mapping[str, Sequence[str]]:
        body = await self.read("DescribeRegions", {})
        return {
            str(region["Region"]): tuple(region.get("AvailabilityZones") or ())
            for region in body.get("Regions") or ()
        }

    async def subnets(self, *, vpc: str = "") -> Sequence[Subnet]:
        return [_subnet(item) for item in await self._all("DescribeSubnets", "SubnetSet", vpc)]

    async def security_groups(self, *, vpc: str = "") -> Sequence[SecurityGroup]:
        items = await self._all("DescribeSecurityGroups", "SecurityGroupSet", vpc)
        return [_security_group(item) for item in items]

    async def _all(self, action: str, key: str, vpc: str) -> list[dict[str, Any]]:
        parameters: dict[str, Any] = {"MaxResults": _PAGE}
        if vpc:
            parameters["Filter"] = [{"Name": "vpc-id", "Value": [vpc]}]
        found: list[dict[str, Any]] = []
        seen: set[str] = set()
        for _ in range(_MAX_PAGES):
            body = await self.read(action, parameters, service="vpc")
            found += body.get(key) or ()
            token = str(body.get("NextToken") or "")
            if not token:
                return found
            if token in seen:
                raise Unavailable(f"{action}: a page repeats", code="PageRepeats")
            seen.add(token)
            parameters["NextToken"] = token
        raise Unavailable(f"{action}: more than {_MAX_PAGES} pages", code="TooManyPages")

    async def packages(self, zone: str) -> str:
        """The table of `sizes.parse` for hourly instances in `zone`; kept for ten minutes."""
        clock = asyncio.get_running_loop().time
        until, table = self._tables.get(zone, (0.0, ""))
        if clock() < until:
            return table
        parameters = {"ChargeType": HOURLY, "AvailabilityZone": zone, "KciType": KCI_TYPE}
        body = await self.read("DescribeKciPackages", parameters)
        found = {
            Decimal(str(row["Cpu"])): [Decimal(str(memory)) for memory in row.get("Mem") or ()]
            for row in body.get("Packages") or ()
        }
        table = sizes.encode({cpu: memories for cpu, memories in found.items() if memories})
        self._tables[zone] = (clock() + PACKAGES_SECONDS, table)
        return table


def _subnet(item: Mapping[str, Any]) -> Subnet:
    free = next((item[key] for key in _FREE if item.get(key) not in (None, "")), 0)
    return Subnet(
        id=str(item["SubnetId"]),
        name=str(item.get("SubnetName") or ""),
        zone=str(item.get("AvailabilityZoneName") or ""),
        cidr=str(item.get("CidrBlock") or ""),
        free_ips=int(free),
        vpc=str(item.get("VpcId") or ""),
    )


def _security_group(item: Mapping[str, Any]) -> SecurityGroup:
    return SecurityGroup(
        id=str(item["SecurityGroupId"]),
        name=str(item.get("SecurityGroupName") or ""),
        vpc=str(item.get("VpcId") or ""),
    )
