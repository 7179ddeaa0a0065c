"""A cluster of the simulated world, operations driven by hand, and a stand-in virtual kubelet."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from addons.components import manage
from addons.models import Cluster, Installation, Operation
from addons.operations import RUNNING
from addons.runtime.drain import Limits, drain
from addons.runtime.loop import Runtime
from kube import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    CONFIGMAPS,
    CUSTOM_RESOURCE_DEFINITIONS,
    DEPLOYMENTS,
    NODES,
    PODS,
    SECRETS,
    SERVICE_ACCOUNTS,
    Kube,
)
from kube.errors import KubeError, NotFound
from kube.secret import Secret
from providers import sealing
from providers.models import CloudAccount
from tests.addons import cast
from tests.addons.pods.conftest import registered
from tests.conftest import World

Json = dict[str, Any]
LIMITS = Limits(concurrency=8, slice_seconds=0.3, lease_seconds=15.0)


@dataclass
class Place:
    """One cluster; `work` drains its operations until a condition holds."""

    runtime: Runtime
    cluster: Cluster
    account: CloudAccount
    # Names of nodes that the stand-in keeps, as a vendor's virtual kubelet would.
    played: set[str] = field(default_factory=set)
    deployment: str = "virtual-kubelet"

    def ask(self, function: Callable[[Kube], Any]) -> Any:
        async def call() -> Any:
            return await function(await self.runtime.kube(self.cluster.pk))

        return self.runtime.run(call(), timeout=20)

    def get(self, resource: Any, name: str, namespace: str | None = None) -> Json | None:
        async def call(kube: Kube) -> Json | None:
            try:
                return await kube.get(resource, name, namespace)
            except NotFound:
                return None

        found: Json | None = self.ask(call)
        return found

    def start(self, component: str, action: str, **more: Any) -> Operation:
        return manage.start(
            self.cluster, component, action=action, actor="alice", team=self.cluster.team, **more
        )

    def run(self, component: str, action: str, **more: Any) -> Operation:
        """The operation, after it has ended."""
        return self.ended(self.start(component, action, **more))

    def ended(self, operation: Operation, *, seconds: float = 30.0) -> Operation:
        def over() -> bool:
            operation.refresh_from_db()
            return operation.state not in RUNNING

        self.work(over, seconds=seconds, about=operation)
        return operation

    def work(
        self, until: Callable[[], Any], *, seconds: float = 30.0, about: Operation | None = None
    ) -> Any:
        end = time.monotonic() + seconds
        while not (value := until()):
            log = [line["text"] for line in about.log[-5:]] if about else ""
            assert time.monotonic() < end, f"not true within {seconds} s: {log}"
            self.play()
            self.drain()
        return value

    def drain(self) -> None:
        async def call() -> None:
            queue, shard = self.runtime.queue, f"cluster:{self.cluster.pk}"
            open_ = await self.runtime.db(_open, self.cluster.pk)
            await queue.add(shard, dict.fromkeys(open_, self.runtime.clock.epoch()))
            await drain(self.runtime, shard, limits=LIMITS)

        self.runtime.run(call(), timeout=30)

    def row(self, component: str) -> Installation | None:
        return Installation.objects.filter(cluster=self.cluster, component=component).first()

    def play(self) -> None:
        """A Node while the Deployment is up; pods bound to it run, and go when they are deleted."""
        for name in self.played:
            self.ask(lambda kube, name=name: _play(kube, name, self.deployment))


def _open(cluster_id: int) -> list[str]:
    rows = Operation.objects.filter(cluster=cluster_id, state__in=RUNNING)
    return [f"operation:{pk}" for pk in rows.values_list("pk", flat=True)]


async def _play(kube: Kube, name: str, deployment: str) -> None:
    pods = await kube.list(PODS, "kube-system", labels=f"k8s-app={deployment}")
    if any((p["status"] or {}).get("phase") == "Running" for p in pods.items):
        await _register(kube, name)
    for pod in (await kube.list(PODS, fields=f"spec.nodeName={name}")).items:
        meta = pod["metadata"]
        try:
            if meta.get("deletionTimestamp"):
                await kube.delete(PODS, meta["name"], meta["namespace"], grace_seconds=0)
            elif (pod.get("status") or {}).get("phase") == "Pending":
                now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
                ready = {"type": "Ready", "status": "True", "lastTransitionTime": now}
                status = {"phase": "Running", "startTime": now, "conditions": [ready]}
                await kube.patch(
                    PODS,
                    meta["name"],
                    {"status": status},
                    meta["namespace"],
                    subresource="status",
                )
        except NotFound:
            continue


async def _register(kube: Kube, name: str) -> None:
    ready = [{"type": "Ready", "status": "True", "reason": "KubeletReady"}]
    node = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"type": "virtual-kubelet"}},
        "spec": {
            "taints": [
                {
                    "key": "virtual-kubelet.io/provider",
                    "value": "kingsoftcloud",
                    "effect": "NoSchedule",
                }
            ]
        },
        "status": {
            "conditions": ready,
            "capacity": {"cpu": "100", "memory": "400Gi", "pods": "1000"},
            "allocatable": {"cpu": "100", "memory": "400Gi", "pods": "1000"},
        },
    }
    try:
        await kube.create(NODES, node)
    except KubeError:
        return
    await kube.patch(NODES, name, {"status": node["status"]}, subresource="status")


@pytest.fixture
def place(
    world: World, runtime: Runtime, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Place]:
    monkeypatch.setattr(manage, "runtime", lambda: runtime)
    account = cast.account(provider="kci", region="cn-beijing-6")
    sealing.seal_into(
        account, key_id="AKLTtest", secret=Secret("a very secret key"), token=Secret("")
    )
    account.save()
    cluster = registered(world, account)
    cluster.version = "v1.36.1"
    cluster.kind = "self-managed"
    cluster.save()
    made = Place(runtime, cluster, account)
    yield made
    runtime.run(_clean(runtime, cluster.pk), timeout=20)


_OURS = (
    *(DEPLOYMENTS, SERVICE_ACCOUNTS, CLUSTER_ROLES, CLUSTER_ROLE_BINDINGS, SECRETS, CONFIGMAPS),
    CUSTOM_RESOURCE_DEFINITIONS,
)


async def _clean(runtime: Runtime, cluster_id: int) -> None:
    """Leave the shared cluster as it was found."""
    kube = await runtime.kube(cluster_id)
    marked = "app.kubernetes.io/managed-by=spillway"
    for resource in _OURS:
        for item in (await kube.list(resource, labels=marked)).items:
            meta = item["metadata"]
            await kube.delete(resource, meta["name"], meta.get("namespace"))
    for item in (await kube.list(SECRETS, "kube-system", labels="owner=helm")).items:
        await kube.delete(SECRETS, item["metadata"]["name"], "kube-system")
    for node in (await kube.list(NODES, labels="type=virtual-kubelet")).items:
        await kube.delete(NODES, node["metadata"]["name"])


@pytest.fixture
def kci(place: Place) -> Place:
    """Its values are `VALUES`; the virtual kubelet is the stand-in."""
    place.played.add("vk-kci")
    return place


def values(place: Place, **more: Any) -> Json:
    return {
        "credential": place.account.pk,
        "KCI_CLUSTER_ID": f"c-{uuid.uuid4().hex[:8]}",
        "KCI_REGION": "cn-beijing-6",
        "nodename": "vk-kci",
        **more,
    }
