"""A simulated ACS cluster in this process, and clients for it."""

from __future__ import annotations

import asyncio
import base64
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from kube import (
    NAMESPACES,
    PODS,
    SECRETS,
    SERVICE_ACCOUNTS,
    Kube,
    Limits,
    parse_kubeconfig,
)
from kube.resources import CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, ROLE_BINDINGS, ROLES
from kube.target import DEFAULT_LIMITS
from providers.acs import key, verify
from providers.acs.client import Acs
from providers.base import Placement
from sandbox.clouds.acs.cloud import AcsCloud
from sandbox.clouds.acs.extension import AcsCluster
from sandbox.clouds.acs.store import Store
from sandbox.cluster.cluster import Cluster
from sandbox.cluster.controllers.config import Config
from sandbox.cluster.request import User
from tests.providers.cloud import LOOPBACK, Place

NAMESPACE = key.NAMESPACE
QUICK = {"schedule_seconds": 0.05, "pull_seconds": 0.05, "stop_seconds": 0.05, "retry_seconds": 0.2}
_KINDS = {
    resource.kind: resource
    for resource in (
        NAMESPACES,
        SERVICE_ACCOUNTS,
        SECRETS,
        ROLES,
        ROLE_BINDINGS,
        CLUSTER_ROLES,
        CLUSTER_ROLE_BINDINGS,
    )
}


class Simulated:
    """The cluster and the cloud behind it; `client` has the grants of `policy` and no others."""

    def __init__(self, cloud: AcsCloud, cluster: Cluster) -> None:
        self.cloud = cloud
        self.cluster = cluster
        self.admin = Kube(
            parse_kubeconfig(cluster.kubeconfig()).target(cluster.name), policy=LOOPBACK
        )
        self.kubeconfig = ""
        self._clients: list[Acs] = []

    @property
    def place(self) -> Place:
        network = self.cloud.network
        return Place(
            self.cloud.region,
            tuple(Placement(v.zone, v.id) for v in network.vswitches.values()),
            network.default_security_group.id,
        )

    def turn(self, **knobs: Any) -> None:
        self.cloud.turn(self.cloud.knobs.updated(knobs))

    def stranger(self) -> str:
        """The kubeconfig of a user that may do nothing."""
        self.cluster.authenticator.tokens["t-nobody"] = User("nobody", ("system:authenticated",))
        return self.cluster.kubeconfig_for("nobody", {"token": "t-nobody"})

    def client(
        self, kubeconfig: str = "", *, limits: Limits = DEFAULT_LIMITS, **options: Any
    ) -> Acs:
        async def at_once(_seconds: float) -> None:
            pass

        new = key.key({"kubeconfig": kubeconfig or self.kubeconfig})
        access = key.opened(new.secret)
        defaults: dict[str, Any] = {"namespace": access.namespace, "sleep": at_once}
        made = Acs(
            Kube(access.target, policy=LOOPBACK, limits=limits),
            region=self.cloud.region,
            identity=new.id,
            **defaults | options,
        )
        self._clients.append(made)
        return made

    async def grant(self) -> None:
        """Apply the policy and take the token it makes."""
        for item in verify.policy()["items"]:
            await self.admin.create(_KINDS[item["kind"]], item)
        async with asyncio.timeout(10):
            while not self.kubeconfig:
                secret = await self.admin.get(SECRETS, f"{verify.NAME}-token", NAMESPACE)
                if token := (secret.get("data") or {}).get("token"):
                    text = base64.b64decode(token).decode()
                    self.kubeconfig = self.cluster.kubeconfig_for(verify.NAME, {"token": text})
                await asyncio.sleep(0.01)

    async def names(self, resource: Any = PODS) -> list[str]:
        """What is in the namespace, by name."""
        found = await self.admin.list(resource, NAMESPACE)
        return sorted(item["metadata"]["name"] for item in found.items)

    async def pod(self, name: str) -> dict[str, Any]:
        return await self.admin.get(PODS, name, NAMESPACE)

    async def aclose(self) -> None:
        for client in self._clients:
            await client.aclose()
        await self.admin.close()


@asynccontextmanager
async def simulated() -> AsyncIterator[Simulated]:
    cloud = AcsCloud(Store(None), now=time.time, rng=random.Random(5))
    cluster = Cluster(
        "acs-hangzhou",
        seed=3,
        config=Config(nodes=(), coredns_replicas=0),
        extensions=[AcsCluster(cloud, "acs-hangzhou", "v1.36.1-aliyun.1")],
    )
    await cluster.start()
    made = Simulated(cloud, cluster)
    made.turn(**QUICK)
    try:
        await made.grant()
        yield made
    finally:
        await made.aclose()
        await cluster.stop()
        await cloud.stop()
