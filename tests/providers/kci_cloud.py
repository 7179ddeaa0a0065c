"""The simulated KCI in this process, and clients for it."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from kube.secret import Secret
from providers.base import Placement
from providers.kci.client import Kci
from providers.kingsoft.signing import Key
from providers.kingsoft.wire import Wire
from sandbox.clouds.groups.faults import Fault
from sandbox.clouds.groups.store import Store
from sandbox.clouds.kci import keys
from sandbox.clouds.kci.cloud import KciCloud
from sandbox.clouds.kci.server import Gateway
from tests.providers.cloud import LOOPBACK, Place

IMAGE = "hub.kce.ksyun.com/ksyun/busybox:1.30"


def key_of(key: keys.Key) -> Key:
    return Key(key.access_key_id, Secret(key.access_key_secret), Secret(key.token))


class Simulated:
    """The gateway and what is behind it. `plant` breaks it, `client` talks to it."""

    def __init__(self, cloud: KciCloud, gateway: Gateway) -> None:
        self.cloud = cloud
        self.gateway = gateway
        self._clients: list[Kci] = []

    @property
    def keys(self) -> dict[str, Key]:
        return {key.note: key_of(key) for key in self.cloud.keys.lasting()}

    @property
    def place(self) -> Place:
        network = self.cloud.network
        return Place(
            self.cloud.region,
            tuple(Placement(s.zone, s.id) for s in network.subnets.values()),
            network.default_security_group.id,
            image=IMAGE,
            size="2C4G",
        )

    def plant(self, action: str, **fault: Any) -> None:
        self.cloud.faults.plant(Fault(action=action, **fault))

    def turn(self, **knobs: Any) -> None:
        self.cloud.knobs = self.cloud.knobs.updated(knobs)

    def client(self, key: Key | None = None, **options: Any) -> Kci:
        async def at_once(_seconds: float) -> None:
            pass

        wire = Wire(
            key or self.keys["full access"],
            region=self.cloud.region,
            override=self.gateway.url,
            policy=LOOPBACK,
        )
        made = Kci(wire, **{"sleep": at_once} | options)
        self._clients.append(made)
        return made

    def calls(self, action: str) -> list[Any]:
        return list(self.cloud.store.calls(0, action, 10_000))

    async def aclose(self) -> None:
        for client in self._clients:
            await client.aclose()


@asynccontextmanager
async def simulated(
    directory: Path, *, speed: float = 20.0, now: Callable[[], float] = time.time
) -> AsyncIterator[Simulated]:
    store = Store(directory / "kci.sqlite3")
    cloud = KciCloud(store, now=now, rng=random.Random(7), speed=speed)
    gateway = Gateway(cloud)
    await gateway.start("127.0.0.1", 0)
    made = Simulated(cloud, gateway)
    try:
        yield made
    finally:
        await made.aclose()
        await gateway.stop()
        store.close()
