"""Whether an empty list may be believed.

ECI answers an empty list, without an error, to a key that lost its permission (ECI developer
reference, DescribeContainerGroups). An empty answer therefore counts only after three further
questions, asked in this order until one settles it:

1. DescribeContainerGroupStatus with the same filter: does it know instances that the list denies?
2. DescribeContainerGroups without a filter: an instance, also an ended one, proves the permission.
3. ListUsage, which is refused without permission: are no vCPUs in use?
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from providers.errors import Unavailable

Read = Callable[[str, Any], Awaitable[dict[str, Any]]]


async def permitted(read: Read, region_id: str, filters: Mapping[str, Any]) -> None:
    """Return when the empty list is true; raise `Unavailable` when it contradicts another answer.

    Raises `AccountTrouble` when the key may not ask.
    """
    region = {"RegionId": region_id}
    witness = await read("DescribeContainerGroupStatus", {**region, **filters, "Limit": 20})
    if witness.get("Data"):
        raise Unavailable(
            "the list of container groups is empty, their statuses are not",
            code="EmptyList",
            request_id=str(witness.get("RequestId") or ""),
        )
    anything = await read("DescribeContainerGroups", {**region, "Limit": 1})
    if anything.get("ContainerGroups"):
        return
    await _nothing_in_use(read, region)


async def _nothing_in_use(read: Read, region: Mapping[str, str]) -> None:
    usage = await read("ListUsage", region)
    used = (usage.get("Attributes") or {}).get("UsedCpu")
    if used is not None and float(used) > 0:
        raise Unavailable(
            f"no container group is listed while {used} vCPUs are in use; "
            "the key may lack eci:DescribeContainerGroups",
            code="EmptyList",
            request_id=str(usage.get("RequestId") or ""),
        )
