"""A cluster of the simulated world, operations driven by hand, and KCI's account."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
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
    SECRETS,
    SERVICE_ACCOUNTS,
    Kube,
)
from kube.errors import NotFound
from kube.secret import Secret
from providers import sealing
from providers.models import CloudAccount
from tests.addons import cast
from tests.addons.pods.conftest import Control, registered
from tests.conftest import World

Json = dict[str, Any]
LIMITS = Limits(concurrency=8, slice_seconds=0.01, lease_seconds=15.0)


@dataclass
class Place:
    """One cluster; `work` drains its operations until a condition holds."""

    runtime: Runtime
    cluster: Cluster
    account: CloudAccount
    control: Control
    cloud: Json

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

    def ended(self, operation: Operation, *, seconds: float = 90.0) -> Operation:
        def over() -> bool:
            operation.refresh_from_db()
            return operation.state not in RUNNING

        self.work(over, seconds=seconds, about=operation)
        return operation

    def work(
        self, until: Callable[[], Any], *, seconds: float = 90.0, about: Operation | None = None
    ) -> Any:
        end = time.monotonic() + seconds
        while not (value := until()):
            log = [line["text"] for line in about.log[-5:]] if about else ""
            assert time.monotonic() < end, f"not true within {seconds} s: {log}"
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


def _open(cluster_id: int) -> list[str]:
    rows = Operation.objects.filter(cluster=cluster_id, state__in=RUNNING)
    return [f"operation:{pk}" for pk in rows.values_list("pk", flat=True)]


@pytest.fixture
def place(
    world: World, runtime: Runtime, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Place]:
    monkeypatch.setattr(manage, "runtime", lambda: runtime)
    control = Control(world.facts["control_url"])
    cloud = world.facts["clouds"]["kci"]
    control.call("PUT", "/kci/knobs", {"schedule_seconds": 0, "pull_seconds": 0.1})
    account = cast.account(provider="kci", region=cloud["region"], endpoint=cloud["endpoint"])
    key = next(k for k in cloud["keys"] if k.get("note") == "full access")
    sealing.seal_into(
        account,
        key_id=key["access_key_id"],
        secret=Secret(key["access_key_secret"]),
        token=Secret(""),
    )
    account.save()
    cluster = registered(world, account)
    cluster.version = "v1.36.1"
    cluster.kind = "self-managed"
    cluster.save()
    made = Place(runtime, cluster, account, control, cloud)
    yield made
    runtime.run(_clean(runtime, cluster.pk), timeout=20)


_OURS = (
    *(DEPLOYMENTS, SERVICE_ACCOUNTS, CLUSTER_ROLES, CLUSTER_ROLE_BINDINGS, SECRETS, CONFIGMAPS),
    CUSTOM_RESOURCE_DEFINITIONS,
)


async def _clean(runtime: Runtime, cluster_id: int) -> None:
    """Leave the shared cluster as it was found."""
    kube = await runtime.kube(cluster_id)
    marked = "app.kubernetes.io/managed-by in (spillway,Helm)"
    for resource in _OURS:
        for item in (await kube.list(resource, labels=marked)).items:
            meta = item["metadata"]
            await kube.delete(resource, meta["name"], meta.get("namespace"))
    for item in (await kube.list(SECRETS, "kube-system", labels="owner=helm")).items:
        await kube.delete(SECRETS, item["metadata"]["name"], "kube-system")
    for node in (await kube.list(NODES, labels="type=virtual-kubelet")).items:
        await kube.delete(NODES, node["metadata"]["name"])


def values(place: Place, **more: Any) -> Json:
    """Of rbkci-virtual-kubelet, with a node of its own."""
    subnet = place.cloud["subnets"][0]
    return {
        "credential": place.account.pk,
        "KCI_CLUSTER_ID": f"c-{uuid.uuid4().hex[:8]}",
        "KCI_REGION": place.cloud["region"],
        "KCI_SUBNET_ID": subnet["id"],
        "KCI_SECURITY_GROUP_IDS": place.cloud["security_group_id"],
        "nodename": f"vk-{uuid.uuid4().hex[:6]}",
        **more,
    }
