"""What a pod asks for, added up as the scheduler and the kubelet do. Pure.

Source: Kubernetes `k8s.io/component-helpers/resource` (PodRequests, PodLimits) and
`pkg/apis/core/helper/qos`. `spec.resources` (pod-level resources, beta and on since 1.34) beats the
sum of the containers for the vCPUs and the memory that it names. A sidecar runs beside the
containers and beside the init containers that come after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from addons.pods.containers import is_sidecar, resources
from addons.pods.quantity import GIB, parse

Json = Mapping[str, Any]
Amounts = dict[str, Decimal]
_ZERO = Decimal(0)
_WHOLE = ("cpu", "memory")


def requests(pod: Json) -> Amounts:
    """By name, in vCPU, bytes and units."""
    found = _aggregate(pod, lambda source: _amounts(source, "requests"))
    return _with_overhead(found | _own(pod, "requests"), pod)


def limits(pod: Json) -> Amounts:
    found = _aggregate(pod, lambda source: _amounts(source, "limits"))
    return _with_overhead(found | _own(pod, "limits"), pod, among=True)


def totals(pod: Json) -> tuple[Decimal | None, Decimal | None, int]:
    """vCPU, GiB and cards that an instance needs for it: limits, where there are none requests.

    None: nobody asked.
    """
    found = _aggregate(pod, _sized)
    cpu, memory = whole(pod)
    memory = memory if memory is not None else found.get("memory")
    return cpu if cpu is not None else found.get("cpu"), memory, int(found.get("gpu", _ZERO))


def whole(pod: Json) -> tuple[Decimal | None, Decimal | None]:
    """vCPU and GiB that `spec.resources` gives the pod; None where the containers tell."""
    upper, lower = _own(pod, "limits"), _own(pod, "requests")
    found = _aggregate(pod, _sized) if lower.keys() - upper.keys() else {}

    def one(name: str, unit: Decimal) -> Decimal | None:
        if name in upper:
            return upper[name] / unit
        return max(lower[name] / unit, found.get(name, _ZERO)) if name in lower else None

    return one("cpu", Decimal(1)), one("memory", GIB)


def qos_class(pod: Json) -> str:
    """Source: `pkg/apis/core/helper/qos`, ComputePodQOS: pod-level resources alone, if any."""
    sources = [pod["spec"]] if _own(pod, "requests") or _own(pod, "limits") else [*_every(pod)]
    asked: Amounts = {}
    allowed: Amounts = {}
    guaranteed = True
    for source in sources:
        upper = _positive(_amounts(source, "limits"))
        _add(asked, _positive(_amounts(source, "requests")))
        _add(allowed, upper)
        guaranteed = guaranteed and len(upper) == len(_WHOLE)
    if not asked and not allowed:
        return "BestEffort"
    # The API server takes a limit for the request where that is missing.
    return "Guaranteed" if guaranteed and {**allowed, **asked} == allowed else "Burstable"


def _every(pod: Json) -> Iterator[Json]:
    yield from pod["spec"].get("initContainers") or ()
    yield from pod["spec"]["containers"]


def _positive(amounts: Amounts) -> Amounts:
    return {name: amounts[name] for name in _WHOLE if amounts.get(name, _ZERO) > 0}


def _amounts(source: Json, side: str) -> Amounts:
    listed = (source.get("resources") or {}).get(side) or {}
    return {name: parse(amount) for name, amount in listed.items()}


def _own(pod: Json, side: str) -> Amounts:
    found = _amounts(pod["spec"], side)
    return {name: found[name] for name in _WHOLE if name in found}


def _sized(source: Json) -> Amounts:
    cpu, memory, gpu = resources(source)
    found = {"cpu": cpu, "memory": memory, "gpu": Decimal(gpu)}
    return {name: value for name, value in found.items() if value is not None}


def _aggregate(pod: Json, of: Callable[[Json], Amounts]) -> Amounts:
    total: Amounts = {}
    for source in pod["spec"]["containers"]:
        _add(total, of(source))
    beside: Amounts = {}
    peak: Amounts = {}
    for source in pod["spec"].get("initContainers") or ():
        step = dict(beside)
        _add(step, of(source))
        if is_sidecar(source):
            beside = step
        peak = {name: max(step.get(name, _ZERO), peak.get(name, _ZERO)) for name in step | peak}
    _add(total, beside)
    return {name: max(total.get(name, _ZERO), peak.get(name, _ZERO)) for name in total | peak}


def _add(total: Amounts, more: Amounts) -> None:
    for name, value in more.items():
        total[name] = total.get(name, _ZERO) + value


def _with_overhead(total: Amounts, pod: Json, *, among: bool = False) -> Amounts:
    """`among`: a limit that is not there stays so."""
    for name, value in (pod["spec"].get("overhead") or {}).items():
        if not among or total.get(name):
            total[name] = total.get(name, _ZERO) + parse(value)
    return total
