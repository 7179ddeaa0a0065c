"""ack-virtual-node: the nodes it registers and the ECI instances of their pods.

Labels, taint, names and the ConfigMap ``eci-profile``: ACK help pages "Use ACS computing power in
ACK managed Pro clusters" and "Configure eci-profile"; environment of the older chart: repository
virtual-kubelet/alibabacloud-eci, which also names the tags of its groups.
"""

from __future__ import annotations

import base64
import ipaddress
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sandbox.cluster.controllers.config import NodeConfig
from sandbox.cluster.controllers.objects import annotations_of, labels_of
from sandbox.cluster.quantity import parse
from sandbox.cluster.virtualkubelet.vendor import NotCreated, Run, Unusable

from ..acs.wants import CLASS, GPU
from ..eci.cloud import EciCloud, Key
from ..groups.model import Group
from ..groups.podcloud import GroupCloud
from . import openapi
from .addons import FIRST_WITH_ACS, parts

if TYPE_CHECKING:
    from sandbox.cluster.client import Client
    from sandbox.cluster.cluster import Cluster
    from sandbox.cluster.vendors import ClusterSpec

    from ..eci.network import VSwitch
    from .core import Aliyun

Obj = dict[str, Any]
ROLE = "AliyunServiceRoleForECIVnode"
NAMESPACE, PROFILE, KEYS_IN = "kube-system", "eci-profile", "alibaba-addon-secret"
VERSION = "v1.20.11-aliyun.1"
ACS = "alibabacloud.com/acs"
_ECI = "2018-08-08"
_PREFIX = "k8s.aliyun.com/"
_CAPACITY = {"cpu": "1000", "memory": "4Ti", "ephemeral-storage": "100Ti", "pods": "50000"}
_TAINT = {"key": "virtual-kubelet.io/provider", "value": "alibabacloud", "effect": "NoSchedule"}
_IDS = ("ECI_ACCESS_KEY", "ACCESS_KEY_ID", "access-key-id")
_SECRETS = ("ECI_SECRET_KEY", "ACCESS_KEY_SECRET", "access-key-secret")
_GIB = 1024**3


def wants_acs(pod: Obj) -> bool:
    """Tell whether a pod asks for ACS."""
    labels = labels_of(pod)
    return CLASS in labels or labels.get(ACS) == "true"


def serves_acs(run: Run) -> bool:
    """Tell whether a version of the add-on knows ACS."""
    return parts(run.tag) >= parts(FIRST_WITH_ACS)


def profile_of(client: Client) -> Mapping[str, str]:
    """Return the data of a cluster's eci-profile."""
    found = client.look("configmaps", PROFILE, NAMESPACE) or {}
    return found.get("data") or {}


def _first(run: Run) -> bool:
    """Tell the first major version: one node, settings by environment alone."""
    return run.tag.startswith("v1.")


class EciVirtualNode:
    """The vendor's virtual kubelet in one cluster. ``acs_region`` is where the account has ACS."""

    images = ("*/virtual-nodes-eci:*", "*ack-virtual-node*", "*acs/virtual-node:*")

    def __init__(self, aliyun: Aliyun, spec: ClusterSpec, acs_region: str) -> None:
        self.aliyun = aliyun
        self.spec = spec
        self.acs_region = acs_region
        self.client: Client | None = None

    def join(self, cluster: Cluster) -> None:
        """Get to know the cluster."""
        self.client = cluster.client

    def check(self, run: Run) -> None:
        """Raise Unusable without a region or a key that works."""
        self.region(run)
        self.key(run)

    def region(self, run: Run) -> EciCloud:
        """Return ECI in the region of a run."""
        name = run.env.get("ECI_REGION") or self.spec.region
        if name not in self.aliyun.eci.regions:
            raise Unusable(f"ECI is not available in region {name!r}")
        return self.aliyun.eci.regions[name]

    def key(self, run: Run) -> Key:
        """Return the key of a run: from its environment, from the Secret, or of its role."""
        if run.env.get("ECI_ROLE"):
            return self.aliyun.service_key(run.env["ECI_ROLE"])
        given = {**self._secret(), **run.env}
        key_id = next((given[name] for name in _IDS if given.get(name)), "")
        secret = next((given[name] for name in _SECRETS if given.get(name)), "")
        if not key_id or not secret:
            raise Unusable(f"no access key: neither ECI_ACCESS_KEY nor Secret {KEYS_IN} is there")
        key = self.aliyun.eci.first.keys.get(key_id)
        if key is None:
            raise Unusable("InvalidAccessKeyId.NotFound: Specified access key is not found.")
        if key.disabled:
            raise Unusable("InvalidAccessKeyId.Inactive: Specified access key is disabled.")
        if key.access_key_secret != secret:
            raise Unusable("SignatureDoesNotMatch: Specified signature is not matched.")
        return key

    def nodes(self, run: Run) -> list[NodeConfig]:
        """Return a node per zone, or the one node of the first major version."""
        switches, region = self.switches(run), self.region(run).region
        if _first(run):
            name = run.argument("nodename") or "virtual-kubelet"
            return [_node(name, region, switches[0])]
        zones = {switch.zone: switch for switch in reversed(switches)}
        return [
            _node(f"virtual-kubelet-{zone}", region, switch)
            for zone, switch in sorted(zones.items())
        ]

    def switches(self, run: Run) -> list[VSwitch]:
        """Return the vSwitches of eci-profile, of ECI_VSWITCH, or of the account."""
        network = self.region(run).network
        given = self.profile(run).get("vSwitchIds") or run.env.get("ECI_VSWITCH", "")
        wanted = [part.strip() for part in given.split(",") if part.strip()]
        for name in wanted:
            if name not in network.vswitches:
                raise Unusable(f"InvalidVSwitchId.NotFound: {name} does not exist")
        return [network.vswitches[name] for name in wanted or network.vswitches]

    def security_group(self, run: Run) -> str:
        """Return the security group of instances."""
        given = self.profile(run).get("securityGroupId") or run.env.get("ECI_SECURITY_GROUP")
        return given or self.region(run).network.default_security_group.id

    def profile(self, run: Run) -> Mapping[str, str]:
        """Return the data of eci-profile, which the first major version does not read."""
        return {} if _first(run) or not self.client else profile_of(self.client)

    def _secret(self) -> dict[str, str]:
        found = self.client.look("secrets", KEYS_IN, NAMESPACE) if self.client else None
        data = (found or {}).get("data") or {}
        return {k: base64.b64decode(v).decode(errors="replace") for k, v in data.items()}

    def cloud(self, run: Run) -> EciPods:
        """Return what makes the instances."""
        return EciPods(self, run)


class EciPods(GroupCloud):
    """The ECI instances of the pods of one run; pods of ACS are another part's."""

    def __init__(self, vendor: EciVirtualNode, run: Run) -> None:
        super().__init__(vendor.region(run))
        self.vendor = vendor
        self.run = run
        self.serves_acs = serves_acs(run) and vendor.acs_region == vendor.region(run).region

    def takes(self, pod: Obj) -> bool:
        """Tell whether a pod is run at ECI."""
        return not (self.serves_acs and wants_acs(pod))

    def tags(self, pod: Obj) -> dict[str, str]:
        """Return the tag that no other pod has."""
        return {"UID": pod["metadata"]["uid"]}

    async def create(self, pod: Obj, node: str) -> dict[str, str]:
        """Make the instance, in the zone of the node first."""
        if wants_acs(pod):
            raise NotCreated("ServiceNotEnabled", "ACS is not served by this virtual node.")
        switches = self.vendor.switches(self.run)
        switches.sort(key=lambda switch: not node.endswith(switch.zone))
        params = request_of(pod)
        params.update(
            RegionId=self.vendor.region(self.run).region,
            VSwitchId=",".join(switch.id for switch in switches[:10]),
            ScheduleStrategy="VSwitchOrdered",
            SecurityGroupId=self.vendor.security_group(self.run),
        )
        params.update(_tags(self.vendor.spec.id, pod, node))
        answer = await self._call("CreateContainerGroup", params)
        return {
            "ProviderCreate": "done",
            f"{_PREFIX}eci-instance-id": answer["ContainerGroupId"],
            f"{_PREFIX}eci-request-id": answer["RequestId"],
            f"{_PREFIX}eci-schedule-result": "finished",
        }

    async def remove(self, group: Group) -> None:
        """Ask for the deletion of a group."""
        params = {"RegionId": group.region, "ContainerGroupId": group.id}
        await self._call("DeleteContainerGroup", params)

    def annotations(self, pod: Obj) -> dict[str, str]:
        """Return the size that is billed and where the instance is."""
        group = self.group(pod)
        if group is None or not group.ip:
            return {}
        spec = group.instance_type or f"{group.cpu:.1f}-{group.memory:.1f}Gi"
        found = {
            f"{_PREFIX}eci-instance-spec": spec,
            f"{_PREFIX}eci-vpc": group.vpc_id,
            f"{_PREFIX}eni-instance-id": group.eni_id,
        }
        if group.internet_ip:
            found[f"{_PREFIX}allocated-eipAddress"] = group.internet_ip
        return found

    async def _call(self, action: str, params: Mapping[str, str]) -> dict[str, Any]:
        try:
            key = self.vendor.key(self.run)
        except Unusable as reason:
            raise NotCreated("InvalidAccessKeyId", str(reason)) from reason
        region = self.vendor.region(self.run).region
        url = self.vendor.aliyun.eci.gateways[region].url
        return await openapi.call(url, key, _ECI, action, params, now=self.roster.now())


def _node(name: str, region: str, switch: VSwitch) -> NodeConfig:
    zone = switch.zone
    labels = {
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/role": "agent",
        "service.alibabacloud.com/exclude-node": "true",
        "topology.diskplugin.csi.alibabacloud.com/zone": zone,
        "topology.kubernetes.io/region": region,
        "topology.kubernetes.io/zone": zone,
        "type": "virtual-kubelet",
    }
    return NodeConfig(
        name=name,
        address=str(ipaddress.ip_network(switch.cidr)[-4]),
        capacity={**_CAPACITY, GPU: "100"},
        reserved={},
        labels=labels,
        pod_cidr=switch.cidr,
        version=VERSION,
        virtual=True,
        taints=(_TAINT,),
        os_image="",
        kernel="",
        runtime="",
    )


def _tags(cluster: str, pod: Obj, node: str) -> dict[str, str]:
    meta = pod["metadata"]
    values = {
        "ClusterName": cluster,
        "NodeName": node,
        "NameSpace": meta["namespace"],
        "PodName": meta["name"][:128],
        "UID": meta["uid"],
    }
    pairs = enumerate(values.items(), 1)
    return {
        f"Tag.{i}.{part}": text for i, pair in pairs for part, text in zip(_PAIR, pair, strict=True)
    }


_PAIR = ("Key", "Value")


def request_of(pod: Obj) -> dict[str, str]:
    """Return the flat parameters of CreateContainerGroup that a pod decides."""
    meta, spec, given = pod["metadata"], pod["spec"], annotations_of(pod)
    name = re.sub(r"[^a-z0-9-]", "-", f"{meta['namespace']}-{meta['name']}")[:128].strip("-")
    params = {
        "ContainerGroupName": name,
        "RestartPolicy": spec.get("restartPolicy") or "Always",
        "ClientToken": meta["uid"],
    }
    for kind, field in (("Container", "containers"), ("InitContainer", "initContainers")):
        for index, container in enumerate(spec.get(field) or [], 1):
            params.update(_container(f"{kind}.{index}", container))
    use = given.get(f"{_PREFIX}eci-use-specs", "")
    sizes = [part.strip() for part in use.split(",") if part.strip()]
    types = [size for size in sizes if size.startswith("ecs.")]
    if types:
        params["InstanceType"] = ",".join(types[:5])
    elif sizes and (found := re.fullmatch(r"([\d.]+)-([\d.]+)Gi", sizes[0])):
        params["Cpu"], params["Memory"] = found[1], found[2]
    if strategy := given.get(f"{_PREFIX}eci-spot-strategy"):
        params["SpotStrategy"] = strategy
    return params


def _container(prefix: str, container: Obj) -> dict[str, str]:
    params = {f"{prefix}.Name": container["name"], f"{prefix}.Image": container.get("image", "")}
    for field, wire in (("command", "Command"), ("args", "Arg")):
        for index, word in enumerate(container.get(field) or [], 1):
            params[f"{prefix}.{wire}.{index}"] = word
    plain = [v for v in container.get("env") or [] if "value" in v]
    for index, variable in enumerate(plain, 1):
        params[f"{prefix}.EnvironmentVar.{index}.Key"] = variable["name"]
        params[f"{prefix}.EnvironmentVar.{index}.Value"] = str(variable["value"])
    resources = container.get("resources") or {}
    asked = {**(resources.get("requests") or {}), **(resources.get("limits") or {})}
    if "cpu" in asked:
        params[f"{prefix}.Cpu"] = f"{float(parse(asked['cpu'])):g}"
    if "memory" in asked:
        params[f"{prefix}.Memory"] = f"{float(parse(asked['memory'])) / _GIB:g}"
    if GPU in asked:
        params[f"{prefix}.Gpu"] = str(int(parse(asked[GPU])))
    return params
