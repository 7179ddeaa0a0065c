"""Resizing a pod in place: no cloud does it to an instance, which is told as a kubelet tells it.

What the instance was made with is the pod's allocation, kept in its status: `resources` and
`allocatedResources` of each container and of the pod. A spec that asks for something else waits
with the condition PodResizePending, reason Infeasible, until it asks for the allocation again.
Source: Kubernetes documentation, "Resize CPU and Memory Resources assigned to Containers" (stable
since 1.35); `pkg/kubelet/allocation` and `pkg/kubelet/kubelet_pods.go`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from addons.pods.asked import Amounts, limits, requests, totals
from addons.pods.quantity import parse, spelled

Json = Mapping[str, Any]
CONDITION, INFEASIBLE = "PodResizePending", "Infeasible"
MESSAGE = (
    "In-place resize is not supported: an instance keeps the size that it was made with. "
    "Replace the pod to change it."
)
# As exactly as the ledger keeps vCPU and GiB.
_STEP = Decimal("0.001")


@dataclass(frozen=True, slots=True)
class Asked:
    """vCPU and GiB that the pod asked for when its instance was asked for; None: nobody asked."""

    cpu: Decimal | None
    memory: Decimal | None


@dataclass(frozen=True, slots=True)
class Allocation:
    """Resources by the name of the container, and those of the pod (None: they are not known)."""

    containers: Mapping[str, Json]
    whole: Json | None


def allocation(pod: Json, asked: Asked | None, *, fresh: bool = False) -> Allocation | None:
    """As the status has it; else, of an instance that was asked for, as the spec has it.

    `fresh`: the instance is a new one, of which the status does not tell yet. None: there is no
    instance yet, or its pod was changed before this was told.
    """
    status = pod.get("status") or {}
    told = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    known = status.get("allocatedResources") or any(one.get("resources") for one in told)
    if known and not fresh:
        whole = status.get("resources") if "allocatedResources" in status else None
        return Allocation({one["name"]: one.get("resources") or {} for one in told}, whole)
    if asked is None or not _same_totals(asked, pod):
        return None
    every = (*(pod["spec"].get("initContainers") or ()), *pod["spec"]["containers"])
    containers = {one["name"]: one.get("resources") or {} for one in every}
    whole = {"requests": _texts(requests(pod)), "limits": _texts(limits(pod))}
    return Allocation(containers, {side: found for side, found in whole.items() if found})


def is_pending(pod: Json, allocated: Allocation | None, asked: Asked | None) -> bool:
    """Whether the pod asks for something else than its instance was made with."""
    if allocated is None:
        return asked is not None and not _same_totals(asked, pod)
    every = (*(pod["spec"].get("initContainers") or ()), *pod["spec"]["containers"])
    if any(_differ(one.get("resources"), allocated.containers.get(one["name"])) for one in every):
        return True
    now = {"requests": requests(pod), "limits": limits(pod)}
    return allocated.whole is not None and _differ(now, allocated.whole)


def with_resources(statuses: Sequence[Json], allocated: Allocation | None) -> list[dict[str, Any]]:
    """Container statuses with what each was made with."""
    return [{**status, **_told(status, allocated)} for status in statuses]


def _told(status: Json, allocated: Allocation | None) -> dict[str, Any]:
    """`resources` also where they are empty: without them the API server takes the virtual node
    for one that knows nothing of resizing.
    """
    if allocated is None:
        return {}
    found = allocated.containers.get(status["name"]) or {}
    side = {"allocatedResources": found["requests"]} if found.get("requests") else {}
    return {
        "resources": {key: found[key] for key in ("requests", "limits") if key in found},
        **side,
    }


def of_the_pod(allocated: Allocation | None) -> dict[str, Any]:
    """`resources` and `allocatedResources` of the pod's status."""
    if allocated is None or not allocated.whole:
        return {}
    whole = allocated.whole
    return {"resources": dict(whole), "allocatedResources": dict(whole.get("requests") or {})}


def _same_totals(asked: Asked, pod: Json) -> bool:
    cpu, memory, _cards = totals(pod)
    if asked.cpu is None and asked.memory is None:
        return True
    pairs = ((asked.cpu, cpu), (asked.memory, memory))
    return all(abs((one or Decimal(0)) - (other or Decimal(0))) < _STEP for one, other in pairs)


def _differ(one: Json | None, other: Json | None) -> bool:
    return any(
        _parsed((one or {}).get(side)) != _parsed((other or {}).get(side))
        for side in ("requests", "limits")
    )


def _parsed(amounts: Mapping[str, Any] | None) -> Amounts:
    return {
        name: amount if isinstance(amount, Decimal) else parse(amount)
        for name, amount in (amounts or {}).items()
    }


def _texts(amounts: Amounts) -> dict[str, str]:
    return {name: spelled(amount, cpu=name == "cpu") for name, amount in amounts.items()}
