"""Virtual nodes that were added one by one are the component: recognised, adopted, compared."""

from __future__ import annotations

from typing import Any

import pytest

from addons.components import manage
from addons.components.manage import ComponentError
from addons.models import Operation, VirtualNode
from tests.addons import cast
from tests.addons.components.conftest import Place

NAME = "hosted-virtual-node"
J, K = ({"zone": f"cn-hangzhou-{zone}", "subnet": f"vsw-{zone}"} for zone in "jk")


def node(place: Place, first: dict[str, str], *others: dict[str, str], **more: Any) -> VirtualNode:
    zone = first["zone"]
    return cast.node(
        place.cluster,
        name=f"virtual-kubelet-{zone}",
        zone=zone,
        placements=[first, *others],
        state=VirtualNode.State.READY,
        **more,
    )


@pytest.fixture
def nodes(place: Place) -> list[VirtualNode]:
    account = cast.account()
    return [node(place, J, K, account=account), node(place, K, J, account=account)]


def offered(place: Place) -> manage.Offer:
    return next(one for one in manage.offers(place.cluster) if one.component.name == NAME)


def fields(place: Place) -> list[tuple[str, str, str]]:
    row = place.row(NAME)
    assert row
    return [(one["object"], one["field"], one["kind"]) for one in manage.drift(row)]


def test_nodes_added_one_by_one_are_recognised_adopted_and_then_compared(
    place: Place, nodes: list[VirtualNode]
) -> None:
    assert offered(place).nodes == tuple(one.name for one in nodes)
    done = place.run(NAME, "adopt")
    assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)
    row = place.row(NAME)
    assert row
    assert (row.state, row.adopted, row.values["placements"]) == ("installed", True, [J, K])
    assert offered(place).nodes == ()
    assert fields(place) == []
    VirtualNode.objects.filter(pk=nodes[0].pk).update(security_group="sg-2")
    nodes[1].delete()
    other = cast.node(place.cluster, name="virtual-kubelet-by-hand", account=nodes[0].account)
    assert fields(place) == [
        (f"VirtualNode {nodes[1].name}", "", "missing"),
        (f"VirtualNode {other.name}", "", "surplus"),
        (f"VirtualNode {nodes[0].name}", "security_group", "field"),
    ]


def test_nodes_that_no_one_set_of_values_makes_are_shown_and_not_adopted(
    place: Place, nodes: list[VirtualNode]
) -> None:
    other = cast.node(place.cluster, name="virtual-kubelet-by-hand", account=nodes[0].account)
    assert len(offered(place).nodes) == 3
    with pytest.raises(ComponentError, match="differ in more than their zones") as refused:
        place.start(NAME, "adopt")
    assert refused.value.code == "unsupported"
    other.delete()
    VirtualNode.objects.filter(pk=nodes[0].pk).update(account=cast.account())
    with pytest.raises(ComponentError, match="differ in more"):
        place.start(NAME, "adopt")


def test_a_cluster_without_nodes_has_nothing_to_adopt(place: Place) -> None:
    assert offered(place).nodes == ()
    with pytest.raises(ComponentError, match="Nothing of it was found"):
        place.start(NAME, "adopt")
