"""Which actions a key may call, tried one by one without effect.

Actions with an effect are tried as a dry run (Kingsoft Cloud OpenAPI, "Common request parameters")
that, besides, could make or harm nothing: a create without its required parameters, the rest for an
id that no instance has. A key without the grant is refused for that; any other refusal shows that
the action may be called. Account: IAM API reference 2015-11-01, GetAccountAllProjectsByParams.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from providers.base import Capability, Use, Verification
from providers.calendar import day_of
from providers.errors import (
    AccountTrouble,
    ProviderError,
    Throttled,
    Unavailable,
    UnknownOutcome,
)
from providers.kci.catalogue import CatalogueCalls
from providers.kci.request import HOURLY, KCI_TYPE
from providers.kingsoft import bills, kce
from providers.kingsoft.errors import is_key_itself

NOBODY = "00000000-0000-0000-0000-000000000000"
GRANTS = (
    "kci:CreateContainerGroup",
    "kci:DeleteContainerGroup",
    "kci:DescribeContainerGroup",
    "kci:DescribeContainerGroupEvents",
    "kci:DescribeContainerLog",
    "kci:ExecContainerCommand",
    "kci:DescribeKciPackages",
    "kci:DescribeRegions",
    "vpc:DescribeSubnets",
    "vpc:DescribeSecurityGroups",
    "iam:GetAccountAllProjectsByParams",
)
_BILLS = (bills.GRANT, bills.LIST_GRANT, "bill-union:DescribeProductCode")


def policies() -> dict[Use, dict[str, Any]]:
    """The least IAM policies (IAM user guide: policy language 2015-11-01)."""
    return {Use.PODS: _policy(GRANTS), Use.BILLS: _policy(_BILLS), Use.ADDONS: _policy(kce.GRANTS)}


def _policy(actions: Sequence[str]) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": ["*"]}
    return {"Version": "2015-11-01", "Statement": [statement]}


class VerifyCalls(CatalogueCalls):
    async def verify(self) -> Verification:
        """Raises the refusal when the key itself is not accepted, `Unavailable` without answer."""
        clock = asyncio.get_running_loop().time
        started = clock()
        regions, body = await self._try("kci:DescribeRegions", {})
        latency = round((clock() - started) * 1000)
        account, projects = await self._account()
        zone = _zone(body, self.region)
        packages = {"ChargeType": HOURLY, "AvailabilityZone": zone, "KciType": KCI_TYPE}
        nobody = {"ContainerGroupId": NOBODY, "DryRun": True}
        nothing = {**nobody, "ContainerName": "none"}
        tried = [
            regions,
            *[
                (await self._try(grant, parameters))[0]
                for grant, parameters in (
                    ("kci:DescribeContainerGroup", {"MaxResults": 1}),
                    ("kci:DescribeKciPackages", packages),
                    ("vpc:DescribeSubnets", {"MaxResults": 5}),
                    ("vpc:DescribeSecurityGroups", {"MaxResults": 5}),
                    ("kci:CreateContainerGroup", {"DryRun": True, "KciType": KCI_TYPE}),
                    ("kci:DeleteContainerGroup", nobody),
                    ("kci:DescribeContainerGroupEvents", nobody),
                    ("kci:DescribeContainerLog", nothing),
                    ("kci:ExecContainerCommand", {**nothing, "Command": ["true"]}),
                )
            ],
            projects,
            await self._bills(),
            await self._addons(),
        ]
        return Verification(
            account_id=account,
            identity=f"krn:ksc:iam::{account}" if account else "",
            capabilities=tuple(tried),
            latency_ms=latency,
        )

    async def _account(self) -> tuple[str, Capability]:
        """The account's number; empty when the key may not ask IAM, or IAM tells no project."""
        grant = "iam:GetAccountAllProjectsByParams"
        tried, body = await self._try(grant, {"Pn": 1, "Ps": 10})
        listed = (body.get("ListProjectResult") or {}).get("ProjectList") or ()
        numbers = [str(project.get("AccountId") or "") for project in listed]
        return next(filter(None, numbers), ""), tried

    async def _bills(self) -> Capability:
        today = bills.asked(day_of(self.wire.now()), size=1)
        tried = (await self._try(bills.GRANT, today, version=bills.DAILY))[0]
        return replace(tried, use=Use.BILLS)

    async def _addons(self) -> Capability:
        """The first of `kce.GRANTS`; what changes components is not tried."""
        one = {"MaxResults": 1, "Marker": 0}
        tried = (await self._try(kce.GRANTS[0], one, version=kce.CLUSTERS))[0]
        return replace(tried, use=Use.ADDONS)

    async def _try(
        self, grant: str, parameters: Mapping[str, Any], *, version: str = ""
    ) -> tuple[Capability, dict[str, Any]]:
        service, action = grant.split(":")
        try:
            body = await self.read(action, parameters, service=service, version=version)
        except ProviderError as error:
            if is_key_itself(error):
                raise
            return _refused(grant, action, error), {}
        return Capability(action, True, request_id=str(body.get("RequestId") or "")), body


def _refused(grant: str, action: str, error: ProviderError) -> Capability:
    unproven = isinstance(error, AccountTrouble | Throttled | Unavailable | UnknownOutcome)
    if not unproven:
        return Capability(action, True, request_id=error.request_id)
    needed = grant if isinstance(error, AccountTrouble) else ""
    return Capability(action, False, error.code, error.message, error.request_id, grant=needed)


def _zone(body: Mapping[str, Any], region: str) -> str:
    zones = {
        str(entry.get("Region")): entry.get("AvailabilityZones") or ()
        for entry in body.get("Regions") or ()
    }
    return next(iter(zones.get(region, ())), f"{region}a")
