"""Components of KCE clusters that KCE installs itself: here ``virtual-kubelet``.

Names, statuses and configuration keys as the Terraform provider of Kingsoft Cloud uses them. What
``kce`` refuses comes as HTTP 200 with a ``Message``, as that provider expects.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from sandbox.cluster.errors import ApiError

from ..groups.errors import ApiFault, ConnectionLost

if TYPE_CHECKING:
    from sandbox.cluster.cluster import Cluster

    from .cloud import KciCloud

Obj = dict[str, Any]
NAME = "virtual-kubelet"
IMAGE = "hub.kce.ksyun.com/ksyun/rbkci-virtual-kubelet"
VERSIONS = ("v1.3.0", "v1.3.1")
INSTALLED, FAILED = "Installed", "Failed"
ACCOUNT, BINDING = "virtual-kubelet-sa", "virtual-kubelet-rb"
_BINDINGS = "clusterrolebindings.rbac.authorization.k8s.io"
_ROLLOUT_SECONDS = 60.0
_LOOK = 0.1
_SETTINGS = {
    "k8s.ksyun.com/kci-subnet-id": "KCI_SUBNET_ID",
    "k8s.ksyun.com/kci-security-group-id": "KCI_SECURITY_GROUP_IDS",
    "k8s.ksyun.com/kci-kube-proxy-enabled": "KCI_KUBE_PROXY",
}


class Declined(Exception):
    """KCE will not do it; the text is the Message of the answer."""


class Component(msgspec.Struct):
    """One installed component; ``status`` is Installing, Updating, Deleting, Installed, Failed."""

    cluster_id: str
    name: str
    release: str
    namespace: str
    version: str
    config: str
    status: str
    message: str = ""


class Components:
    """The components of the account's clusters by cluster id and release."""

    def __init__(self, cloud: KciCloud) -> None:
        self.cloud = cloud
        self.clusters: dict[str, Cluster] = {}
        kept = msgspec.convert(cloud.store.meta("components") or [], list[Component])
        self.rows = {(row.cluster_id, row.release): row for row in kept}
        self._running: set[asyncio.Task[None]] = set()

    def open(self, clusters: Mapping[str, Cluster]) -> None:
        """Take over the clusters and go on with what was interrupted."""
        self.clusters = dict(clusters)
        for row in self.rows.values():
            if row.status not in {INSTALLED, FAILED}:
                self._start(row, self._remove if row.status == "Deleting" else self._apply)

    async def close(self) -> None:
        """Stop what is under way, where it is."""
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def listed(self, cluster_id: str, name: str) -> list[Component]:
        """Return a cluster's components, of one name or all."""
        rows = self.rows.values()
        return [r for r in rows if r.cluster_id == cluster_id and name in {"", r.name}]

    def install(self, row: Component) -> None:
        """Begin an installation; raises Declined."""
        self._check(row)
        if (row.cluster_id, row.release) in self.rows:
            raise Declined(f"release {row.release} already exists")
        row.status = "Installing"
        self.rows[row.cluster_id, row.release] = row
        self._start(row, self._apply)

    def update(self, row: Component, version: str, config: str) -> None:
        """Begin a change of version or configuration; raises Declined."""
        self._busy(row)
        new = msgspec.structs.replace(
            row, version=version or row.version, config=config or row.config
        )
        self._check(new)
        row.version, row.config, row.status, row.message = new.version, new.config, "Updating", ""
        self._start(row, self._apply)

    def delete(self, row: Component) -> None:
        """Begin a removal; instances stay. Raises Declined."""
        self._busy(row)
        row.status, row.message = "Deleting", ""
        self._start(row, self._remove)

    def _busy(self, row: Component) -> None:
        if row.status not in {INSTALLED, FAILED}:
            raise Declined(f"release {row.release} is {row.status}")

    def _check(self, row: Component) -> None:
        if row.cluster_id not in self.clusters:
            raise ApiFault("ClusterNotFound", f"The cluster {row.cluster_id} does not exist.")
        if row.name != NAME:
            raise Declined(f"component {row.name} not found")
        if row.version not in VERSIONS:
            raise Declined(f"component {row.name} has no version {row.version}")
        try:
            json.loads(row.config)
        except ValueError as exc:
            raise Declined("Config is not JSON") from exc

    def _keep(self) -> None:
        self.cloud.store.put_meta("components", msgspec.to_builtins(list(self.rows.values())))
        self.cloud.store.commit()

    def _start(self, row: Component, step: Callable[[Component], Any]) -> None:
        self._keep()
        task = asyncio.create_task(self._run(row, step), name=f"kce {row.release}")
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _run(self, row: Component, step: Callable[[Component], Any]) -> None:
        try:
            await asyncio.sleep(self.cloud.knobs.component_seconds / self.cloud.speed)
            fault = self.cloud.faults.draw(f"task.{row.status}", {"ClusterId": row.cluster_id}, 1)
            if fault:
                raise fault.error()
            await step(row)
        except (ApiError, ApiFault, ConnectionLost) as exc:
            row.status, row.message = FAILED, str(exc) or "the API server does not answer"
        self._keep()

    async def _apply(self, row: Component) -> None:
        client = self.clusters[row.cluster_id].client
        for resource, made in manifests(row, self.cloud):
            meta = made["metadata"]
            await client.patch(resource, meta["name"], meta.get("namespace"), made, kind="apply")
        ends = self.cloud.now() + _ROLLOUT_SECONDS / self.cloud.speed
        while not self._rolled_out(row):
            if self.cloud.now() >= ends:
                raise ApiFault("Timeout", f"deployment {row.release} is not available")
            await asyncio.sleep(_LOOK)
        row.status = INSTALLED

    def _rolled_out(self, row: Component) -> bool:
        client = self.clusters[row.cluster_id].client
        found = client.look("deployments.apps", row.release, row.namespace) or {}
        status, meta = found.get("status") or {}, found.get("metadata") or {}
        counts = {status.get(name, 0) for name in ("replicas", "updatedReplicas")}
        ready = counts | {status.get("availableReplicas", 0)} == {1}
        return ready and status.get("observedGeneration") == meta.get("generation")

    async def _remove(self, row: Component) -> None:
        client = self.clusters[row.cluster_id].client
        for resource, made in reversed(manifests(row, self.cloud)):
            meta = made["metadata"]
            try:
                await client.delete(resource, meta["name"], meta.get("namespace"))
            except ApiError as error:
                if error.code != 404:
                    raise
        self.rows.pop((row.cluster_id, row.release), None)


def manifests(row: Component, cloud: KciCloud) -> list[tuple[str, Obj]]:
    """Return the objects of the component with their resources."""
    space = {"namespace": row.namespace}
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT, **space}}
    rbac = "rbac.authorization.k8s.io"
    binding = {
        "apiVersion": f"{rbac}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": BINDING},
        "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, **space}],
    }
    labels = {"k8s-app": row.release}
    template = {
        "metadata": {"labels": labels},
        "spec": {"serviceAccountName": ACCOUNT, "containers": [_container(row, cloud)]},
    }
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": row.release, "labels": labels, **space},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template},
    }
    return [
        ("serviceaccounts", account),
        (_BINDINGS, binding),
        ("deployments.apps", deployment),
    ]


def _container(row: Component, cloud: KciCloud) -> Obj:
    config = json.loads(row.config)
    openapi = config.get("openapi") or {}
    values = {
        "KCI_CLUSTER_ID": config.get("clusterId") or row.cluster_id,
        "KCI_REGION": openapi.get("region") or cloud.region,
        "KCI_ACCESS_KEY": openapi.get("accessKey"),
        "KCI_SECRET_KEY": openapi.get("secretKey"),
    }
    if not values["KCI_ACCESS_KEY"]:
        map_name = (openapi.get("akskConfigMap") or {}).get("name")
        values["TEMP_AKSK_CM"] = map_name or "user-temp-aksk"
    settings = config.get("instanceSettings") or {}
    values |= {name: settings.get(key) for key, name in _SETTINGS.items()}
    args = ["--provider=kingsoftcloud", f"--nodename={config.get('nodename') or row.release}"]
    if dns := ",".join(config.get("clusterDns") or []):
        args.append(f"--cluster-dns={dns}")
    if domain := config.get("clusterDomain"):
        args.append(f"--cluster-domain={domain}")
    args += ["--disable-taint"] if config.get("disableTaint") else []
    env: list[Obj] = [
        {"name": "VKUBELET_POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}
    ]
    env += [{"name": name, "value": str(value)} for name, value in values.items() if value]
    return {"name": NAME, "image": f"{IMAGE}:{row.version}", "args": args, "env": env}
