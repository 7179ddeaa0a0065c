"""A budget cordons the nodes that a vendor's virtual kubelet runs, in a simulated cluster."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from addons.announce import blocking_client
from addons.models import Cluster, Hold
from addons.runtime.loop import Runtime
from console.billing.budgets import manage, vendors, watch, words
from console.billing.budgets.manage import Wish
from console.models import Budget, BudgetEvent
from kube import NODES
from kube.errors import Unreachable
from tests.addons import cast as addons_cast
from tests.addons.pods.conftest import registered
from tests.conftest import World
from tests.console import cast as make
from tests.console.billing.test_budgets import spend

pytestmark = pytest.mark.django_db(transaction=True)
NOW = datetime(2026, 11, 21, 4, tzinfo=UTC)


@pytest.fixture
def cluster(world: World, runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    for module in ("addons.holds", "addons.components.vendor_nodes"):
        monkeypatch.setattr(f"{module}.runtime", lambda: runtime)
    blocking_client.cache_clear()
    yield registered(world, addons_cast.account(provider="kci"))
    blocking_client.cache_clear()


@pytest.fixture
def nodes(cluster: Cluster, runtime: Runtime) -> list[str]:
    """One that the component brings, one that somebody else's virtual kubelet has."""
    names = [f"vk-{uuid.uuid4().hex[:6]}" for _ in range(2)]
    make.installation(cluster, values={"KCI_CLUSTER_ID": "c-1", "nodename": names[0]})

    async def create() -> None:
        kube = await runtime.kube(cluster.pk)
        for name in names:
            meta = {"name": name, "labels": {"type": "virtual-kubelet"}}
            body = {"apiVersion": "v1", "kind": "Node", "metadata": meta, "spec": {}}
            await kube.create(NODES, body)

    runtime.run(create(), timeout=10)
    return names


def used_up(cluster: Cluster, **scope: Any) -> Budget:
    spend(addons_cast.account(), cluster, "101")
    wish = Wish("all", Decimal(100), "CNY", scope=scope, forecast=False, action="cordon")
    return manage.create(cluster.team, wish, by="alice", now=NOW)


def cordons(runtime: Runtime, cluster: Cluster, names: list[str]) -> list[bool]:
    async def ask() -> list[bool]:
        kube = await runtime.kube(cluster.pk)
        found = [await kube.get(NODES, name) for name in names]
        return [bool(node["spec"].get("unschedulable")) for node in found]

    return runtime.run(ask(), timeout=10)


def test_the_nodes_of_a_vendor_are_cordoned_and_freed(
    cluster: Cluster, nodes: list[str], runtime: Runtime
) -> None:
    row = used_up(cluster)
    watch.look_at_all(NOW)
    assert cordons(runtime, cluster, nodes) == [True, False]
    event = BudgetEvent.objects.get(threshold="100")
    assert event.action == "cordon"
    assert words.notice_of(event).text.startswith("Its virtual nodes are cordoned from now on")
    assert manage.held([row]) == {row.pk: 1}
    row.refresh_from_db()
    assert manage.lift(row, by="bob", now=NOW) == 1
    assert cordons(runtime, cluster, nodes) == [False, False]
    watch.look_at_all(NOW)
    assert cordons(runtime, cluster, nodes) == [False, False]


def test_only_the_node_that_the_scope_names_is_held(cluster: Cluster, nodes: list[str]) -> None:
    row = used_up(cluster)
    row.scope = {"node": "another"}
    assert vendors.hold([row], NOW) == 0
    row.scope = {"node": nodes[0]}
    assert vendors.hold([row], NOW) == 1
    assert Hold.objects.get().node_name == nodes[0]


def test_a_silent_cluster_is_asked_again_at_the_next_look(
    cluster: Cluster, nodes: list[str], runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    used_up(cluster)

    async def silence(cluster_id: int) -> Any:
        raise Unreachable("nobody there", phase="connect")

    with monkeypatch.context() as silent:
        silent.setattr(runtime, "kube", silence)
        watch.look_at_all(NOW)
    assert not Hold.objects.exists()
    watch.look_at_all(NOW)
    assert cordons(runtime, cluster, nodes) == [True, False]
