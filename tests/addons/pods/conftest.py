"""A virtual node of the simulated cluster and cloud, and hands to move and look with."""

from __future__ import annotations

import json
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from addons.models import Cluster, PodRow, VirtualNode
from addons.pods.reconcile import reconcile_pod
from addons.runtime.clients import purpose
from addons.runtime.contract import Reconciler
from addons.runtime.drain import Limits, drain
from addons.runtime.loop import Runtime
from addons.sweep.sweep import reconcile_sweep
from kube import NAMESPACES, NODES, PODS, Kube, parse_kubeconfig
from kube.errors import NotFound
from kube.secret import Secret
from providers import registry, sealing, vault
from providers.models import CloudAccount, Instance
from tests.addons import cast, toy
from tests.addons.toy import ToyCloud
from tests.conftest import World

Json = dict[str, Any]
LIMITS = Limits(concurrency=64, slice_seconds=3.0, lease_seconds=15.0)
CLOUD = {"schedule_seconds": 0, "pull_seconds": 0.2, "run_seconds": 0, "latency_ms": 0}


class Control:
    """The control address of the simulated world."""

    def __init__(self, url: str) -> None:
        self._url = url

    def call(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self._url + path,
            data=data,
            method=method,
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def fault(self, **fields: Any) -> None:
        self.call("POST", "/eci/faults", fields)

    def knobs(self, **fields: Any) -> None:
        self.call("PUT", "/eci/knobs", fields)

    def instances(self) -> list[Json]:
        found = self.call("GET", "/eci/instances")
        return list(found["instances"] if isinstance(found, dict) else found)

    def calls(self, since: int = 0) -> list[Json]:
        return list(self.call("GET", f"/eci/calls?since={since}&limit=100000"))

    def writes(self, cluster: str, since: int = 0) -> list[Json]:
        found = self.call("GET", f"/clusters/{cluster}/history?since={since}&limit=100000")
        return list(found["writes"] if isinstance(found, dict) else found)


@dataclass
class Site:
    """One virtual node; `work` drains its shard and the sweep until a condition holds."""

    runtime: Runtime
    control: Control
    cluster: Cluster
    account: CloudAccount
    node: VirtualNode
    namespace: str

    async def kube(self) -> Kube:
        return await self.runtime.kube(self.cluster.pk)

    def create(self, name: str, **spec: Any) -> Json:
        body = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, **spec.pop("metadata", {})},
            "spec": {
                "nodeName": self.node.name,
                "containers": [{"name": "app", "image": "nginx:1.25"}],
                "automountServiceAccountToken": False,
                **spec,
            },
        }

        async def ask() -> Json:
            return await (await self.kube()).create(PODS, body, self.namespace)

        made = self.runtime.run(ask(), timeout=10)
        PodRow.objects.create(
            cluster=self.cluster,
            node=self.node,
            uid=made["metadata"]["uid"],
            namespace=self.namespace,
            name=name,
            created_at=datetime.now(UTC),
        )
        return made

    def get(self, name: str) -> Json | None:
        async def ask() -> Json | None:
            try:
                return await (await self.kube()).get(PODS, name, self.namespace)
            except NotFound:
                return None

        return self.runtime.run(ask(), timeout=10)

    def remove(self, name: str, **options: Any) -> None:
        async def ask() -> None:
            await (await self.kube()).delete(PODS, name, self.namespace, **options)

        self.runtime.run(ask(), timeout=10)

    def phase(self, name: str) -> str:
        found = self.get(name)
        return str(found["status"].get("phase")) if found else "gone"

    def key(self, name: str) -> str:
        return f"pod:{self.cluster.pk}:{self.namespace}/{name}"

    def queue(self, *names: str) -> None:
        now = self.runtime.clock.epoch()
        keys = {self.key(name): now for name in names}
        self.runtime.run(self.runtime.queue.add(self.node.shard, keys))

    def work(self, until: Callable[[], Any], *, seconds: float = 20.0, sweep: bool = True) -> Any:
        """Drain again and again; AssertionError when the condition stays false."""
        end = time.monotonic() + seconds
        while not (value := until()):
            assert time.monotonic() < end, f"not true within {seconds} s: {self.outcomes()}"
            self.drain(sweep=sweep)
        return value

    def drain(self, *, sweep: bool = True, find: Callable[[str], Reconciler] | None = None) -> None:
        async def ask() -> None:
            for account in self.node.accounts if sweep else ():
                shard = f"sweep:{account.pk}:{self.node.region}"
                await self.runtime.queue.add(shard, {shard: self.runtime.clock.epoch()})
                await drain(self.runtime, shard, limits=SWEEP_LIMITS, find=find or _find)
            await drain(self.runtime, self.node.shard, limits=LIMITS, find=find or _find)

        self.runtime.run(ask(), timeout=30)

    def outcomes(self) -> list[Any]:
        return list(PodRow.objects.values_list("name", "blocker", "blocker_values"))

    def instances(self) -> list[Json]:
        """Every instance that the cloud ever made for this namespace."""
        found = self.control.instances()
        return [i for i in found if i["tags"].get("spillway-namespace") == self.namespace]

    def rows(self) -> list[Instance]:
        return list(Instance.objects.filter(namespace=self.namespace).order_by("pk"))


SWEEP_LIMITS = Limits(concurrency=1, slice_seconds=0.5, lease_seconds=15.0)


def _find(key: str) -> Reconciler:
    return reconcile_sweep if key.startswith("sweep:") else reconcile_pod


@pytest.fixture
def site(world: World, runtime: Runtime, settings: Any) -> Iterator[Site]:
    settings.FULL_SWEEP_SECONDS = 2.0
    settings.SWEEP_SECONDS = 0.5
    control = Control(world.facts["control_url"])
    control.call("DELETE", "/eci/faults")
    control.knobs(**CLOUD, limits=False)
    cloud = world.facts["clouds"]["eci"]
    account = cast.account(endpoint=cloud["endpoint"], account_id=cloud["account_id"])
    key = cloud["keys"][0]
    sealing.seal_into(
        account,
        key_id=key["access_key_id"],
        secret=Secret(key["access_key_secret"]),
        token=Secret(""),
    )
    account.save()
    cluster = registered(world, account)
    zone = cloud["vswitches"][0]["zone"]
    node = cast.node(
        cluster,
        account=account,
        name=f"vk-{uuid.uuid4().hex[:6]}",
        zone=zone,
        security_group=cloud["security_group_id"],
        placements=[{"zone": v["zone"], "subnet": v["id"]} for v in cloud["vswitches"]],
    )
    made = Site(runtime, control, cluster, account, node, f"t-{uuid.uuid4().hex[:6]}")
    runtime.run(prepare(made), timeout=20)
    yield made
    control.call("DELETE", "/eci/faults")


def registered(world: World, account: CloudAccount) -> Cluster:
    kubeconfig = parse_kubeconfig(world.kubeconfig)
    target = kubeconfig.target(kubeconfig.current_context)
    cluster = cast.cluster(
        account=account,
        uid=f"uid-{uuid.uuid4().hex[:8]}",
        version="v1.36.1-aliyun.1",
        server=target.server,
        tls_server_name=target.tls_server_name,
        ca_pem=target.ca_pem,
        client_cert_pem=target.client_cert_pem,
    )
    for field, secret in (
        ("sealed_token", target.token),
        ("sealed_client_key", target.client_key_pem),
    ):
        if secret:
            setattr(cluster, field, vault.seal(secret, purpose(field, cluster.uid)))
    cluster.save()
    return cluster


async def prepare(site: Site) -> None:
    kube = await site.kube()
    taints = [{"key": "virtual", "effect": "NoSchedule"}]
    node = {"metadata": {"name": site.node.name}, "spec": {"taints": taints}}
    await kube.create(NODES, {"apiVersion": "v1", "kind": "Node", **node})
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": site.namespace}}
    await kube.create(NAMESPACES, space)


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> ToyCloud:
    """A cloud in memory without a token, changes, a catalogue or containers; provider `bare`."""
    monkeypatch.setitem(registry.PROVIDERS, "bare", toy.ENTRY)
    name = f"toy-{uuid.uuid4().hex[:6]}"
    toy.CLOUDS.clear()
    return toy.CLOUDS.setdefault(name, ToyCloud())


@pytest.fixture
def toy_site(cloud: ToyCloud, world: World, runtime: Runtime, settings: Any) -> Site:
    """A virtual node that this cloud serves."""
    settings.SWEEP_SECONDS, settings.FULL_SWEEP_SECONDS = 0.1, 0.5
    account = cast.account(provider="bare", endpoint=next(iter(toy.CLOUDS)), region="here")
    cluster = registered(world, account)
    name = f"toy-{uuid.uuid4().hex[:6]}"
    places = [{"zone": "here-a", "subnet": "net-a"}]
    node = cast.node(
        cluster,
        account=account,
        provider="bare",
        name=name,
        region="here",
        zone="here-a",
        placements=places,
    )
    control = Control(world.facts["control_url"])
    made = Site(runtime, control, cluster, account, node, f"t-{uuid.uuid4().hex[:6]}")
    runtime.run(prepare(made), timeout=20)
    return made
