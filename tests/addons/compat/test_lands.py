"""Which DaemonSets would be bound to virtual nodes, as the scheduler decides it."""

from __future__ import annotations

from typing import Any

import pytest

from addons.compat.scheduling import lands
from providers.registry import dialect

EVERY = [{"operator": "Exists"}]
TAINT = {"key": "virtual-kubelet.io/provider", "effect": "NoSchedule"}
KCI = "rbkci-virtual-kubelet.io/provider"


def away(operator: str, key: str = "type", *values: str) -> dict[str, Any]:
    term = {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}
    required = {"nodeSelectorTerms": [term]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}


def bound(provider: str, settings: Any = None, **spec: Any) -> bool:
    profile = dialect(provider).node_profile(
        region="r", zone="z", name="n", settings=settings or {}
    )
    return lands(spec, profile)


@pytest.mark.parametrize(
    ("spec", "eci"),
    [
        ({}, False),
        ({"tolerations": EVERY}, True),
        ({"tolerations": [{"operator": "Exists", "effect": "NoSchedule"}]}, True),
        ({"tolerations": [{"operator": "Exists", "effect": "NoExecute"}]}, False),
        ({"tolerations": [{**TAINT, "operator": "Equal", "value": "alibabacloud"}]}, True),
        ({"tolerations": [{**TAINT, "operator": "Equal", "value": "another"}]}, False),
        ({"tolerations": [{"key": KCI, "operator": "Exists"}]}, False),
        ({"tolerations": EVERY, "nodeSelector": {"type": "virtual-kubelet"}}, True),
        ({"tolerations": EVERY, "nodeSelector": {"kubernetes.io/os": "linux"}}, True),
        ({"tolerations": EVERY, "nodeSelector": {"kubernetes.io/os": "windows"}}, False),
        ({"tolerations": EVERY, "nodeSelector": {"disk": "ssd"}}, False),
        ({"tolerations": EVERY, "nodeSelector": {"topology.kubernetes.io/zone": "z-9"}}, True),
        ({"tolerations": EVERY, "affinity": away("NotIn", "type", "virtual-kubelet")}, False),
        ({"tolerations": EVERY, "affinity": away("DoesNotExist", "type")}, False),
        ({"tolerations": EVERY, "affinity": away("Exists", "gpu")}, False),
        ({"tolerations": EVERY, "affinity": away("NotIn", "type", "edge")}, True),
    ],
)
def test_a_daemonset_lands_where_it_tolerates_the_taint_and_nothing_keeps_it_away(
    spec: dict[str, Any], eci: bool
) -> None:
    assert bound("eci", **spec) is eci


def test_the_taint_is_that_of_the_nodes_and_may_be_turned_off() -> None:
    tolerates = [{"key": KCI, "operator": "Exists"}]
    assert bound("kci", {"taint-key": KCI}, tolerations=tolerates)
    assert not bound("kci", tolerations=tolerates)
    assert bound("kci", {"disable-taint": "true"})
