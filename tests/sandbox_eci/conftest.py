"""A simulated account in the test's own process, and official clients that talk to it."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import pytest
from alibabacloud_eci20180808 import models as eci
from alibabacloud_eci20180808.client import Client as EciClient
from alibabacloud_tea_openapi import models as open_api

from sandbox.clouds.eci.actions import ACTIONS, ECI, Call
from sandbox.clouds.eci.cloud import EciCloud, Key
from sandbox.clouds.eci.model import Group
from sandbox.clouds.eci.parameters import nest
from sandbox.clouds.eci.server import Gateway
from sandbox.clouds.groups.store import Store

REGION = "cn-hangzhou"
START = 1_800_000_000.25


class HandClock:
    """Unix time that moves only when told to."""

    def __init__(self) -> None:
        self.at = START

    def __call__(self) -> float:
        return self.at


class ShiftedClock:
    """The machine's time plus what a test added; signatures stay valid up to 15 minutes."""

    def __init__(self) -> None:
        self.shift = 0.0

    def __call__(self) -> float:
        return time.time() + self.shift


@dataclass
class Account:
    """A cloud without a wire: actions are called directly, time moves by hand."""

    cloud: EciCloud
    clock: HandClock

    @property
    def key(self) -> Key:
        return next(iter(self.cloud.keys.values()))

    def call(self, action: str, **flat: Any) -> dict[str, Any]:
        """Call an ECI action with flat parameters; ``__`` stands for a dot."""
        wire = {"RegionId": REGION, **{k.replace("__", "."): str(v) for k, v in flat.items()}}
        now = self.clock()
        self.cloud.advance(now)
        call = Call(
            self.cloud, self.key, wire, nest(wire), now, self.cloud.new_request_id(), "http://x"
        )
        return ACTIONS[ECI, action].handler(call)

    def create(self, image: str = "nginx:1.27", **flat: Any) -> Group:
        """Create a group of one container called ``main``."""
        wanted = {
            "ContainerGroupName": "demo",
            "Container__1__Name": "main",
            "Container__1__Image": image,
            **flat,
        }
        return self.cloud.groups[self.call("CreateContainerGroup", **wanted)["ContainerGroupId"]]

    def run(self, *words: str, **flat: Any) -> Group:
        """Create a group whose container runs a command."""
        command = {f"Container__1__Command__{i}": word for i, word in enumerate(words, 1)}
        return self.create("busybox", **command, **flat)

    def pass_time(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.at += seconds
        self.cloud.advance(self.clock.at)


def account(store: Store | None = None, **knobs: Any) -> Account:
    """Return a fresh account whose instances start at once, unless knobs say otherwise."""
    clock = HandClock()
    cloud = EciCloud(store or Store(None), now=clock, rng=random.Random(7), region=REGION)
    cloud.knobs = cloud.knobs.updated({"schedule_seconds": 0, "pull_seconds": 0, **knobs})
    return Account(cloud, clock)


@dataclass
class Wire:
    """A cloud behind its HTTP server."""

    cloud: EciCloud
    gateway: Gateway
    clock: ShiftedClock

    def key(self, note: str = "full access") -> Key:
        return next(key for key in self.cloud.keys.values() if key.note == note)

    def config(self, key: Key | None = None, algorithm: str | None = None) -> open_api.Config:
        key = key or self.key()
        return open_api.Config(
            access_key_id=key.access_key_id,
            access_key_secret=key.access_key_secret,
            endpoint=self.gateway.url.removeprefix("http://"),
            protocol="http",
            region_id=REGION,
            signature_algorithm=algorithm,
        )

    def client(self, key: Key | None = None, algorithm: str | None = None) -> EciClient:
        return EciClient(self.config(key, algorithm))

    async def create(self, name: str = "demo", image: str = "nginx", **more: Any) -> str:
        """Create a group through the SDK and return its id."""
        command = more.pop("command", None)
        container = eci.CreateContainerGroupRequestContainer(
            name="main", image=image, command=command, cpu=1.0, memory=2.0
        )
        request = eci.CreateContainerGroupRequest(
            region_id=REGION, container_group_name=name, container=[container], **more
        )
        answer = await self.client().create_container_group_async(request)
        return str(answer.body.container_group_id)


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    clock = ShiftedClock()
    cloud = EciCloud(Store(None), now=clock, rng=random.Random(3), region=REGION)
    cloud.knobs = cloud.knobs.updated({"schedule_seconds": 0, "pull_seconds": 0})
    gateway = Gateway(cloud)
    await gateway.start("127.0.0.1", 0)
    yield Wire(cloud, gateway, clock)
    await gateway.stop()
    cloud.store.close()


async def wait_until(check: Callable[[], bool], seconds: float = 5.0) -> None:
    """Wait for a condition; fails after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, "the condition never came true"
        await asyncio.sleep(0.01)
