"""A whole cluster watched: nodes kept alive, pods mirrored, news told, all from a real API."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from addons.announce import CHANNEL
from addons.models import Cluster, PodRow, VirtualNode
from addons.nodes import spec
from addons.pods import quantity
from addons.runtime.clients import purpose
from addons.runtime.ending import end
from addons.runtime.loop import Runtime
from addons.watch.service import Service
from kube import LEASES, NODES, PODS, Kube, parse_kubeconfig
from providers import vault
from tests.addons import cast
from tests.conftest import World

Check = Callable[[], Any]


def _capacity() -> dict[str, str]:
    return spec.capacity(None)


@pytest.fixture
def cluster(world: World, transactional_db: None) -> Iterator[Cluster]:
    config = parse_kubeconfig(world.kubeconfig)
    target = config.target(config.current_context or config.contexts[0].name)
    made = cast.cluster(
        server=target.server,
        ca_pem=target.ca_pem,
        client_cert_pem=target.client_cert_pem,
        tls_server_name=target.tls_server_name,
    )
    for field, secret in (
        ("sealed_token", target.token),
        ("sealed_client_key", target.client_key_pem),
    ):
        if secret:
            setattr(made, field, vault.seal(secret, purpose(field, made.uid)))
    made.save()
    return made


@pytest.fixture
def node(cluster: Cluster) -> VirtualNode:
    return cast.node(cluster, name=f"vk-{cluster.slug}", capacity=_capacity())


async def until(runtime: Runtime, check: Check, seconds: float = 15.0) -> Any:
    async with asyncio.timeout(seconds):
        while not (value := await runtime.db(check)):
            await asyncio.sleep(0.02)
    return value


@asynccontextmanager
async def watching(runtime: Runtime) -> AsyncIterator[None]:
    task = asyncio.create_task(Service(runtime).run())
    try:
        yield
    finally:
        await end(task)


@asynccontextmanager
async def ready(runtime: Runtime, node: VirtualNode) -> AsyncIterator[Kube]:
    """Watched, the node Ready; all of it removed from the cluster afterwards."""
    kube = await runtime.kube(node.cluster_id)
    rows = VirtualNode.objects.filter(pk=node.pk)
    try:
        async with watching(runtime):
            await until(runtime, rows.filter(state="ready", heartbeat_at__isnull=False).first)
            yield kube
    finally:
        for pod in (await kube.list(PODS, "default", labels=f"on={node.name}")).items:
            await kube.delete(PODS, pod["metadata"]["name"], "default", grace_seconds=0)
        await kube.delete(NODES, node.name)
        await kube.delete(LEASES, node.name, "kube-node-lease")


def pod(node: VirtualNode, name: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "labels": {"on": node.name}},
        "spec": {"nodeName": node.name, "containers": [{"name": "c", "image": "nginx"}]},
    }


def rows(name: str) -> Any:
    return PodRow.objects.filter(name=name)


def test_a_node_row_becomes_a_ready_node_with_a_lease(runtime: Runtime, node: VirtualNode) -> None:
    async def scenario() -> None:
        async with ready(runtime, node) as kube:
            seen = await kube.get(NODES, node.name)
            told = {c["type"]: c["status"] for c in seen["status"]["conditions"]}
            assert told["Ready"] == told["CloudReachable"] == "True"
            assert quantity.parse(seen["status"]["allocatable"]["pods"]) == 4000
            lease = await kube.get(LEASES, node.name, "kube-node-lease")
            assert lease["spec"]["leaseDurationSeconds"] == 40

    runtime.run(scenario(), timeout=60)


def test_an_upgrade_of_the_cluster_comes_to_its_row_and_its_nodes(
    runtime: Runtime, cluster: Cluster, node: VirtualNode
) -> None:
    async def scenario() -> None:
        async with ready(runtime, node) as kube:
            served = (await kube.version())["gitVersion"]
            assert served != cluster.version, "registered before the upgrade"
            await until(runtime, Cluster.objects.filter(pk=cluster.pk, version=served).first)
            async with asyncio.timeout(15):
                while (await kube.get(NODES, node.name))["status"]["nodeInfo"][
                    "kubeletVersion"
                ] != served:
                    await asyncio.sleep(0.1)

    runtime.run(scenario(), timeout=60)


def test_what_people_do_to_the_node_is_adopted_and_a_deleted_one_comes_back(
    runtime: Runtime, node: VirtualNode
) -> None:
    taint = {"key": "team", "value": "red", "effect": "NoSchedule"}
    row = VirtualNode.objects.filter(pk=node.pk)

    async def scenario() -> None:
        async with ready(runtime, node) as kube:
            before = await kube.get(NODES, node.name)
            change = {
                "metadata": {"labels": {"team": "red"}},
                "spec": {"unschedulable": True, "taints": [*before["spec"]["taints"], taint]},
            }
            await kube.patch(NODES, node.name, change)
            seen = await until(runtime, row.filter(unschedulable=True).first)
            assert seen.labels["team"] == "red"
            assert "team" in {t["key"] for t in seen.taints}
            await kube.delete(NODES, node.name)
            await until(runtime, row.filter(state="ready").exclude(uid=seen.uid).first)

    runtime.run(scenario(), timeout=60)


def test_account_trouble_taints_the_node_and_healing_cleans_it(
    runtime: Runtime, node: VirtualNode
) -> None:
    def account(trouble: str) -> None:
        type(node.account).objects.filter(pk=node.account_id).update(trouble=trouble)

    def tainted() -> bool:
        row = VirtualNode.objects.get(pk=node.pk)
        assert row.state == "ready"
        return any(t["key"] == spec.CLOUD_TAINT for t in row.taints)

    async def scenario() -> None:
        async with ready(runtime, node):
            await runtime.db(account, "Arrearage")
            await until(runtime, tainted)
            await runtime.db(account, "")
            await until(runtime, lambda: not tainted())

    runtime.run(scenario(), timeout=60)


def test_a_pod_event_is_a_row_a_key_and_news_within_a_moment(
    runtime: Runtime, node: VirtualNode
) -> None:
    async def news(channel: Any, pk: int) -> float:
        async for message in channel.listen():
            if message["type"] == "message":
                body = json.loads(message["data"])
                if body["topic"] == "pods" and pk in body["ids"]:
                    return time.monotonic()
        raise AssertionError("no news")

    async def scenario() -> list[float]:
        waits = []
        async with ready(runtime, node) as kube, runtime.redis.pubsub() as channel:
            await kube.create(PODS, pod(node, "web-1"))
            row = await until(runtime, rows("web-1").first)
            assert (row.node_id, row.status, row.phase) == (node.pk, "Pending", "Pending")
            assert await runtime.queue.next_due(node.shard) is not None
            await channel.subscribe(CHANNEL)
            for turn in range(10):
                listening = asyncio.create_task(news(channel, row.pk))
                await asyncio.sleep(0.1)
                before = time.monotonic()
                await kube.patch(
                    PODS, "web-1", {"metadata": {"labels": {"turn": str(turn)}}}, "default"
                )
                waits.append(await asyncio.wait_for(listening, 5) - before)
        return sorted(waits)

    waits = runtime.run(scenario(), timeout=60)
    assert waits[len(waits) // 2] < 0.15, waits


def test_a_deleted_pod_leaves_a_tombstone(runtime: Runtime, node: VirtualNode) -> None:
    async def scenario() -> None:
        async with ready(runtime, node) as kube:
            await kube.create(PODS, pod(node, "web-2"))
            await until(runtime, rows("web-2").first)
            await kube.delete(PODS, "web-2", "default", grace_seconds=0)
            await until(runtime, rows("web-2").exclude(gone_at=None).first)

    runtime.run(scenario(), timeout=60)


def test_pods_that_went_while_nobody_watched_are_found_gone(
    runtime: Runtime, node: VirtualNode
) -> None:
    async def scenario() -> None:
        async with ready(runtime, node) as kube:
            await kube.create(PODS, pod(node, "web-3"))
            await until(runtime, rows("web-3").first)
        kube = await runtime.kube(node.cluster_id)
        await kube.delete(PODS, "web-3", "default", grace_seconds=0)
        async with ready(runtime, node):
            await until(runtime, rows("web-3").exclude(gone_at=None).first)

    runtime.run(scenario(), timeout=90)


def test_a_cluster_that_fell_silent_is_said_so_within_fifteen_seconds(
    runtime: Runtime, node: VirtualNode, world: World
) -> None:
    faults = f"{world.facts['control_url']}/clusters/{world.facts['clusters'][0]['name']}/faults"
    row = Cluster.objects.filter(pk=node.cluster_id)

    def put(method: str, body: bytes | None = None) -> None:
        request = urllib.request.Request(faults, body, method=method)
        request.add_header("Content-Type", "application/json")
        urllib.request.urlopen(request, timeout=5).close()

    async def scenario() -> float:
        async with ready(runtime, node):
            await until(runtime, row.exclude(last_seen_at=None).first)
            before = time.monotonic()
            try:
                await runtime.db(put, "PUT", b'{"down": true}')
                unreachable = await until(runtime, row.filter(state="unreachable").first, 20)
                took = time.monotonic() - before
                assert unreachable.state_reason
            finally:
                await runtime.db(put, "DELETE")
            await until(runtime, row.filter(state="connected").first, 30)
            await until(runtime, VirtualNode.objects.filter(pk=node.pk, state="ready").first)
        return took

    assert runtime.run(scenario(), timeout=90) < 15


def test_another_process_takes_over_a_cluster_that_was_let_go(
    runtime: Runtime, node: VirtualNode
) -> None:
    leases = "watch:%d"

    def holder() -> str:
        from addons.models import ShardLease

        return ShardLease.objects.get(shard=leases % node.cluster_id).holder

    async def scenario() -> None:
        async with ready(runtime, node):
            first = await runtime.db(holder)
            async with watching(runtime):
                await asyncio.sleep(2.5)
                assert await runtime.db(holder) == first
        async with watching(runtime):
            await until(runtime, lambda: holder() not in {"", first})

    runtime.run(scenario(), timeout=60)
