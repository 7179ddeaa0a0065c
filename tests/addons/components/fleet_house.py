"""Clusters in a process of their own, registered, and a worker that takes every due shard."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from addons.components import apply, manage, release
from addons.components.steps.rollout import complete
from addons.models import Cluster, FleetUpgrade, Installation, Operation, Revision
from addons.operations import RUNNING
from addons.runtime import resync
from addons.runtime.clients import purpose
from addons.runtime.drain import Limits, drain
from addons.runtime.loop import Runtime
from kube import DEPLOYMENTS, NODES, Kube, parse_kubeconfig
from kube.secret import Secret
from providers import vault
from tests.addons import cast
from tests.conftest import wait_until

NAME, OLD, NEW = "ack-co-scheduler", "v1.0.1", "v1.1.0"
IMAGE = "registry-cn-hangzhou.ack.aliyuncs.com/acs/ack-co-scheduler"
LIMITS = Limits(concurrency=16, slice_seconds=0.5, lease_seconds=30.0)
AT_ONCE = 12


@contextmanager
def serving(directory: Path, count: int) -> Iterator[tuple[int, list[dict[str, str]]]]:
    """The process id of so many clusters, and the name and kubeconfig of each."""
    file, log = directory / "clusters.json", directory / "clusters.log"
    with log.open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.addons.components.many", str(directory), str(count)],
            stdout=out,
            stderr=out,
        )

    def answering() -> bool:
        assert process.poll() is None, log.read_text()[-2000:]
        return file.exists()

    try:
        wait_until(answering, seconds=120)
        yield process.pid, json.loads(file.read_text())
    finally:
        process.terminate()
        process.wait(60)


def register(name: str, kubeconfig: str) -> Cluster:
    parsed = parse_kubeconfig(kubeconfig)
    target = parsed.target(parsed.current_context)
    uid = f"uid-{uuid.uuid4().hex[:8]}"
    token = target.token or Secret("")
    return cast.cluster(
        slug=name,
        name=name,
        uid=uid,
        kind="self-managed",
        version="v1.36.1",
        server=target.server,
        tls_server_name=target.tls_server_name,
        ca_pem=target.ca_pem,
        sealed_token=vault.seal(token, purpose("sealed_token", uid)),
    )


@dataclass
class House:
    """`work` is a worker's part: resync once, then whatever is due, until a condition holds."""

    runtime: Runtime
    clusters: list[Cluster]

    def ask(self, cluster: Cluster, function: Callable[[Kube], Any]) -> Any:
        async def call() -> Any:
            return await function(await self.runtime.kube(cluster.pk))

        return self.runtime.run(call(), timeout=20)

    def install(self, version: str = OLD, *, seconds: float = 180.0) -> list[Installation]:
        """By real operations, on every cluster."""
        begun = [
            manage.start(
                cluster,
                NAME,
                action="install",
                version=version,
                delivery="in_cluster",
                actor="alice",
                team=cluster.team,
            )
            for cluster in self.clusters
        ]
        rows = Installation.objects.filter(cluster__in=self.clusters, component=NAME)
        self.work(lambda: rows.filter(state="installed").count() == len(begun), seconds=seconds)
        return list(rows.select_related("cluster").order_by("cluster__name"))

    def put(self, version: str = OLD) -> list[Installation]:
        """As an install would leave it: the objects in every cluster, the rows here."""
        rows = [self._row(cluster, version) for cluster in self.clusters]

        async def everywhere() -> None:
            await asyncio.gather(*(self._objects(row) for row in rows))

        self.runtime.run(everywhere(), timeout=120)
        return rows

    def _row(self, cluster: Cluster, version: str) -> Installation:
        row = Installation.objects.create(
            cluster=cluster,
            component=NAME,
            delivery="in_cluster",
            release=NAME,
            version=version,
            state=Installation.State.INSTALLED,
        )
        row.revisions.create(
            number=1,
            action="install",
            version=version,
            objects_applied=release.labelled(release.installed(row)),
            status=Revision.Status.DEPLOYED,
            actor="alice",
            created_at=cast.NOW,
        )
        return row

    async def _objects(self, row: Installation) -> None:
        kube = await self.runtime.kube(row.cluster_id)
        for obj in apply.ordered(release.labelled(release.installed(row))):
            await apply.put(kube, obj)
        # An earlier test may have left another image there, whose pod has to go first.
        async with asyncio.timeout(60):
            while not complete(await kube.get(DEPLOYMENTS, NAME, "kube-system")):
                await asyncio.sleep(0.05)

    def meddle(self, cluster: Cluster) -> None:
        """Somebody sets the image by hand: the field is theirs from then on."""
        container = {"name": NAME, "image": f"{IMAGE}:v1.0.2"}
        obj = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": NAME, "namespace": "kube-system"},
            "spec": {"template": {"spec": {"containers": [container]}}},
        }
        where = (DEPLOYMENTS, NAME, obj, "kube-system")
        by = {"field_manager": "somebody", "force": True}
        self.ask(cluster, lambda kube: kube.patch(*where, kind="apply", **by))

    def cordon(self, cluster: Cluster, closed: bool) -> None:
        """Back when the cluster's controllers have seen it: the taint is there, or gone."""
        spec = {"spec": {"unschedulable": closed}}
        self.ask(cluster, lambda kube: kube.patch(NODES, "node-1", spec))
        end = time.monotonic() + 10
        while True:
            node = self.ask(cluster, lambda kube: kube.get(NODES, "node-1"))
            keys = {taint["key"] for taint in node["spec"].get("taints") or ()}
            if ("node.kubernetes.io/unschedulable" in keys) is closed:
                return
            assert time.monotonic() < end, f"node-1 is not cordoned: {closed}"
            time.sleep(0.05)

    def idle(self) -> None:
        """Until no operation is under way, rollbacks included."""
        self.work(lambda: not Operation.objects.filter(state__in=RUNNING).exists())

    def images(self, *clusters: Cluster) -> set[str]:
        """What the clusters themselves say."""

        async def image(kube: Kube) -> str:
            live = await kube.get(DEPLOYMENTS, NAME, "kube-system")
            return str(live["spec"]["template"]["spec"]["containers"][0]["image"])

        return {self.ask(cluster, image) for cluster in clusters}

    def repair(self, row: Installation) -> None:
        """Take back the fields that others took; begun, not waited for."""
        cluster = row.cluster
        manage.start(cluster, NAME, action="repair", actor="alice", team=cluster.team)

    def work(self, until: Callable[[], Any], *, seconds: float = 180.0) -> Any:
        return self.runtime.run(self._work(until, seconds), timeout=seconds + 30)

    async def _work(self, until: Callable[[], Any], seconds: float) -> Any:
        """Drains run beside each other, one per shard, as in a worker's threads."""
        await resync.resync(self.runtime)
        end = time.monotonic() + seconds
        drains: dict[str, asyncio.Task[bool]] = {}
        try:
            while not (value := await self.runtime.db(until)):
                assert time.monotonic() < end, f"not true within {seconds} s"
                for shard in await self._due():
                    if shard not in drains and len(drains) < AT_ONCE:
                        work = drain(self.runtime, shard, limits=LIMITS)
                        drains[shard] = asyncio.create_task(work)
                await asyncio.sleep(0.05)
                drains = {shard: task for shard, task in drains.items() if not task.done()}
        finally:
            await asyncio.gather(*drains.values())
        return value

    async def _due(self) -> list[str]:
        due = await self.runtime.queue.shards(now=self.runtime.clock.epoch())
        return [shard for shard in due if shard.startswith(("cluster:", "fleet:"))]

    def settled(self, upgrade: FleetUpgrade, *states: str, seconds: float = 180.0) -> FleetUpgrade:
        """The upgrade in one of the states, with nothing under way."""

        def over() -> bool:
            upgrade.refresh_from_db()
            return upgrade.state in states and not upgrade.members.filter(state="running").exists()

        self.work(over, seconds=seconds)
        return upgrade
