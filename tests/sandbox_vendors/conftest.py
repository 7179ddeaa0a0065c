"""A world of two ACK clusters, and the official clients of CS, RAM and STS."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import pytest
from alibabacloud_cs20151215.client import Client as CsClient
from alibabacloud_ram20150501.client import Client as RamClient
from alibabacloud_sts20150401.client import Client as StsClient
from alibabacloud_tea_openapi import models as open_api

from sandbox.world import Settings, World

Pair = tuple[str, str]


async def until(check: Callable[[], Any], seconds: float = 10.0) -> Any:
    """Wait until a check is true and return what it returned."""
    deadline = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < deadline, "too late"
        await asyncio.sleep(0.02)
    return found


@dataclass
class House:
    """A world and its keys."""

    world: World

    def pair(self, note: str = "full access") -> Pair:
        keys = self.world.describe()["clouds"]["aliyun"]["keys"]
        key = next(key for key in keys if key["note"] == note)
        return key["access_key_id"], key["access_key_secret"]

    def config(self, pair: Pair | None = None, cloud: str = "aliyun", token: str = "") -> Any:
        about = self.world.describe()["clouds"][cloud]
        url = about["cs_endpoint"] if cloud == "aliyun" else about["endpoint"]
        key, secret = pair or self.pair()
        return open_api.Config(
            access_key_id=key,
            access_key_secret=secret,
            security_token=token or None,
            endpoint=url.removeprefix("http://"),
            protocol="http",
            region_id="cn-hangzhou",
        )

    def cs(self, pair: Pair | None = None) -> CsClient:
        return CsClient(self.config(pair))

    def ram(self, pair: Pair | None = None) -> RamClient:
        return RamClient(self.config(pair))

    def sts(self, pair: Pair | None = None) -> StsClient:
        return StsClient(self.config(pair))

    def id(self, name: str) -> str:
        return self.world.clusters.specs[name].id

    def cluster(self, name: str) -> Any:
        return self.world.clusters.running[name]


@pytest.fixture
async def house(tmp_path) -> AsyncIterator[House]:
    names = ("ack-hangzhou", "idc-zhangjiakou")
    world = World(Settings(tmp_path, base_port=None, clusters=names, speed=10.0))
    await world.start()
    yield House(world)
    await world.stop()
