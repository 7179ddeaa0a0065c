"""Which actions a key may call, tried one by one without effect.

Sources: STS API reference, GetCallerIdentity; ECI developer reference ("RAM authorization", DryRun
of CreateContainerGroup, which answers `DryRunOperation` when the call would succeed).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from providers.alibaba import bss, cs, ram
from providers.base import Capability, Use, Verification
from providers.eci.calls import Calls
from providers.errors import (
    AccountTrouble,
    InvalidSpec,
    OutOfStock,
    ProviderError,
    QuotaExceeded,
)

DRY_RUN_PASSED = frozenset({"DryRunOperation", "DryRun.Success"})
ACTIONS = (
    "eci:CreateContainerGroup",
    "eci:DeleteContainerGroup",
    "eci:RestartContainerGroup",
    "eci:DescribeContainerGroups",
    "eci:DescribeContainerGroupStatus",
    "eci:DescribeContainerGroupEvents",
    "eci:DescribeContainerGroupPrice",
    "eci:DescribeAvailableResource",
    "eci:DescribeMultiContainerGroupMetric",
    "eci:DescribeContainerLog",
    "eci:ExecContainerCommand",
    "eci:DescribeRegions",
    "eci:ListUsage",
    "vpc:DescribeVSwitches",
    "ecs:DescribeSecurityGroups",
)
_ROLE = {
    "Effect": "Allow",
    "Action": "ram:CreateServiceLinkedRole",
    "Resource": "*",
    "Condition": {"StringEquals": {"ram:ServiceName": "eci.aliyuncs.com"}},
}


def policies() -> dict[Use, dict[str, Any]]:
    """The least RAM policies; ListUsage and prices need account scope."""
    return {
        Use.PODS: _policy(_allow(ACTIONS), _ROLE),
        Use.BILLS: _policy(_allow([bss.GRANT])),
        Use.ADDONS: _policy(_allow(cs.GRANTS)),
        Use.USERS: _policy(_allow(ram.GRANTS, ram.RESOURCES)),
    }


def _policy(*statements: Mapping[str, Any]) -> dict[str, Any]:
    return {"Version": "1", "Statement": list(statements)}


def _allow(actions: Sequence[str], resources: Sequence[str] = ()) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": list(resources) or "*"}


class VerifyCalls(Calls):
    async def verify(self) -> Verification:
        """Raises the error of GetCallerIdentity when the key itself is not accepted."""
        clock = asyncio.get_running_loop().time
        started = clock()
        caller = await self.read("GetCallerIdentity", {}, product="sts")
        latency = round((clock() - started) * 1000)
        region = {"RegionId": self.region}
        tried = [
            await self._try("eci:DescribeRegions", region),
            await self._try("eci:ListUsage", region),
            await self._try("eci:DescribeContainerGroups", {**region, "Limit": 1}),
            await self._try("eci:DescribeContainerGroupStatus", {**region, "Limit": 1}),
            await self._try(
                "eci:DescribeContainerGroupPrice", {**region, "Cpu": 2.0, "Memory": 4.0}
            ),
            await self._try("eci:DescribeAvailableResource", {**region, **_ANY_TYPE}),
            await self._try("vpc:DescribeVSwitches", {**region, "PageSize": 1}),
            await self._try("ecs:DescribeSecurityGroups", {**region, "MaxResults": 10}),
            await self._try_create(),
            await self._bills(),
            await self._addons(),
            await self._users(),
        ]
        return Verification(
            account_id=str(caller.get("AccountId") or ""),
            identity=str(caller.get("Arn") or ""),
            capabilities=tuple(_list_follows_usage(tried)),
            latency_ms=latency,
        )

    async def _try(self, grant: str, parameters: Mapping[str, Any]) -> Capability:
        product, action = grant.split(":")
        try:
            body = await self.read(action, parameters, product=product)
        except ProviderError as error:
            return _refused(grant, error)
        return Capability(action, True, request_id=str(body.get("RequestId") or ""))

    async def _bills(self) -> Capability:
        """Refused in an answer of its own."""
        try:
            request_id = await bss.allowed(self.read, self.wire.now())
        except ProviderError as error:
            return _refused(bss.GRANT, error, Use.BILLS)
        return Capability(bss.ACTION, True, request_id=request_id, use=Use.BILLS)

    async def _addons(self) -> Capability:
        """The first of `cs.GRANTS`; what changes add-ons cannot be tried without effect."""
        action = "DescribeClustersV1"
        one = {"region_id": self.region, "page_number": 1, "page_size": 1}
        try:
            body = await self.wire.roa(action, "GET", "/api/v1/clusters", query=one)
        except ProviderError as error:
            refused = _refused(cs.GRANTS[0], error, Use.ADDONS)
            return replace(refused, action=action)
        request_id = str(body.get("request_id") or "")
        return Capability(action, True, request_id=request_id, use=Use.ADDONS)

    async def _users(self) -> Capability:
        """Asked about a user that nobody has: that there is none shows that it may be asked."""
        grant = "ram:ListPoliciesForUser"
        action = grant.split(":")[1]
        try:
            body = await self.read(action, {"UserName": ram.NOBODY}, product="ram")
        except ProviderError as error:
            if not error.code.startswith("EntityNotExist"):
                return _refused(grant, error, Use.USERS)
            return Capability(action, True, request_id=error.request_id, use=Use.USERS)
        request_id = str(body.get("RequestId") or "")
        return Capability(action, True, request_id=request_id, use=Use.USERS)

    async def _try_create(self) -> Capability:
        """A dry run in an existing subnet: without one ECI would make a default network."""
        grant = "eci:CreateContainerGroup"
        try:
            place = await self._place()
            body = await self.read("CreateContainerGroup", {**_DRY, **place})
        except (OutOfStock, QuotaExceeded) as error:
            return Capability("CreateContainerGroup", True, request_id=error.request_id)
        except InvalidSpec as error:
            if error.code in DRY_RUN_PASSED:
                return Capability("CreateContainerGroup", True, request_id=error.request_id)
            return _refused(grant, error)
        except ProviderError as error:
            return _refused(grant, error)
        return Capability("CreateContainerGroup", True, request_id=str(body.get("RequestId") or ""))

    async def _place(self) -> dict[str, Any]:
        region = {"RegionId": self.region}
        answer = await self.read("DescribeVSwitches", {**region, "PageSize": 1}, product="vpc")
        subnets = (answer.get("VSwitches") or {}).get("VSwitch") or ()
        if not subnets:
            raise InvalidSpec("the region has no vSwitch to try a create in", code="NoVSwitch")
        vpc = {**region, "VpcId": subnets[0]["VpcId"], "MaxResults": 10}
        answer = await self.read("DescribeSecurityGroups", vpc, product="ecs")
        groups = (answer.get("SecurityGroups") or {}).get("SecurityGroup") or ()
        if not groups:
            raise InvalidSpec("the VPC has no security group to try a create in", code="NoGroup")
        return {
            **region,
            "VSwitchId": subnets[0]["VSwitchId"],
            "SecurityGroupId": groups[0]["SecurityGroupId"],
        }


_ANY_TYPE = {
    "DestinationResource": {"Category": "InstanceType", "Cores": 2, "Memory": 4.0},
}
_DRY = {
    "DryRun": True,
    "ContainerGroupName": "spillway-verify",
    "RestartPolicy": "Never",
    "Container": [
        {"Name": "verify", "Image": "registry-vpc.cn-hangzhou.aliyuncs.com/eci_open/busybox:1.30"}
    ],
}


def _refused(grant: str, error: ProviderError, use: Use = Use.PODS) -> Capability:
    needed = grant if isinstance(error, AccountTrouble) else ""
    action = grant.split(":")[1]
    return Capability(action, False, error.code, error.message, error.request_id, needed, use)


def _list_follows_usage(tried: list[Capability]) -> list[Capability]:
    """Lists answer a key without permission with nothing and no error, so they count for as much
    as ListUsage does."""
    usage = next(capability for capability in tried if capability.action == "ListUsage")
    if usage.ok:
        return tried
    lists = {"DescribeContainerGroups", "DescribeContainerGroupStatus"}
    return [
        Capability(
            c.action, False, usage.code, usage.message, usage.request_id, grant=f"eci:{c.action}"
        )
        if c.action in lists
        else c
        for c in tried
    ]
