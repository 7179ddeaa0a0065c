"""rbkci-virtual-kubelet: its node and the KCI instances of its pods, in cluster mode.

Environment and arguments: Kingsoft Cloud's help page "virtual node"; the node's version is built as
the virtual-kubelet library builds it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

import aiohttp

from sandbox.cluster.controllers.config import NodeConfig
from sandbox.cluster.controllers.objects import annotations_of
from sandbox.cluster.quantity import parse
from sandbox.cluster.virtualkubelet.vendor import NotCreated, Observed, Run, Unusable

from ..groups.model import Group
from ..groups.podcloud import GroupCloud
from . import signing

if TYPE_CHECKING:
    from sandbox.cluster.cluster import Cluster

    from .account import KciAccount
    from .keys import Key

Obj = dict[str, Any]
NAMESPACE = "kube-system"
VERSION = "v1.17.6-vk-v1.6.0"
TAINT = {"key": "virtual-kubelet.io/provider", "value": "kingsoftcloud", "effect": "NoSchedule"}
_CAPACITY = {"cpu": "1000", "memory": "4Ti", "pods": "1000", "nvidia.com/gpu": "100"}
_PREFIX = "k8s.ksyun.com/kci-"
_GIB = 1024**3
_TIMEOUT = aiohttp.ClientTimeout(total=10)


class KciVirtualKubelet:
    """The vendor's virtual kubelet in one cluster."""

    images = ("*rbkci-virtual-kubelet*",)

    def __init__(self, account: KciAccount) -> None:
        self.account = account
        self.cluster: Cluster | None = None

    def join(self, cluster: Cluster) -> None:
        """Get to know the cluster."""
        self.cluster = cluster

    def check(self, run: Run) -> None:
        """Raise Unusable without its required settings or a key that works."""
        for name in ("KCI_CLUSTER_ID", "KCI_REGION"):
            if not run.env.get(name):
                raise Unusable(f"{name} is required")
        if run.env["KCI_REGION"] != self.account.cloud.region:
            raise Unusable(f"region {run.env['KCI_REGION']!r} is not supported")
        self.key(run)

    def key(self, run: Run) -> Key:
        """Return the key of a run: from its environment, or from the ConfigMap it names."""
        key_id, secret, token = self._given(run)
        if not key_id:
            raise Unusable("KCI_ACCESS_KEY and KCI_SECRET_KEY, or TEMP_AKSK_CM, are required")
        key = self.account.cloud.keys.by_id.get(key_id)
        if key is None or key.disabled:
            raise Unusable("InvalidClientTokenId: The security token is invalid.")
        if token != key.token or (secret and secret != key.access_key_secret):
            raise Unusable("SignatureDoesNotMatch: The request signature does not match.")
        return key

    def _given(self, run: Run) -> tuple[str, str, str]:
        name = run.env.get("TEMP_AKSK_CM")
        if not name:
            return run.env.get("KCI_ACCESS_KEY", ""), run.env.get("KCI_SECRET_KEY", ""), ""
        found = self.cluster.client.look("configmaps", name, NAMESPACE) if self.cluster else None
        if found is None:
            raise Unusable(f"ConfigMap {NAMESPACE}/{name} not found")
        data = found.get("data") or {}
        plain = data.get("cipher", "") in {"", "none"}
        secret = data.get("sk", "") if plain else ""
        return data.get("ak", ""), secret, data.get("securityToken", "")

    def nodes(self, run: Run) -> list[NodeConfig]:
        """Return its one node."""
        name = run.argument("nodename") or "virtual-kubelet"
        labels = {
            "kubernetes.io/hostname": name,
            "kubernetes.io/role": "agent",
            "type": "virtual-kubelet",
        }
        node = NodeConfig(
            name=name,
            address=run.env.get("VKUBELET_POD_IP") or "127.0.0.1",
            capacity=_CAPACITY,
            reserved={},
            labels=labels,
            version=VERSION,
            virtual=True,
            taints=(TAINT,),
            os_image="",
            kernel="",
            runtime="",
        )
        return [replace(node, taints=()) if run.flag("disable-taint") else node]

    def cloud(self, run: Run) -> KciPods:
        """Return what makes the instances."""
        return KciPods(self, run)


class KciPods(GroupCloud):
    """The KCI instances of the pods of one run; containers report by the agent in the instance."""

    def __init__(self, vendor: KciVirtualKubelet, run: Run) -> None:
        super().__init__(vendor.account.cloud)
        self.vendor = vendor
        self.run = run

    def tags(self, pod: Obj) -> dict[str, str]:
        """Return the labels by which the instance is the pod's."""
        meta = pod["metadata"]
        return {
            "cluster-id": self.run.env["KCI_CLUSTER_ID"],
            "namespace": meta["namespace"],
            "pod-name": meta["name"],
        }

    def observe(self, pod: Obj) -> Observed | None:
        """Leave the containers to the agent, unless the instance is no more."""
        found = super().observe(pod)
        return replace(found, statuses=None, inits=None) if found and not found.failed else found

    def annotations(self, pod: Obj) -> dict[str, str]:
        """Nothing becomes known later."""
        return {}

    async def create(self, pod: Obj, node: str) -> dict[str, str]:
        """Make the instance in cluster mode."""
        answer = await self._call("CreateContainerGroup", self._request(pod, node))
        return {"k8s.ksyun.com/kci-instance-id": answer["ContainerGroupId"]}

    async def remove(self, group: Group) -> None:
        """Ask for the deletion of a group."""
        await self._call("DeleteContainerGroup", {"ContainerGroupId": group.id})

    def _request(self, pod: Obj, node: str) -> dict[str, str]:
        env, given, meta = self.run.env, annotations_of(pod), pod["metadata"]
        subnet = given.get(f"{_PREFIX}subnet-id") or env.get("KCI_SUBNET_ID", "")
        groups = given.get(f"{_PREFIX}security-group-id") or env.get("KCI_SECURITY_GROUP_IDS", "")
        if not subnet or not groups:
            raise NotCreated("InvalidParameter", "the pod has no subnet or no security group")
        assert self.vendor.cluster
        name = re.sub(r"[^a-zA-Z0-9-]", "-", f"{meta['namespace']}-{meta['name']}")[:63].strip("-")
        params = {
            "ContainerGroupName": name,
            "SubnetId": subnet,
            "KubeConfig": self.vendor.cluster.kubeconfig(token=True),
            "ClusterDns": self.run.argument("cluster-dns") or "10.96.0.10",
            "ClusterDomain": self.run.argument("cluster-domain") or "cluster.local",
        }
        for index, group in enumerate(groups.split(",")):
            params[f"SecurityGroupId.{index}"] = group.strip()
        for index, (key, value) in enumerate({**self.tags(pod), "node-name": node}.items()):
            params[f"Label.{index}.Key"], params[f"Label.{index}.Value"] = key, value
        return {**params, **_size(pod, given)}

    async def _call(self, action: str, params: Mapping[str, str]) -> dict[str, Any]:
        try:
            key = self.vendor.key(self.run)
        except Unusable as reason:
            raise NotCreated("InvalidClientTokenId", str(reason)) from reason
        region = self.run.env["KCI_REGION"]
        url = self.vendor.account.gateway.url
        return await call(url, key, region, action, params, now=self.roster.now())


def _size(pod: Obj, given: Mapping[str, str]) -> dict[str, str]:
    cpu, memory = given.get(f"{_PREFIX}instance-cpu"), given.get(f"{_PREFIX}instance-memory")
    if bool(cpu) != bool(memory):
        text = "kci-instance-cpu and kci-instance-memory go together"
        raise NotCreated("InvalidParameter", text)
    gpu = _sum(pod, "nvidia.com/gpu")
    size = {"Gpu": f"{gpu:f}"} if gpu else {}
    asked = {
        "Cpu": cpu or f"{_sum(pod, 'cpu').normalize():f}",
        "Memory": memory or f"{(_sum(pod, 'memory') / _GIB).normalize():f}",
    }
    return {**size, **{name: value for name, value in asked.items() if value != "0"}}


def _sum(pod: Obj, resource: str) -> Decimal:
    total = Decimal(0)
    for container in pod["spec"]["containers"]:
        resources = container.get("resources") or {}
        asked = {**(resources.get("requests") or {}), **(resources.get("limits") or {})}
        total += parse(asked.get(resource, 0))
    return total


async def call(
    url: str,
    key: Key,
    region: str,
    action: str,
    params: Mapping[str, str],
    *,
    now: float,
    service: str = "kci",
    api: str = "2020-07-02",
) -> dict[str, Any]:
    """Call an action, signed; raises NotCreated with the code of a refusal."""
    moment = datetime.fromtimestamp(now, UTC)
    body = urlencode({"Action": action, "Version": api, **params}).encode()
    headers = {
        "host": urlsplit(url).netloc,
        "x-amz-date": f"{moment:%Y%m%dT%H%M%SZ}",
        "content-type": "application/x-www-form-urlencoded",
        "accept": "application/json",
    }
    names = ["content-type", "host", "x-amz-date"]
    canonical = signing.canonical_request(signing.Wire("POST", "/", "", headers, body), names)
    date, identity = f"{moment:%Y%m%d}", key.access_key_id
    signed = signing.Signed(identity, date, region, service, moment, "", canonical)
    scope = f"{identity}/{date}/{region}/{service}/{signing.TERMINATOR}"
    headers["authorization"] = (
        f"{signing.ALGORITHM} Credential={scope}, SignedHeaders={';'.join(names)},"
        f" Signature={signed.sign(key.access_key_secret)}"
    )
    if key.token:
        headers["x-ksc-security-token"] = key.token
    try:
        async with (
            aiohttp.ClientSession(timeout=_TIMEOUT) as session,
            session.post(url, data=body, headers=headers) as answer,
        ):
            found: dict[str, Any] = await answer.json()
    except (aiohttp.ClientError, TimeoutError, OSError) as exc:
        raise NotCreated("Unreachable", str(exc) or type(exc).__name__) from exc
    if answer.status != 200:
        error = found.get("Error") or {}
        raise NotCreated(error.get("Code", str(answer.status)), error.get("Message", ""))
    return found
