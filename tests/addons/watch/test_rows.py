"""Which unscheduled pods ask for a virtual node, and what keeps them from it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from addons.watch.rows import row_of, wants_virtual_node
from kube import Pod

KEY, OTHER = "virtual-kubelet.io/provider", "rbkci-virtual-kubelet.io/provider"
NODE = [{"key": KEY, "value": "kingsoftcloud", "effect": "NoSchedule"}]
AFFINITY = {
    "nodeAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [
                {
                    "matchExpressions": [
                        {"key": "type", "operator": "In", "values": ["virtual-kubelet"]}
                    ]
                }
            ]
        }
    }
}


def unscheduled(**spec: Any) -> Pod:
    condition = {"type": "PodScheduled", "status": "False", "message": "0/3 nodes"}
    body = {
        "metadata": {
            "name": "web",
            "namespace": "shop",
            "uid": "u-1",
            "resourceVersion": "7",
            "creationTimestamp": "2026-01-01T00:00:00Z",
        },
        "spec": {"containers": [{"name": "app", "image": "nginx"}], **spec},
        "status": {"phase": "Pending", "conditions": [condition]},
    }
    return msgspec.convert(body, Pod)


def tolerating(key: str, value: str = "kingsoftcloud") -> dict[str, str]:
    return {"key": key, "value": value, "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("spec", "blocker"),
    [
        ({"affinity": AFFINITY, "tolerations": [tolerating(OTHER)]}, "WrongToleration"),
        (
            {"affinity": AFFINITY, "tolerations": [tolerating(KEY, "alibabacloud")]},
            "WrongToleration",
        ),
        ({"affinity": AFFINITY}, "NoToleration"),
        ({"nodeSelector": {"type": "virtual-kubelet"}}, "NoToleration"),
        ({"affinity": AFFINITY, "tolerations": [tolerating(KEY)]}, "WaitingForSchedule"),
        ({"tolerations": [tolerating(KEY)]}, "WaitingForSchedule"),
    ],
)
def test_the_taint_that_keeps_a_pod_away_is_named(spec: dict[str, Any], blocker: str) -> None:
    pod = unscheduled(**spec)
    assert wants_virtual_node(pod, {KEY})
    fields = row_of(pod, [NODE, NODE]).fields
    assert fields["blocker"] == blocker
    if blocker == "WaitingForSchedule":
        return
    assert fields["blocker_values"]["taint"] == f"{KEY}=kingsoftcloud:NoSchedule"
    # One node that takes it is enough, and a cluster without virtual nodes says nothing of taints.
    assert row_of(pod, [NODE, []]).fields["blocker"] == "WaitingForSchedule"
    assert row_of(pod, []).fields["blocker"] == "WaitingForSchedule"


def test_a_pod_that_selects_nothing_does_not_ask_for_a_virtual_node() -> None:
    assert not wants_virtual_node(unscheduled(), {KEY})
    assert not wants_virtual_node(unscheduled(tolerations=[{"operator": "Exists"}]), {KEY})
    either = {"nodeSelectorTerms": [{"matchExpressions": []}]}
    place = {"requiredDuringSchedulingIgnoredDuringExecution": either}
    assert not wants_virtual_node(unscheduled(affinity={"nodeAffinity": place}), {KEY})
