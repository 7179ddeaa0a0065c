"""Resource quantities and what a pod asks of a node."""

from __future__ import annotations

from functools import lru_cache
from math import ceil
from typing import Any

from sandbox.cluster.quantity import parse

Obj = dict[str, Any]
Amounts = dict[str, int]


@lru_cache(maxsize=4096)
def amount(text: str, *, milli: bool = False) -> int:
    """A quantity as an integer rounded up, in thousandths when `milli`; raises QuantityError."""
    return ceil(parse(text) * (1000 if milli else 1))


def amounts(resources: dict[str, Any] | None) -> Amounts:
    """{"cpu": milli-CPUs, everything else: units} of a ResourceList."""
    return {
        name: amount(str(text), milli=name == "cpu") for name, text in (resources or {}).items()
    }


def pod_requests(pod: Obj) -> Amounts:
    """What the scheduler counts: containers + sidecars, or the largest init step, + overhead."""
    spec = pod["spec"]
    total: Amounts = {}
    for container in spec.get("containers") or []:
        _add(total, container_requests(container))
    sidecars: Amounts = {}
    peak: Amounts = {}
    for container in spec.get("initContainers") or []:
        asked = container_requests(container)
        if container.get("restartPolicy") == "Always":
            _add(sidecars, asked)
            asked = {}
        _raise(peak, _sum(sidecars, asked))
    _add(total, sidecars)
    _raise(total, peak)
    # Pod-level resources beat the sum; hugepages and others are what the containers ask.
    own = (spec.get("resources") or {}).get("requests") or {}
    total |= amounts({name: own[name] for name in ("cpu", "memory") if name in own})
    _add(total, amounts(spec.get("overhead")))
    return total


def container_requests(container: Obj) -> Amounts:
    """Requests; a limit without a request counts as the request."""
    resources = container.get("resources") or {}
    return amounts({**(resources.get("limits") or {}), **(resources.get("requests") or {})})


def _add(total: Amounts, more: Amounts) -> None:
    for name, value in more.items():
        total[name] = total.get(name, 0) + value


def _sum(left: Amounts, right: Amounts) -> Amounts:
    total = dict(left)
    _add(total, right)
    return total


def _raise(total: Amounts, floor: Amounts) -> None:
    for name, value in floor.items():
        total[name] = max(total.get(name, 0), value)
