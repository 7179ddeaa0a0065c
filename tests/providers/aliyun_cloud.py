"""The simulated Container Service and RAM in this process, and clients for them."""

from __future__ import annotations

import json
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from kube.secret import Secret
from providers import registry
from providers.alibaba.cs import Cs
from providers.alibaba.ram import Ram
from providers.alibaba.signing import Key
from providers.alibaba.wire import Wire
from providers.base import Use
from sandbox.clouds.aliyun.account import AliyunAccount
from sandbox.clouds.aliyun.cs import Member
from sandbox.clouds.aliyun.state import Change
from sandbox.clouds.eci.account import EciAccount
from sandbox.clouds.groups.faults import Fault
from sandbox.cluster.vendors import ClusterSpec
from tests.providers.cloud import LOOPBACK

REGION = "cn-hangzhou"
PRO = ClusterSpec("ack-hangzhou", "ack-pro", REGION)
REGISTERED = ClusterSpec("idc-hangzhou", "ack-registered", REGION)


@dataclass
class Inside:
    """Clusters without anything in them: what was put there, by cluster id and add-on."""

    there: dict[tuple[str, str], str] = field(default_factory=dict)
    waits: str = ""

    async def apply(self, member: Member, change: Change, config: str) -> None:
        self.there[member.id, change.name] = config

    def resume(self, _member: Member, _name: str, _version: str, _config: str) -> None:
        pass

    async def remove(self, member: Member, name: str) -> None:
        self.there.pop((member.id, name), None)

    def waits_for(self, _member: Member, _name: str) -> str:
        return self.waits

    def resources(self, _member: Member, _name: str) -> list[dict[str, str]]:
        return []


def _member(spec: ClusterSpec, url: str) -> Member:
    client = SimpleNamespace(peek=lambda _plural: [])
    cluster: Any = SimpleNamespace(faults=SimpleNamespace(down=False), client=client, url=url)
    return Member(spec, cluster)


class Simulated:
    """The account and clients for it; two clusters, one ACK Pro and one registered."""

    def __init__(self, account: AliyunAccount, eci: EciAccount, inside: Inside) -> None:
        self.account = account
        self.eci = eci
        self.inside = inside
        self._open: list[Any] = []

    @property
    def url(self) -> str:
        return self.account.gateway.url

    def key(self, note: str = "full access") -> Key:
        key = next(k for k in self.eci.first.keys.values() if k.note == note)
        return Key(key.access_key_id, Secret(key.access_key_secret), Secret(""))

    def user(self, name: str, *uses: Use) -> Key:
        """The key of a RAM user who has the least policies for these uses."""
        ram, now = self.account.cloud.ram, time.time()
        user = ram.create_user(name, name, "", now)
        for use in uses:
            document = json.dumps(registry.dialect("eci").policies()[use])
            ram.create_policy(f"{name}-{use}", document, "", now)
            ram.attach(user, "Custom", f"{name}-{use}", now)
        made = ram.create_key(name, now)
        return Key(made.access_key_id, Secret(made.access_key_secret), Secret(""))

    def plant(self, action: str, **fault: Any) -> None:
        self.account.cloud.cs.faults.plant(Fault(action=action, **fault))

    def turn(self, **knobs: Any) -> None:
        self.account.cloud.turn(knobs)

    def calls(self, action: str) -> list[Any]:
        return list(self.account.cloud.store.calls(0, action, 10_000))

    def _wire(self, key: Key | None) -> Wire:
        made = Wire(key or self.key(), region=REGION, override=self.url, policy=LOOPBACK)
        self._open.append(made)
        return made

    def cs(self, key: Key | None = None) -> Cs:
        return Cs(self._wire(key))

    def ram(self, key: Key | None = None) -> Ram:
        return Ram(self._wire(key))

    async def aclose(self) -> None:
        for each in self._open:
            await each.aclose()


@asynccontextmanager
async def simulated(
    directory: Path, *, speed: float = 20.0, servers: tuple[str, str] = ("https://a:6443", "")
) -> AsyncIterator[Simulated]:
    options: dict[str, Any] = {"now": time.time, "rng": random.Random(7), "speed": speed}
    eci = EciAccount(directory, (REGION,), **options)
    await eci.start("127.0.0.1", 0)
    account = AliyunAccount(directory, eci, **options)
    inside = Inside()
    specs = zip((PRO, REGISTERED), servers, strict=True)
    account.cloud.inside = inside
    account.cloud.cs.open([_member(spec, url) for spec, url in specs], inside)
    await account.start("127.0.0.1", 0)
    made = Simulated(account, eci, inside)
    try:
        yield made
    finally:
        await made.aclose()
        await account.close()
        await account.stop()
        await eci.stop()
