"""What a pod asks for as a whole: sums, pod-level resources, QoS class, defaults, checks.

Rules of ``k8s.io/component-helpers/resource``, ``pkg/apis/core/helper/qos``, ``defaultPodRequests``
(``pkg/apis/core/v1/defaults.go``) and ``validatePodResourceConsistency``.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sandbox.cluster.quantity import canonical, parse

if TYPE_CHECKING:
    from sandbox.cluster.kinds import Problems

Obj = dict[str, Any]
Amounts = dict[str, Decimal]
_ZERO = Decimal(0)
_QOS = ("cpu", "memory")


def amounts(holder: Obj, side: str) -> Amounts:
    """Return the quantities of ``resources.<side>`` of a container or a pod spec."""
    listed = (holder.get("resources") or {}).get(side) or {}
    return {name: parse(value) for name, value in listed.items()}


def of_containers(spec: Obj, side: str) -> Amounts:
    """Return the sum of the containers, or the largest step of the init containers."""
    total: Amounts = {}
    for item in spec.get("containers") or ():
        _add(total, amounts(item, side))
    beside: Amounts = {}
    peak: Amounts = {}
    for item in spec.get("initContainers") or ():
        step = dict(beside)
        _add(step, amounts(item, side))
        if item.get("restartPolicy") == "Always":
            beside = step
        peak = {name: max(step.get(name, _ZERO), peak.get(name, _ZERO)) for name in step | peak}
    _add(total, beside)
    return {name: max(total.get(name, _ZERO), peak.get(name, _ZERO)) for name in total | peak}


def of_pod(spec: Obj, side: str) -> Amounts:
    """Return the same where ``spec.resources`` beats the sum."""
    return of_containers(spec, side) | _own(spec, side)


def qos_class(spec: Obj) -> str:
    """Return Guaranteed, Burstable or BestEffort as the kubelet computes it."""
    whole = _own(spec, "requests") or _own(spec, "limits")
    every = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    asked: Amounts = {}
    allowed: Amounts = {}
    guaranteed = True
    for item in [spec] if whole else every:
        upper = _counted(amounts(item, "limits"))
        _add(asked, _counted(amounts(item, "requests")))
        _add(allowed, upper)
        guaranteed = guaranteed and len(upper) == len(_QOS)
    if not asked and not allowed:
        return "BestEffort"
    return "Guaranteed" if guaranteed and asked == allowed else "Burstable"


def set_requests(spec: Obj) -> None:
    """Fill the requests of pod-level limits: from the containers, else from the limits."""
    own = spec.get("resources") or {}
    if not own.get("limits"):
        return
    requests = own.setdefault("requests", {})
    for name, value in of_containers(spec, "requests").items():
        if name in _QOS:
            requests.setdefault(name, spelled(name, value))
    for name, value in own["limits"].items():
        requests.setdefault(name, value)


def check(spec: Obj, path: str, problems: Problems) -> None:
    """Add what is wrong with pod-level resources."""
    own = spec.get("resources") or {}
    for side in ("limits", "requests"):
        for name in own.get(side) or {}:
            if name not in _QOS and not name.startswith("hugepages-"):
                problems.supported(
                    f"{path}.resources.{side}", name, ("cpu", "hugepages-", "memory")
                )
    requests, limits = amounts(spec, "requests"), amounts(spec, "limits")
    for name, value in sorted(of_containers(spec, "requests").items()):
        if name in requests and value > requests[name]:
            text = "must be greater than or equal to aggregate container requests of "
            told = str(own["requests"][name])
            where = f"{path}.resources.requests[{name}]"
            problems.invalid(where, told, text + spelled(name, value))
    for index, item in enumerate(spec.get("containers") or ()):
        for name, value in sorted(amounts(item, "limits").items()):
            if name in limits and value > limits[name]:
                where = f"{path}.containers[{index}].resources.limits[{name}]"
                told = str(item["resources"]["limits"][name])
                text = f"must be less than or equal to pod limits of {own['limits'][name]}"
                problems.invalid(where, told, text)


def spelled(name: str, value: Decimal) -> str:
    """Return the canonical text of a sum."""
    text = format(value.normalize(), "f")
    if name != "memory" or value % 1024:
        return canonical(text)
    return canonical(f"{format((value / 1024).normalize(), 'f')}Ki")


def _own(spec: Obj, side: str) -> Amounts:
    return {
        name: value
        for name, value in amounts(spec, side).items()
        if name in _QOS or name.startswith("hugepages-")
    }


def _counted(found: Amounts) -> Amounts:
    return {name: found[name] for name in _QOS if found.get(name)}


def _add(total: Amounts, more: Amounts) -> None:
    for name, value in more.items():
        total[name] = total.get(name, _ZERO) + value
