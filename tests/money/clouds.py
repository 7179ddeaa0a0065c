"""The three simulated clouds on one clock that the test moves, and what their meters counted."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from providers.base import InstanceSpec, Provider
from sandbox.clouds.acs import meter as acs_meter
from sandbox.clouds.acs.cloud import AcsCloud
from sandbox.clouds.acs.extension import AcsCluster
from sandbox.clouds.acs.store import Store as AcsStore
from sandbox.clouds.groups import meter as group_meter
from sandbox.clouds.groups.faults import Fault
from sandbox.clouds.groups.model import TERMINAL
from sandbox.cluster.clock import ManualClock
from sandbox.cluster.cluster import Cluster
from sandbox.cluster.controllers.config import Config
from tests.providers import acs_cloud, cloud, kci_cloud


@dataclass(frozen=True, slots=True)
class Counted:
    """What a cloud's own meter says of one instance: whole seconds, and the ends it shows."""

    id: str
    seconds: int
    begin: datetime | None
    end: datetime | None
    tags: dict[str, str]


def _shown(at: float | None) -> datetime | None:
    return None if at is None else datetime.fromtimestamp(int(at), UTC)


class Timed:
    """Time for the clouds and for us, moved by hand."""

    def __init__(self, start: datetime) -> None:
        self.clock = ManualClock(start)
        self._last = start

    def now(self) -> datetime:
        """Never the same twice, as in life: of two answers one is the later."""
        at = self.clock.now()
        self._last = max(at, self._last + timedelta(microseconds=1))
        return self._last

    def unix(self) -> float:
        return self.clock.now().timestamp()


class Simulated(Protocol):
    """One cloud of the run."""

    name: str
    client: Provider

    def spec(self, name: str, **changes: Any) -> InstanceSpec: ...
    def counted(self) -> Iterator[Counted]: ...
    def blind(self, *, on: bool) -> None: ...
    def lose(self, what: str) -> None: ...
    def die(self, instance_id: str, reason: str) -> None: ...
    def settle(self) -> None: ...


class Groups:
    """ECI or KCI."""

    def __init__(self, name: str, simulated: Any, time: Timed) -> None:
        self.name, self._simulated, self._time = name, simulated, time
        self.client = simulated.client()
        self.client.wire.now = time.now
        simulated.turn(limits=False, stop_seconds=4, quota_cpu=100_000)

    def spec(self, name: str, **changes: Any) -> InstanceSpec:
        return self._simulated.place.spec(name, **changes)

    def settle(self) -> None:
        self._simulated.cloud.advance(self._time.unix())

    def counted(self) -> Iterator[Counted]:
        self.settle()
        now = self._time.unix()
        for group in self._simulated.cloud.store.groups():
            yield Counted(
                group.id,
                group_meter.billed_seconds(group, now),
                _shown(group_meter.billed_from(group)),
                _shown(group_meter.billed_to(group)),
                {**group.tags, "name": group.name},
            )

    def blind(self, *, on: bool) -> None:
        faults = self._simulated.cloud.faults
        faults.clear()
        if on:
            faults.plant(Fault(code="ServiceUnavailable", times=None))

    def lose(self, what: str) -> None:
        """The next create gets no answer: four calls, since the client repeats it."""
        lost = {"lost_answer": True} if what == "answer" else {"lost_request": True}
        self._simulated.plant("CreateContainerGroup", times=4, **lost)

    def found(self) -> None:
        self._simulated.cloud.faults.clear()

    def die(self, instance_id: str, reason: str) -> None:
        self.settle()
        cloud = self._simulated.cloud
        group = cloud.groups.get(instance_id)
        if group is None or group.status in TERMINAL or group.status == "Scheduling":
            return
        cloud.lifecycle.kill(group, self._time.unix(), reason, 137)
        cloud.settle(group)

    def sold_out(self, *, on: bool) -> None:
        places = self._simulated.place.placements
        self._simulated.turn(stock={p.zone: "late" for p in places} if on else {})


class Acs:
    """Pods of a simulated ACS cluster; its loops follow the same clock."""

    name = "acs"

    def __init__(self, simulated: acs_cloud.Simulated, time: Timed, runner: Any) -> None:
        self._simulated, self._time, self._runner = simulated, time, runner
        self.client = simulated.client(now=time.now, monotonic=time.clock.monotonic)

    def spec(self, name: str, **changes: Any) -> InstanceSpec:
        labels = {"alibabacloud.com/compute-class": "general-purpose"}
        return self._simulated.place.spec(name, labels=labels, **changes)

    def counted(self) -> Iterator[Counted]:
        now = self._time.unix()
        for one in self._simulated.cloud.instances.values():
            yield Counted(
                one.pod,
                acs_meter.billed_seconds(one, now),
                _shown(one.billed_from),
                _shown(acs_meter.billed_to(one)),
                {"name": one.pod},
            )

    def blind(self, *, on: bool) -> None:
        self._simulated.cluster.faults.down = on

    def lose(self, what: str) -> None:
        del what

    def found(self) -> None:
        pass

    def die(self, instance_id: str, reason: str) -> None:
        one = next((i for i in self._simulated.cloud.living() if i.pod == instance_id), None)
        evictions = self._simulated.cloud.clusters["acs-hangzhou"].evictions
        if one is not None and evictions is not None:
            self._runner.run(evictions.end(one, reason, "The host failed.", 137))

    def settle(self) -> None:
        pass

    def sold_out(self, *, on: bool) -> None:
        places = self._simulated.place.placements
        self._simulated.turn(stock={p.zone: False for p in places} if on else {})


class Everything:
    """The clouds of a run on one event loop. Use as a context manager."""

    def __init__(self, folder: Path, start: datetime, names: tuple[str, ...]) -> None:
        self.time = Timed(start)
        self.clouds: dict[str, Any] = {}
        self._folder, self._names = folder, names
        self._stack = AsyncExitStack()
        self._runner = asyncio.Runner()

    def run(self, work: Any) -> Any:
        return self._runner.run(work)

    def __enter__(self) -> Everything:
        self._runner.run(self._open())
        return self

    def __exit__(self, *_: Any) -> None:
        self._runner.run(self._stack.aclose())
        self._runner.close()

    async def _open(self) -> None:
        now = self.time.unix
        for name in self._names:
            if name == "acs":
                made: Any = await self._stack.enter_async_context(_Cluster(self.time))
                self.clouds[name] = Acs(made, self.time, self._runner)
                continue
            place = self._folder / name
            place.mkdir(parents=True, exist_ok=True)
            opened = {"eci": cloud.simulated, "kci": kci_cloud.simulated}[name]
            made = await self._stack.enter_async_context(opened(place, speed=1.0, now=now))
            self.clouds[name] = Groups(name, made, self.time)

    def advance(self, seconds: float) -> None:
        """Move on: the loops of the cluster work at each instant, the other clouds when asked."""
        self._runner.run(self._advance(seconds))
        for one in self.clouds.values():
            one.settle()

    async def _advance(self, seconds: float) -> None:
        steps = max(1, round(seconds)) if "acs" in self.clouds else 1
        for _ in range(steps):
            await self.time.clock.advance(seconds / steps)
            if "acs" in self.clouds:
                await _calm()


async def _calm() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


class _Cluster:
    """`acs_cloud.simulated` on a clock of our own."""

    def __init__(self, time: Timed) -> None:
        self._time = time

    async def __aenter__(self) -> acs_cloud.Simulated:
        self._cloud = AcsCloud(AcsStore(None), now=self._time.unix, rng=random.Random(5))
        self._cluster = Cluster(
            "acs-hangzhou",
            seed=3,
            clock=self._time.clock,
            config=Config(nodes=(), coredns_replicas=0),
            extensions=[AcsCluster(self._cloud, "acs-hangzhou", "v1.36.1-aliyun.1")],
        )
        await self._cluster.start()
        self._made = acs_cloud.Simulated(self._cloud, self._cluster)
        pump = asyncio.create_task(self._pump())
        try:
            await self._made.grant()
        finally:
            pump.cancel()
        return self._made

    async def _pump(self) -> None:
        while True:
            await self._time.clock.advance(0.05)
            await asyncio.sleep(0.005)

    async def __aexit__(self, *_: Any) -> None:
        await self._made.aclose()
        await self._cluster.stop()
        await self._cloud.stop()
