"""The door against a whole API server, reached over HTTPS as any client reaches it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

from kube import (
    CONFIGMAPS,
    LEASES,
    NAMESPACES,
    NODES,
    PODS,
    Access,
    Event,
    Kube,
    Lease,
    Node,
    Pod,
    Reflector,
    errors,
    parse_kubeconfig,
)
from sandbox.cluster.cluster import Cluster
from tests.kube.world import LOOPBACK


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    cluster = Cluster("test", controllers=False, seed=1)
    await cluster.start()
    yield cluster
    await cluster.stop()


@pytest.fixture
async def kube(cluster: Cluster) -> AsyncIterator[Kube]:
    async with Kube(parse_kubeconfig(cluster.kubeconfig()).target("test"), policy=LOOPBACK) as kube:
        yield kube


def pod(name: str, **spec: Any) -> dict[str, Any]:
    container = {"name": "main", "image": "nginx"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": "web"}},
        "spec": {"containers": [container]} | spec,
    }


def node(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}


async def test_pods_are_created_listed_in_pages_and_read_as_structs(kube: Kube) -> None:
    for index in range(7):
        made = await kube.create(PODS, pod(f"p{index}", nodeName="n"), "default")
        assert made["metadata"]["uid"]
    listing = await kube.list(PODS, fields="spec.nodeName=n", labels="app=web", type=Pod, page=3)
    assert [p.key for p in listing.items] == [f"default/p{i}" for i in range(7)]
    assert listing.items[0].status.phase == "Pending"
    assert listing.items[0].spec.containers
    assert (await kube.list(PODS, fields="spec.nodeName!=n")).items == []
    assert int(listing.resource_version) > 0
    with pytest.raises(errors.AlreadyExists):
        await kube.create(PODS, pod("p0"), "default")


async def test_a_dry_run_changes_nothing(kube: Kube) -> None:
    await kube.create(CONFIGMAPS, {"metadata": {"name": "c"}}, "default", dry_run=True)
    with pytest.raises(errors.NotFound):
        await kube.get(CONFIGMAPS, "c", "default")


async def test_an_update_with_an_old_version_is_a_conflict(kube: Kube) -> None:
    old = await kube.create(CONFIGMAPS, {"metadata": {"name": "c"}}, "default")
    fresh = await kube.update(CONFIGMAPS, old | {"data": {"a": "1"}})
    assert fresh["data"] == {"a": "1"}
    with pytest.raises(errors.Conflict) as caught:
        await kube.update(CONFIGMAPS, old | {"data": {"a": "2"}})
    assert not isinstance(caught.value, errors.AlreadyExists)


async def test_each_kind_of_patch_does_its_own_thing(kube: Kube) -> None:
    await kube.create(PODS, pod("p"), "default")
    merged = await kube.patch(PODS, "p", {"metadata": {"labels": {"app": None}}}, "default")
    assert not merged["metadata"].get("labels")
    jsonned = await kube.patch(
        PODS,
        "p",
        [{"op": "add", "path": "/metadata/annotations", "value": {"a": "b"}}],
        "default",
        kind="json",
    )
    assert jsonned["metadata"]["annotations"] == {"a": "b"}
    image = {"spec": {"containers": [{"name": "main", "image": "nginx:2"}]}}
    strategic = await kube.patch(PODS, "p", image, "default", kind="strategic", type=Pod)
    assert strategic.spec.containers
    assert [c.image for c in strategic.spec.containers] == ["nginx:2"]
    with pytest.raises(errors.Invalid):
        await kube.patch(PODS, "p", {"spec": {"containers": []}}, "default")


async def test_a_status_patch_touches_the_status_only_and_checks_the_uid(kube: Kube) -> None:
    made = await kube.create(PODS, pod("p"), "default")
    body = {
        "metadata": {"uid": made["metadata"]["uid"]},
        "spec": {"terminationGracePeriodSeconds": 7},
        "status": {"phase": "Running", "podIP": "10.0.0.9"},
    }
    changed = await kube.patch(PODS, "p", body, "default", subresource="status", type=Pod)
    assert (changed.status.phase, changed.status.pod_ip) == ("Running", "10.0.0.9")
    assert changed.spec.termination_grace_period_seconds == 30
    body["metadata"]["uid"] = "00000000-0000-0000-0000-000000000000"
    with pytest.raises(errors.Conflict):
        await kube.patch(PODS, "p", body, "default", subresource="status")


async def test_server_side_apply_owns_fields_and_takes_them_only_by_force(kube: Kube) -> None:
    def wanted(value: str) -> dict[str, Any]:
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "c"},
            "data": {"k": value},
        }

    await kube.patch(
        CONFIGMAPS, "c", wanted("1"), "default", kind="apply", field_manager="somebody"
    )
    with pytest.raises(errors.Conflict) as caught:
        await kube.patch(CONFIGMAPS, "c", wanted("2"), "default", kind="apply")
    assert caught.value.causes[0].reason == "FieldManagerConflict"
    assert caught.value.causes[0].field == ".data.k"
    forced = await kube.patch(CONFIGMAPS, "c", wanted("2"), "default", kind="apply", force=True)
    assert forced["data"] == {"k": "2"}


async def test_a_delete_spares_the_successor_of_the_same_name(kube: Kube) -> None:
    first = await kube.create(CONFIGMAPS, {"metadata": {"name": "c"}}, "default")
    await kube.delete(CONFIGMAPS, "c", "default", uid=first["metadata"]["uid"])
    second = await kube.create(CONFIGMAPS, {"metadata": {"name": "c"}}, "default")
    with pytest.raises(errors.Conflict):
        await kube.delete(CONFIGMAPS, "c", "default", uid=first["metadata"]["uid"])
    assert (await kube.get(CONFIGMAPS, "c", "default"))["metadata"] == second["metadata"]
    assert await kube.delete(CONFIGMAPS, "not-there", "default") is None


async def test_a_pod_on_a_node_is_deleted_in_two_steps(kube: Kube) -> None:
    made = await kube.create(PODS, pod("p", nodeName="n"), "default")
    uid = made["metadata"]["uid"]
    await kube.delete(PODS, "p", "default", uid=uid)
    assert (await kube.get(PODS, "p", "default", type=Pod)).terminating
    await kube.delete(PODS, "p", "default", uid=uid, grace_seconds=0)
    with pytest.raises(errors.NotFound):
        await kube.get(PODS, "p", "default")


async def test_a_binding_is_made_for_the_right_uid_only(kube: Kube) -> None:
    await kube.create(NODES, node("n"))
    made = await kube.create(PODS, pod("p"), "default")
    with pytest.raises(errors.Conflict):
        await kube.bind("default", "p", "n", uid="00000000-0000-0000-0000-000000000000")
    await kube.bind("default", "p", "n", uid=made["metadata"]["uid"])
    assert (await kube.get(PODS, "p", "default", type=Pod)).spec.node_name == "n"


async def test_nodes_and_leases_are_kept_as_a_kubelet_keeps_them(kube: Kube) -> None:
    await kube.create(NODES, node("vk"))
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "ok"}
    status = {"status": {"conditions": [ready], "capacity": {"cpu": "10", "pods": "100"}}}
    kept = await kube.patch(NODES, "vk", status, kind="strategic", subresource="status", type=Node)
    assert kept.ready
    assert kept.status.capacity == {"cpu": "10", "pods": "100"}
    lease = {"metadata": {"name": "vk"}, "spec": {"holderIdentity": "vk"}}
    await kube.create(LEASES, lease, "kube-node-lease")
    renew = {"spec": {"renewTime": "2026-01-01T00:00:00.000000Z", "leaseDurationSeconds": 40}}
    renewed = await kube.patch(LEASES, "vk", renew, "kube-node-lease", type=Lease)
    assert renewed.spec.lease_duration_seconds == 40
    assert (renewed.spec.renew_time or "").startswith("2026-01-01T00:00:00")


async def test_a_watch_replays_from_a_version_and_says_gone_when_it_cannot(
    kube: Kube, cluster: Cluster
) -> None:
    start = (await kube.list(PODS)).resource_version
    await kube.create(PODS, pod("p"), "default")
    await kube.patch(PODS, "p", {"metadata": {"labels": {"a": "b"}}}, "default")
    await kube.delete(PODS, "p", "default", grace_seconds=0)
    seen: list[Event[Pod]] = []
    async with aclosing(kube.watch(PODS, resource_version=start, type=Pod)) as events:
        async for event in events:
            seen.append(event)
            if event.kind == "DELETED":
                break
    assert [e.kind for e in seen][:2] == ["ADDED", "MODIFIED"]
    versions = [int(e.resource_version) for e in seen]
    assert versions == sorted(set(versions))
    assert versions[0] > int(start)
    cluster.faults.gone = True
    with pytest.raises(errors.Gone):
        await anext(kube.watch(PODS, resource_version=start))


class Kubelet:
    """A node's back end that has three lines to say."""

    async def logs(self, pod: dict[str, Any], container: str, **asked: Any) -> AsyncIterator[bytes]:
        lines = [b"one\n", b"two\n", b"three\n"]
        for line in lines[-asked["tail_lines"] :]:
            yield line


async def test_logs_of_a_pod_are_read_through_the_api_server(kube: Kube, cluster: Cluster) -> None:
    cluster.kubelets["n"] = Kubelet()
    await kube.create(PODS, pod("p", nodeName="n"), "default")
    for follow in (False, True):
        log = kube.logs("default", "p", container="main", tail_lines=2, follow=follow)
        assert b"".join([piece async for piece in log]) == b"two\nthree\n"
    with pytest.raises(errors.NotFound):
        await anext(kube.logs("default", "not-there"))
    with pytest.raises(errors.Invalid, match="container"):
        await anext(kube.logs("default", "p", container="nope"))


async def test_permissions_are_asked_of_the_server(kube: Kube, cluster: Cluster) -> None:
    get_pods = Access("get", "pods", namespace="default")
    renew = Access("update", "leases", group="coordination.k8s.io", namespace="kube-node-lease")
    assert await kube.can_i([get_pods, renew]) == {get_pods: True, renew: True}


async def test_versions_and_clock_are_told(kube: Kube) -> None:
    assert (await kube.version())["gitVersion"].startswith("v1.")
    seen = kube.server_date()
    assert seen is not None
    assert abs(seen.skew) < 5


async def test_a_wrong_token_is_unauthorized(cluster: Cluster) -> None:
    text = cluster.kubeconfig_for("nobody", {"token": "wrong"})
    async with Kube(parse_kubeconfig(text).target("test"), policy=LOOPBACK) as kube:
        with pytest.raises(errors.Unauthorized):
            await kube.list(NAMESPACES)


async def test_a_missing_namespace_and_an_invalid_object_are_told_apart(kube: Kube) -> None:
    with pytest.raises(errors.NotFound):
        await kube.create(PODS, pod("p"), "nowhere")
    with pytest.raises(errors.Invalid) as caught:
        await kube.create(PODS, pod("Not_A_Name"), "default")
    assert caught.value.causes
    with pytest.raises(errors.Invalid):
        await kube.list(PODS, fields="spec.nonsense=1")


async def test_a_mirror_stays_equal_through_outages_and_forgotten_versions(
    kube: Kube, cluster: Cluster
) -> None:
    mirror: dict[str, str] = {}
    synced: list[bool] = []
    changed = asyncio.Event()

    async def on_list(items: list[Pod], version: str) -> None:
        mirror.clear()
        mirror.update({p.key: p.metadata.resource_version for p in items})
        changed.set()

    async def on_events(events: list[Event[Pod]]) -> None:
        for event in events:
            if event.kind == "DELETED":
                mirror.pop(event.object.key, None)
            else:
                mirror[event.object.key] = event.resource_version
        changed.set()

    reflector = Reflector(
        kube,
        PODS,
        type=Pod,
        on_list=on_list,
        on_events=on_events,
        on_state=lambda s: synced.append(s.synced),
        inactivity=1.0,
    )
    task = asyncio.create_task(reflector.run())

    async def equal() -> None:
        async with asyncio.timeout(10):
            while True:
                changed.clear()
                listing = await kube.list(PODS, type=Pod)
                wanted = {p.key: p.metadata.resource_version for p in listing.items}
                if mirror == wanted:
                    return
                await changed.wait()

    for index in range(5):
        await kube.create(PODS, pod(f"a{index}"), "default")
    await equal()
    cluster.faults.watch_stall = True
    await kube.create(PODS, pod("b"), "default")
    cluster.faults.watch_stall = False
    await equal()
    await kube.delete(PODS, "a0", "default", grace_seconds=0)
    await equal()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert synced[0]
    assert len(mirror) == 5
