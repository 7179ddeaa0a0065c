"""A hold on a namespace, on the simulated cluster and cloud: events, no instance, and lifting."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from addons import holds
from addons.models import Decision, Hold, PodRow, VirtualNode
from addons.sentences import stored
from kube import EVENTS, NODES
from kube.errors import Unreachable
from tests.addons.pods.conftest import Site

pytestmark = pytest.mark.django_db(transaction=True)
REASON = stored("Budget %(name)s is used up.", name="shop")


@pytest.fixture
def ours(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setattr("addons.holds.runtime", lambda: site.runtime)
    return site


def place(target: holds.Target, *, cordon: bool = False, source: str = "budget:1") -> int:
    placed = holds.place(source, REASON, [target], now=datetime.now(UTC))
    holds.settle([source] if cordon else [])
    return placed


def lift(source: str = "budget:1") -> int:
    lifted = holds.lift(source, by="alice", now=datetime.now(UTC))
    holds.settle()
    return lifted


def node_object(site: Site) -> dict[str, Any]:
    async def ask() -> dict[str, Any]:
        found: dict[str, Any] = await (await site.kube()).get(NODES, site.node.name)
        return found

    return site.runtime.run(ask(), timeout=10)


def events(site: Site, reason: str) -> list[dict[str, Any]]:
    async def ask() -> list[dict[str, Any]]:
        kube = await site.kube()
        found = await kube.list(EVENTS, site.namespace)
        return [dict(item) for item in found.items]

    return [e for e in site.runtime.run(ask(), timeout=10) if e["reason"] == reason]


def test_a_held_pod_waits_with_an_event_and_runs_once_the_hold_is_lifted(ours: Site) -> None:
    site = ours
    site.create("before")
    site.queue("before")
    site.work(lambda: site.phase("before") == "Running")
    assert place(holds.Target(site.cluster.pk, namespace=site.namespace)) == 1
    assert place(holds.Target(site.cluster.pk, namespace=site.namespace)) == 0
    site.create("after")
    site.queue("before", "after")
    site.work(lambda: PodRow.objects.get(name="after").blocker == "HeldByBudget")
    pod = site.get("after")
    assert pod is not None
    waiting = pod["status"]["containerStatuses"][0]["state"]["waiting"]
    assert (pod["status"]["phase"], waiting["reason"]) == ("Pending", "HeldByBudget")
    assert "Budget shop is used up." in waiting["message"]
    (event,) = events(site, "HeldByBudget")
    assert (event["type"], event["involvedObject"]["name"]) == ("Warning", "after")
    assert Decision.objects.filter(code="HeldByBudget").count() == 1
    assert [i["tags"]["spillway-pod"] for i in site.instances()] == ["before"]
    assert site.phase("before") == "Running"
    assert lift() == 1
    site.work(lambda: site.phase("after") == "Running")
    assert lift() == 0


def test_other_namespaces_and_other_clusters_are_not_held(ours: Site) -> None:
    site = ours
    place(holds.Target(site.cluster.pk, namespace="elsewhere"))
    site.create("web")
    site.queue("web")
    site.work(lambda: site.phase("web") == "Running")


def test_a_cordon_is_taken_back_only_where_we_placed_it(ours: Site) -> None:
    site = ours
    target = holds.Target(site.cluster.pk, site.node.pk)
    place(target, cordon=True)
    assert node_object(site)["spec"]["unschedulable"] is True
    lift()
    assert not node_object(site)["spec"].get("unschedulable")
    VirtualNode.objects.filter(pk=site.node.pk).update(unschedulable=True)
    place(target, cordon=True)
    assert Hold.objects.get(lifted_at=None).cordoned is False
    lift()
    assert VirtualNode.objects.get(pk=site.node.pk).unschedulable


def test_the_cordon_stays_while_a_second_hold_keeps_the_node(ours: Site) -> None:
    site = ours
    target = holds.Target(site.cluster.pk, site.node.pk)
    place(target, cordon=True, source="budget:1")
    place(target, cordon=True, source="budget:2")
    lift("budget:1")
    assert node_object(site)["spec"]["unschedulable"] is True
    lift("budget:2")
    assert not node_object(site)["spec"].get("unschedulable")
    assert not Hold.objects.filter(cordoned=True).exists()


def test_a_cordon_that_a_silent_cluster_kept_is_taken_back_later(
    ours: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = ours
    place(holds.Target(site.cluster.pk, site.node.pk), cordon=True)

    async def silence(cluster_id: int) -> Any:
        raise Unreachable("nobody there", phase="connect")

    with monkeypatch.context() as silent:
        silent.setattr(site.runtime, "kube", silence)
        assert lift() == 1
    assert holds.standing(site.cluster.pk, site.node.pk) == ()
    assert node_object(site)["spec"]["unschedulable"] is True
    holds.settle()
    assert not node_object(site)["spec"].get("unschedulable")
