"""A simulated Kingsoft Cloud account in the test's own process, and the official SDK before it."""

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from ksyun.client.kci.v20200702 import client as kci
from ksyun.common.credential import Credential
from ksyun.common.profile.client_profile import ClientProfile
from ksyun.common.profile.http_profile import HttpProfile

from sandbox.clouds.groups.model import Group
from sandbox.clouds.groups.store import Store
from sandbox.clouds.kci.actions import ACTIONS, KCI, Call
from sandbox.clouds.kci.cloud import KciCloud
from sandbox.clouds.kci.keys import Key
from sandbox.clouds.kci.server import Gateway

REGION = "cn-beijing-6"
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


def flat_of(value: Any, prefix: str = "") -> dict[str, str]:
    """Flatten parameters as the SDK does: dotted names, indexes from 0."""
    if isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        flat: dict[str, str] = {}
        for key, item in pairs:
            flat.update(flat_of(item, f"{prefix}.{key}" if prefix else str(key)))
        return flat
    return {prefix: str(value)}


@dataclass
class Account:
    """A cloud without a wire: actions are called directly, time moves by hand."""

    cloud: KciCloud
    clock: HandClock

    def call(self, action: str, **params: Any) -> dict[str, Any]:
        """Call a KCI action."""
        self.cloud.advance(self.clock())
        key = self.cloud.keys.lasting()[0]
        call = Call(self.cloud, key, flat_of(params), self.clock(), "http://x")
        return ACTIONS[(*KCI, action)].answer(call)

    def create(self, image: str = "nginx:1.27", **params: Any) -> Group:
        """Create a group that stands alone, of one container called ``main``."""
        network = self.cloud.network
        wanted = {
            "ContainerGroupName": "demo",
            "SubnetId": next(iter(network.subnets)),
            "SecurityGroupId": [network.default_security_group.id],
            "Container": [{"Name": "main", "Image": image}],
            **params,
        }
        wanted = {name: value for name, value in wanted.items() if value is not None}
        return self.cloud.groups[self.call("CreateContainerGroup", **wanted)["ContainerGroupId"]]

    def run(self, *words: str, **params: Any) -> Group:
        """Create a group whose container runs a command."""
        container = {"Name": "main", "Image": "busybox", "Command": list(words)}
        return self.create(Container=[container], **params)

    def shown(self, group: Group) -> dict[str, Any]:
        """Return a group as DescribeContainerGroup shows it."""
        answer = self.call("DescribeContainerGroup", ContainerGroupId=[group.id])
        return answer["ContainerGroups"][0]

    def pass_time(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.at += seconds
        self.cloud.advance(self.clock.at)


def account(store: Store | None = None, **knobs: Any) -> Account:
    """Return a fresh account whose instances start at once, unless knobs say otherwise."""
    clock = HandClock()
    cloud = KciCloud(store or Store(None), now=clock, rng=random.Random(7), region=REGION)
    cloud.knobs = cloud.knobs.updated({"schedule_seconds": 0, "pull_seconds": 0, **knobs})
    return Account(cloud, clock)


@dataclass
class Wire:
    """A cloud behind its HTTP server."""

    cloud: KciCloud
    gateway: Gateway
    clock: ShiftedClock

    def key(self, note: str = "full access") -> Key:
        return next(key for key in self.cloud.keys.by_id.values() if key.note == note)

    def client(
        self,
        maker: Any = kci.KciClient,
        *,
        key: Key | None = None,
        secret: str = "",
        method: str = "POST",
        region: str = REGION,
    ) -> Any:
        """Return an official client; only endpoint, protocol and method differ from usual."""
        key = key or self.key()
        endpoint = self.gateway.url.removeprefix("http://")
        profile = ClientProfile(
            httpProfile=HttpProfile(protocol="http", endpoint=endpoint, reqMethod=method)
        )
        credential = Credential(key.access_key_id, secret or key.access_key_secret)
        return maker(credential, region, profile=profile)

    async def call(self, model: Any, params: dict[str, Any] | None = None, **how: Any) -> Any:
        """Call the action of an SDK request model, in a thread; return the answer as JSON."""
        request = model()
        for name, value in (params or {}).items():
            assert hasattr(request, name), f"the SDK knows no {name}"
            setattr(request, name, value)
        client = self.client(**how)
        action = getattr(client, model.__name__.removesuffix("Request"))
        return json.loads(await asyncio.to_thread(action, request))

    def wanted(self, name: str = "demo", **params: Any) -> dict[str, Any]:
        """Return what a create needs, of a group that stands alone."""
        network = self.cloud.network
        return {
            "ContainerGroupName": name,
            "SubnetId": next(iter(network.subnets)),
            "SecurityGroupId": [network.default_security_group.id],
            "Container": [{"Name": "main", "Image": "nginx:1.27", "Cpu": 1.0, "Memory": 2.0}],
            **params,
        }


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    clock = ShiftedClock()
    cloud = KciCloud(Store(None), now=clock, rng=random.Random(3), region=REGION)
    cloud.knobs = cloud.knobs.updated({"schedule_seconds": 0, "pull_seconds": 0})
    gateway = Gateway(cloud)
    await gateway.start("127.0.0.1", 0)
    yield Wire(cloud, gateway, clock)
    await gateway.stop()
    cloud.store.close()
