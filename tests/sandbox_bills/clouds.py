"""Accounts of both clouds in the test's own process whose instances ran yesterday."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from sandbox.clouds.acs.cloud import AcsCloud
from sandbox.clouds.acs.model import Instance
from sandbox.clouds.acs.store import Store as AcsStore
from sandbox.clouds.aliyun.account import AliyunAccount
from sandbox.clouds.billing import BILLING, day_of
from sandbox.clouds.eci.account import EciAccount
from sandbox.clouds.eci.actions import ACTIONS as ECI_ACTIONS
from sandbox.clouds.eci.actions import ECI
from sandbox.clouds.eci.actions import Call as EciCall
from sandbox.clouds.eci.model import Group
from sandbox.clouds.eci.parameters import nest
from sandbox.clouds.groups.store import Store
from sandbox.clouds.kci.actions import ACTIONS as KCI_ACTIONS
from sandbox.clouds.kci.actions import KCI
from sandbox.clouds.kci.actions import Call as KciCall
from sandbox.clouds.kci.cloud import KciCloud
from sandbox.clouds.kci.server import Gateway

REGION = "cn-hangzhou"
AT_ONCE = {"schedule_seconds": 0, "pull_seconds": 0}


@dataclass
class Clock:
    """The machine's time, unless it is held."""

    held: float | None = None

    def __call__(self) -> float:
        return time.time() if self.held is None else self.held


def on(day: date, hour: int = 10, minute: int = 0, second: int = 0) -> float:
    """Unix seconds of a time of a billing day."""
    at = datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=BILLING)
    return at.astimezone(UTC).timestamp()


def yesterday(hour: int = 10, minute: int = 0, second: int = 0) -> float:
    """Unix seconds of a time of yesterday's billing day."""
    return on(datetime.now(BILLING).date() - timedelta(days=1), hour, minute, second)


@dataclass
class Aliyun:
    """ECI and ACS of one account, and the gateway that answers for BSS."""

    account: AliyunAccount
    eci: EciAccount
    acs: AcsCloud
    clock: Clock
    day: date = field(default_factory=lambda: day_of(int(yesterday())))

    @property
    def url(self) -> str:
        return self.account.gateway.url

    def pair(self, note: str = "full access") -> tuple[str, str]:
        key = next(key for key in self.eci.first.keys.values() if key.note == note)
        return key.access_key_id, key.access_key_secret

    def turn(self, **knobs: Any) -> None:
        self.account.cloud.turn(knobs)

    def ran(self, at: float, seconds: int, **flat: Any) -> Group:
        """A group of ECI that began then and ran so long; it has ended."""
        cloud = self.eci.first
        self.clock.held = at
        wire = {
            "RegionId": REGION,
            "ContainerGroupName": "demo",
            "RestartPolicy": "Never",
            "Container.1.Name": "main",
            "Container.1.Image": "busybox",
            "Container.1.Command.1": "sleep",
            "Container.1.Command.2": str(seconds),
            **{name.replace("__", "."): str(value) for name, value in flat.items()},
        }
        key = next(iter(cloud.keys.values()))
        call = EciCall(cloud, key, wire, nest(wire), at, cloud.new_request_id(), "http://x")
        made = ECI_ACTIONS[ECI, "CreateContainerGroup"].handler(call)
        group = cloud.groups[made["ContainerGroupId"]]
        cloud.advance(at + seconds + 60)
        self.clock.held = None
        return group

    def pod(self, at: float, seconds: int, *, storage: int = 30) -> Instance:
        """An instance of ACS that began then and ran so long."""
        instance = Instance(
            id=f"acs-{int(at)}",
            seq=int(at),
            cluster="acs-hangzhou",
            namespace="default",
            pod="web-0",
            uid=f"uid-{int(at)}",
            node="n1",
            zone="cn-hangzhou-j",
            vswitch_id="",
            eni_id="",
            ip="",
            compute_class="general-purpose",
            qos="default",
            cpu="2",
            memory="4",
            storage=storage,
            created_at=at,
            client_token="",
            request_id="",
            billed_from=at,
            ended_at=at + seconds,
        )
        self.acs.store.put(instance)
        return instance


@asynccontextmanager
async def aliyun_account(directory: Path) -> AsyncIterator[Aliyun]:
    clock = Clock()
    options: dict[str, Any] = {"now": clock, "rng": random.Random(7)}
    eci = EciAccount(directory, (REGION,), **options)
    eci.first.knobs = eci.first.knobs.updated(AT_ONCE)
    await eci.start("127.0.0.1", 0)
    account = AliyunAccount(directory, eci, **options)
    acs = AcsCloud(AcsStore(None), **options)
    account.cloud.bills.acs = acs
    await account.start("127.0.0.1", 0)
    yield Aliyun(account, eci, acs, clock)
    await account.gateway.stop()
    await account.stop()
    await eci.stop()
    acs.store.close()


@dataclass
class Kingsoft:
    """KCI of one account and its gateway."""

    cloud: KciCloud
    gateway: Gateway
    clock: Clock
    day: date = field(default_factory=lambda: day_of(int(yesterday())))

    def pair(self, note: str = "full access") -> tuple[str, str]:
        key = next(key for key in self.cloud.keys.lasting() if key.note == note)
        return key.access_key_id, key.access_key_secret

    def turn(self, **knobs: Any) -> None:
        self.cloud.knobs = self.cloud.knobs.updated(knobs)

    def ran(self, at: float, seconds: int, name: str = "demo") -> Group:
        """A group that began then and ran so long; it has ended."""
        network = self.cloud.network
        flat = {
            "ContainerGroupName": name,
            "SubnetId": next(iter(network.subnets)),
            "SecurityGroupId.0": network.default_security_group.id,
            "RestartPolicy": "Never",
            "Container.0.Name": "main",
            "Container.0.Image": "busybox",
            "Container.0.Command.0": "sleep",
            "Container.0.Command.1": str(seconds),
        }
        self.clock.held = at
        call = KciCall(self.cloud, self.cloud.keys.lasting()[0], flat, at, "http://x")
        made = KCI_ACTIONS[(*KCI, "CreateContainerGroup")].answer(call)
        group = self.cloud.groups[made["ContainerGroupId"]]
        self.cloud.advance(at + seconds + 60)
        self.clock.held = None
        return group


@asynccontextmanager
async def kingsoft_account() -> AsyncIterator[Kingsoft]:
    clock = Clock()
    cloud = KciCloud(Store(None), now=clock, rng=random.Random(3))
    cloud.knobs = cloud.knobs.updated(AT_ONCE)
    gateway = Gateway(cloud)
    await gateway.start("127.0.0.1", 0)
    yield Kingsoft(cloud, gateway, clock)
    await gateway.stop()
    cloud.store.close()
