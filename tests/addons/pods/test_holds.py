"""A hold on a namespace, on the simulated cluster and cloud: events, no instance, and lifting."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest

from addons import holds
from addons.clusters import register
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


def node_object(site: Site, name: str = "") -> dict[str, Any]:
    async def ask() -> dict[str, Any]:
        found: dict[str, Any] = await (await site.kube()).get(NODES, name or site.node.name)
        return found

    return site.runtime.run(ask(), timeout=10)


def vendor_node(site: Site, **spec: Any) -> str:
    """A node that a vendor's virtual kubelet registered: no row of ours knows it."""
    name = f"rbkci-{uuid.uuid4().hex[:6]}"
    meta = {"name": name, "labels": {"type": "virtual-kubelet"}}
    body = {"apiVersion": "v1", "kind": "Node", "metadata": meta, "spec": spec}

    async def ask() -> None:
        await (await site.kube()).create(NODES, body)

    site.runtime.run(ask(), timeout=10)
    return name


def says_of(event: dict[str, Any], node: str) -> bool:
    about = event["involvedObject"]
    return (about["kind"], about.get("namespace", ""), about["name"]) == ("Node", "", node)


def cordoned(site: Site, name: str) -> bool:
    return bool(node_object(site, name)["spec"].get("unschedulable"))


def events(site: Site, reason: str, namespace: str = "") -> list[dict[str, Any]]:
    async def ask() -> list[dict[str, Any]]:
        kube = await site.kube()
        found = await kube.list(EVENTS, namespace or site.namespace)
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


def test_a_vendors_node_is_cordoned_by_its_name_until_the_last_hold_is_lifted(ours: Site) -> None:
    site, name = ours, vendor_node(ours)
    target = holds.Target(site.cluster.pk, node_name=name)
    assert place(target, cordon=True, source="budget:1") == 1
    assert place(target, cordon=True, source="budget:1") == 0
    assert place(target, cordon=True, source="budget:2") == 1
    assert cordoned(site, name)
    told = [e for e in events(site, "CordonedByBudget", "default") if says_of(e, name)]
    assert [event["message"] for event in told] == [
        "Budget shop is used up. The node was cordoned for that; pods that run are left alone."
    ]
    assert holds.standing(site.cluster.pk, site.node.pk) == ()
    lift("budget:1")
    assert cordoned(site, name)
    lift("budget:2")
    assert not cordoned(site, name)
    assert not Hold.objects.filter(cordoned=True).exists()


def test_a_vendors_node_that_somebody_cordoned_stays_so(ours: Site) -> None:
    name = vendor_node(ours, unschedulable=True)
    place(holds.Target(ours.cluster.pk, node_name=name), cordon=True)
    assert Hold.objects.get().cordoned is False
    lift()
    assert cordoned(ours, name)


def test_a_vendors_node_that_is_gone_is_no_fault(ours: Site) -> None:
    name = vendor_node(ours)
    place(holds.Target(ours.cluster.pk, node_name="never-there"), cordon=True, source="budget:2")
    place(holds.Target(ours.cluster.pk, node_name=name), cordon=True)

    async def remove() -> None:
        await (await ours.kube()).delete(NODES, name)

    ours.runtime.run(remove(), timeout=10)
    assert lift() == 1
    assert lift("budget:2") == 1
    assert not Hold.objects.filter(cordoned=True).exists()


def test_a_cluster_is_not_forgotten_with_our_cordons_in_it(ours: Site) -> None:
    name, kube = vendor_node(ours), ours.runtime.run(ours.kube(), timeout=10)
    place(holds.Target(ours.cluster.pk, node_name=name), cordon=True)
    assert cordoned(ours, name)
    register.forget(ours.cluster, leave=True, now=datetime.now(UTC))
    node: dict[str, Any] = ours.runtime.run(kube.get(NODES, name), timeout=10)
    assert not node["spec"].get("unschedulable")
    assert not Hold.objects.exists()
