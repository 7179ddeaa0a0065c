"""The server keeps up on the wire: creates, status patches, lists, one watcher sees it all."""

import asyncio
import base64
import json
import ssl
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import yaml

from sandbox.cluster.cluster import Cluster

from .serving import Obj, pod

PODS = 1_000
AT_ONCE = 16


@pytest.fixture
async def wire(tmp_path: Any) -> AsyncIterator[tuple[Cluster, aiohttp.ClientSession]]:
    cluster = Cluster("fast", state_dir=tmp_path, controllers=False)
    await cluster.start()
    found = yaml.safe_load(cluster.kubeconfig(token=True))
    authority = base64.b64decode(found["clusters"][0]["cluster"]["certificate-authority-data"])
    context = ssl.create_default_context(cadata=authority.decode())
    headers = {"Authorization": f"Bearer {found['users'][0]['user']['token']}"}
    connector = aiohttp.TCPConnector(ssl=context)
    async with aiohttp.ClientSession(cluster.url, headers=headers, connector=connector) as session:
        yield cluster, session
    await cluster.stop()


async def each(work: Any) -> float:
    """Run ``work(n)`` for every pod, a few at a time; returns how many a second."""
    numbers = iter(range(PODS))

    async def worker() -> None:
        for number in numbers:
            await work(number)

    begun = time.monotonic()
    await asyncio.gather(*(worker() for _ in range(AT_ONCE)))
    return PODS / (time.monotonic() - begun)


async def watcher(
    session: aiohttp.ClientSession, seen: dict[str, str], begun: asyncio.Event
) -> None:
    async with session.get("/api/v1/pods", params={"watch": "true"}) as answer:
        begun.set()
        async for line in answer.content:
            event: Obj = json.loads(line)
            seen[event["object"]["metadata"]["name"]] = event["object"]["status"]["phase"]
            if len(seen) == PODS and set(seen.values()) == {"Running"}:
                return


async def test_a_thousand_pods_are_created_patched_listed_and_watched(
    wire: tuple[Cluster, aiohttp.ClientSession],
) -> None:
    _, session = wire
    path = "/api/v1/namespaces/default/pods"
    merge = {"Content-Type": "application/merge-patch+json"}
    running = json.dumps({"status": {"phase": "Running", "podIP": "10.0.0.1"}})
    seen: dict[str, str] = {}
    begun = asyncio.Event()
    watching = asyncio.create_task(watcher(session, seen, begun))
    await begun.wait()

    async def create(number: int) -> None:
        async with session.post(path, json=pod(f"p{number}", nodeName="vk")) as answer:
            assert answer.status == 201

    async def patch(number: int) -> None:
        where = f"{path}/p{number}/status"
        async with session.patch(where, data=running, headers=merge) as answer:
            assert answer.status == 200

    created, patched = await each(create), await each(patch)
    await asyncio.wait_for(watching, 10)
    async with session.get(path) as answer:
        assert len((await answer.json())["items"]) == PODS
    assert created > 300, f"{created:.0f} creates/s"
    assert patched > 300, f"{patched:.0f} status patches/s"
    print(f"{created:.0f} creates/s, {patched:.0f} status patches/s")  # noqa: T201
