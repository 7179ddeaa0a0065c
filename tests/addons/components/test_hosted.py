"""Hosted virtual nodes as a component: added, changed, taken away; with watch, queue and cloud."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import pytest

from addons.components import manage
from addons.models import Operation, VirtualNode
from addons.runtime.drain import Limits, drain
from addons.watch.service import Service
from kube import DEPLOYMENTS, LEASES, NODES, PODS
from kube.secret import Secret
from providers import sealing
from providers.models import Instance
from tests.addons import cast
from tests.addons.components.conftest import Json, Place, _open
from tests.addons.components.test_in_cluster import web

NAME = "hosted-virtual-node"
QUICK = {"schedule_seconds": 0, "pull_seconds": 0.1, "run_seconds": 0, "latency_ms": 0}
LIMITS = Limits(concurrency=64, slice_seconds=0.3, lease_seconds=15.0)


class Hosted:
    """The place with an ECI account, watched; `until` drains everything that is due."""

    def __init__(self, place: Place, eci: Json) -> None:
        self.place = place
        self.eci = eci
        key = eci["keys"][0]
        self.account = cast.account(endpoint=eci["endpoint"], account_id=eci["account_id"])
        sealing.seal_into(
            self.account,
            key_id=key["access_key_id"],
            secret=Secret(key["access_key_secret"]),
            token=Secret(""),
        )
        self.account.save()
        cluster = place.cluster
        cluster.account, cluster.kind = self.account, "ack"
        cluster.save()

    def values(self, count: int = 1) -> Json:
        switches = self.eci["vswitches"][:count]
        places = [{"zone": one["zone"], "subnet": one["id"]} for one in switches]
        return {
            "credential": self.account.pk,
            "placements": places,
            "security_group": self.eci["security_group_id"],
        }

    def instances(self) -> list[Json]:
        """Those that cost, of this cluster, by the cloud's own ledger."""
        return [
            one
            for one in self.place.control.instances()
            if one["tags"].get("spillway-cluster") == self.place.cluster.uid
            and one["deleted_at"] is None
            and one["ended_at"] is None
        ]

    def _drain(self) -> None:
        runtime, cluster = self.place.runtime, self.place.cluster

        async def call() -> None:
            now = runtime.clock.epoch()
            nodes = await runtime.db(_nodes, cluster.pk)
            shard = f"cluster:{cluster.pk}"
            await runtime.queue.add(shard, dict.fromkeys(await runtime.db(_open, cluster.pk), now))
            sweep = f"sweep:{self.account.pk}:{self.account.region}"
            await runtime.queue.add(sweep, {sweep: now})
            shards = [shard, sweep, *(f"node:{pk}" for pk in nodes)]
            await asyncio.gather(*(drain(runtime, one, limits=LIMITS) for one in shards))

        runtime.run(call(), timeout=60)

    def until(self, condition: Callable[[], Any], *, seconds: float = 40.0) -> None:
        end = time.monotonic() + seconds
        while not condition():
            newest = Operation.objects.filter(cluster=self.place.cluster).first()
            assert time.monotonic() < end, newest and newest.log[-5:]
            self._drain()

    def run(self, action: str, **more: Any) -> Operation:
        operation = self.place.start(NAME, action, **more)

        def over() -> bool:
            operation.refresh_from_db()
            return operation.ended_at is not None

        self.until(over, seconds=90)
        return operation


def _nodes(cluster_id: int) -> list[int]:
    return list(VirtualNode.objects.filter(cluster=cluster_id).values_list("pk", flat=True))


@pytest.fixture
def hosted(place: Place, world: Any, settings: Any) -> Iterator[Hosted]:
    settings.SWEEP_SECONDS, settings.FULL_SWEEP_SECONDS = 0.3, 1.0
    place.control.knobs(**QUICK, limits=False)
    made = Hosted(place, world.facts["clouds"]["eci"])
    watching: Future[None] = asyncio.run_coroutine_threadsafe(
        Service(place.runtime).run(), place.runtime.loop
    )
    yield made
    watching.cancel()


def test_fifty_pods_are_drained_and_the_end_is_proved(hosted: Hosted) -> None:
    place = hosted.place
    done = hosted.run("install", values=hosted.values())
    assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)
    row = place.row(NAME)
    assert row
    assert (row.state, row.version) == ("installed", "v0.1.0")
    (node,) = VirtualNode.objects.filter(cluster=place.cluster)
    assert hosted.instances() == [], "the canary is gone"

    place.ask(lambda k: k.create(DEPLOYMENTS, web("fifty", node.name, 50)))
    hosted.until(lambda: len(hosted.instances()) == 50, seconds=60)
    plan = manage.plan(place.cluster, NAME, action="uninstall")
    assert len(plan.affected) == 50
    assert plan.cost["CNY"] > 0
    done = hosted.run("uninstall")
    assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)
    assert hosted.instances() == []
    open_rows = Instance.objects.filter(cluster_uid=place.cluster.uid, state__in=Instance.OPEN)
    assert not open_rows.exists()
    proof = done.arguments["proof"]
    assert (proof["asked"], proof["instances"], proof["left"]) == (True, [], [])
    assert len(done.arguments["affected"]) == 50
    assert place.get(NODES, node.name) is None
    assert place.get(LEASES, node.name, "kube-node-lease") is None
    assert place.row(NAME) is None
    place.ask(lambda k: k.delete(DEPLOYMENTS, "fifty", "default"))
    pods = place.ask(lambda k: k.list(PODS, "default", labels="app=fifty")).items
    assert not [pod for pod in pods if pod["spec"].get("nodeName") == node.name]


def test_a_second_zone_is_a_configuration_and_taking_it_back_removes_its_node(
    hosted: Hosted,
) -> None:
    place = hosted.place
    assert hosted.run("install", values=hosted.values()).state == Operation.State.SUCCEEDED
    done = hosted.run("configure", values=hosted.values(2))
    assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)
    rows = VirtualNode.objects.filter(cluster=place.cluster)
    assert {len(node.placements) for node in rows} == {2}
    assert rows.count() == 2
    done = hosted.run("rollback", revision=1)
    assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)
    assert [len(node.placements) for node in rows.all()] == [1]
    done = hosted.run("uninstall")
    assert done.state == Operation.State.SUCCEEDED, (done.error, done.log)
