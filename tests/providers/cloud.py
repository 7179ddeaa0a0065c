"""The simulated ECI in this process, and clients for it."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kube.dial import AddressPolicy
from kube.secret import Secret
from providers.base import Container, InstanceSpec, Placement
from providers.eci.client import Eci
from providers.eci.wire import Key, Wire
from providers.tags import Owner, tags_of
from sandbox.clouds.aliyun.account import AliyunAccount
from sandbox.clouds.eci.account import EciAccount
from sandbox.clouds.eci.cloud import EciCloud
from sandbox.clouds.eci.server import Gateway
from sandbox.clouds.groups.faults import Fault

LOOPBACK = AddressPolicy.of(allow=["127.0.0.0/8"])
CONSOLE = "console-under-test"


@dataclass
class Place:
    """Where instances of a test go; `owner` tells the runs of a real account apart."""

    region: str
    placements: tuple[Placement, ...]
    security_group: str
    image: str = "registry-vpc.cn-hangzhou.aliyuncs.com/eci_open/busybox:1.30"
    seconds: float = 20.0
    # What a pod that asks for nothing is billed as.
    size: str = "2-4Gi"

    def spec(self, name: str, **changes: Any) -> InstanceSpec:
        fields: dict[str, Any] = {
            "name": name,
            "region": self.region,
            "placements": self.placements,
            "security_group": self.security_group,
            "containers": (Container("main", self.image, command=("sleep", "3600")),),
            "restart_policy": "Never",
            "tags": tags_of(Owner(CONSOLE, "c1", "n1", "default", name, f"uid-{name}", 1)),
        }
        return InstanceSpec(**fields | changes)


class Simulated:
    """The gateway and what is behind it. `plant` breaks it, `client` talks to it."""

    def __init__(self, cloud: EciCloud, gateway: Gateway) -> None:
        self.cloud = cloud
        self.gateway = gateway
        self._clients: list[Eci] = []

    @property
    def keys(self) -> dict[str, Key]:
        return {
            key.note: Key(key.access_key_id, Secret(key.access_key_secret), Secret(""))
            for key in self.cloud.keys.values()
        }

    @property
    def place(self) -> Place:
        network = self.cloud.network
        return Place(
            self.cloud.region,
            tuple(Placement(v.zone, v.id) for v in network.vswitches.values()),
            network.default_security_group.id,
        )

    def plant(self, action: str, **fault: Any) -> None:
        self.cloud.faults.plant(Fault(action=action, **fault))

    def turn(self, **knobs: Any) -> None:
        self.cloud.knobs = self.cloud.knobs.updated(knobs)

    def client(self, key: Key | None = None, **options: Any) -> Eci:
        async def at_once(_seconds: float) -> None:
            pass

        wire = Wire(
            key or self.keys["full access"],
            region=self.cloud.region,
            override=self.gateway.url,
            policy=LOOPBACK,
        )
        made = Eci(wire, **{"sleep": at_once} | options)
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
    options: dict[str, Any] = {"now": now, "rng": random.Random(7), "speed": speed}
    eci = EciAccount(directory, ("cn-hangzhou",), **options)
    neighbours = AliyunAccount(directory, eci, **options)
    neighbours.open()
    await eci.start("127.0.0.1", 0)
    made = Simulated(eci.first, eci.gateways["cn-hangzhou"])
    try:
        yield made
    finally:
        await made.aclose()
        await eci.stop()
        await neighbours.stop()
