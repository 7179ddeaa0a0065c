"""KCE's component API through the real client, against a simulated cluster."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from kube.secret import Secret
from providers.errors import AccountTrouble, InvalidSpec, NotFound
from providers.kingsoft.kce import Kce
from providers.kingsoft.signing import Key
from providers.kingsoft.wire import Wire
from providers.vendor import AddonState
from sandbox.world import Settings, World
from tests.providers.cloud import LOOPBACK

NAME = "virtual-kubelet"


class Account:
    """The account that the world's KCE cluster belongs to."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.about: dict[str, Any] = world.describe()["clouds"]["kci"]
        self.cluster_id = world.clusters.specs["kce-beijing"].id

    def client(self, secret: str = "") -> Kce:
        key = next(k for k in self.about["keys"] if k.get("note") == "full access")
        made = Key(key["access_key_id"], Secret(secret or key["access_key_secret"]), Secret(""))
        region, url = self.about["region"], self.about["endpoint"]
        return Kce(Wire(made, region=region, override=url, policy=LOOPBACK))

    @property
    def config(self) -> dict[str, Any]:
        subnet = self.about["subnets"][0]["id"]
        settings = {
            "k8s.ksyun.com/kci-subnet-id": subnet,
            "k8s.ksyun.com/kci-security-group-id": self.about["security_group_id"],
        }
        return {"nodename": "vk01", "enableNodeLease": True, "instanceSettings": settings}


@pytest.fixture
async def account(tmp_path: Path) -> AsyncIterator[Account]:
    world = World(Settings(tmp_path, base_port=None, clusters=("kce-beijing",), speed=20.0))
    await world.start()
    yield Account(world)
    await world.stop()


async def until(holds: Callable[[], Awaitable[Any]], seconds: float = 20.0) -> Any:
    async with asyncio.timeout(seconds):
        while not (found := await holds()):
            await asyncio.sleep(0.05)
    return found


async def test_the_virtual_kubelet_is_installed_changed_and_deleted(account: Account) -> None:
    kce, cluster = account.client(), account.cluster_id
    [found] = await kce.clusters()
    assert (found.id, found.kind, found.connected) == (cluster, "kce", True)
    server = account.world.clusters.running["kce-beijing"].url
    assert found.endpoints == (server,)
    assert await kce.cluster(cluster) == found
    with pytest.raises(NotFound):
        await kce.addon(cluster, NAME)

    async def ready() -> Any:
        there = await kce.addon(cluster, NAME)
        assert there.state is not AddonState.FAILED, there.told
        return there if there.state is AddonState.READY else None

    offered = await kce.offered(found, NAME, version="v1.3.0")
    assert [(one.version, one.kubernetes) for one in offered.newer] == [("v1.3.1", "v1.13.0")]
    with pytest.raises(NotFound):
        await kce.offered(found, NAME, version="v9.0.0")
    assert not (await kce.offered(found, "not-listed", version="v1")).certain
    await kce.install(cluster, NAME, version="v1.3.0", config=account.config)
    assert [task.id for task in await kce.busy(cluster)] == [NAME]
    there = await until(ready)
    assert (there.version, there.config) == ("v1.3.0", account.config)
    config = {**account.config, "clusterDomain": "cluster.local"}
    await kce.upgrade(cluster, NAME, current="v1.3.0", version="v1.3.1", config=config)
    assert (await until(ready)).version == "v1.3.1"
    await kce.configure(cluster, NAME, account.config)
    there = await until(ready)
    assert (there.version, there.config) == ("v1.3.1", account.config)
    await kce.uninstall(cluster, NAME)

    async def gone() -> bool:
        return not await kce.installed(cluster)

    await until(gone)
    await kce.aclose()


async def test_what_kce_declines_with_200_is_an_error_and_so_is_a_wrong_key(
    account: Account,
) -> None:
    kce = account.client()
    with pytest.raises(InvalidSpec, match="no version v0"):
        await kce.install(account.cluster_id, NAME, version="v0", config={})
    with pytest.raises(NotFound):
        await kce.cluster("0")
    await kce.aclose()
    wrong = account.client(secret="not it")
    with pytest.raises(AccountTrouble):
        await wrong.clusters()
    await wrong.aclose()
