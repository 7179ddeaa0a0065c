"""ack-virtual-node as an application in the cluster: Alibaba Cloud's virtual nodes, run by itself.

Names, environment and rights: Alibaba Cloud help, "Deploy ack-virtual-node" (release
ack-virtual-node in kube-system, ECI_VSWITCH, ECI_SECURITY_GROUP, ECI_ACCESS_KEY, ECI_SECRET_KEY,
Deployment ack-virtual-node-controller), "ack-virtual-node permissions and customization" (the
ClusterRole) and "Configure eci-profile". Image: change log of ack-virtual-node.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from addons.components.base import Json, Release
from addons.components.kit import Kit, Recognised, key_part
from addons.components.kits import manifests as m

CONTROLLER = "ack-virtual-node-controller"
ROLE = "ack-virtual-node-clusterrole"
KEYS = "ack-virtual-node-keys"
ADDON_KEYS = "alibaba-addon-secret"
PROFILE = "eci-profile"
TAINT = "virtual-kubelet.io/provider"
PROVIDER = "alibabacloud"
FIRST_NODE = "virtual-kubelet"
LABEL = {"app": CONTROLLER}
_SECRET_PARTS = (
    ("ECI_ACCESS_KEY", "access-key-id", "id"),
    ("ECI_SECRET_KEY", "access-key-secret", "secret"),
)
_PLAIN = ("ECI_REGION", "ECI_VSWITCH", "ECI_SECURITY_GROUP", "CLUSTER_DOMAIN")
# Those that the registered cluster's guide shows, see "Configure eci-profile".
PROFILE_KEYS = (
    *("vSwitchIds", "securityGroupId", "vpcId", "selectors"),
    *("enableClusterIp", "enablePrivateZone", "enableHybridMode"),
)
_IMAGE = re.compile(r"(.*(?:virtual-nodes-eci|ack-virtual-node)):(\S+)")
_EVERY = ("get", "list", "watch", "create", "delete", "update", "patch")
_READ = ("get", "list", "watch")
_CSR = "certificates.k8s.io"
_WEBHOOKS = ("mutatingwebhookconfigurations",)
# The controller makes it by itself: it sends labelled pods to virtual nodes.
WEBHOOK = "vk-webhook"
RULES = (
    m.rule("", ("pods",), ("get", "list", "watch", "patch", "delete")),
    m.rule("", ("pods/status",), ("update", "patch")),
    m.rule("", ("pods/binding",), ("create",)),
    m.rule("", ("nodes",), _EVERY),
    m.rule("", ("nodes/status",), ("update", "patch")),
    m.rule("", ("configmaps", "secrets", "services", "endpoints", "namespaces"), _READ),
    m.rule("", ("persistentvolumes", "persistentvolumeclaims"), _READ),
    m.rule("", ("serviceaccounts",), _READ),
    m.rule("", ("serviceaccounts/token",), ("create",)),
    m.rule("", ("events",), ("create", "patch")),
    m.rule("coordination.k8s.io", ("leases",), _EVERY),
    m.rule("storage.k8s.io", ("storageclasses",), _READ),
    m.rule(_CSR, ("certificatesigningrequests",), ("get", "list", "watch", "create", "delete")),
    m.rule(
        _CSR,
        ("certificatesigningrequests/approval", "certificatesigningrequests/status"),
        ("update", "patch"),
    ),
    m.rule("admissionregistration.k8s.io", _WEBHOOKS, ("create",)),
    m.rule(
        "admissionregistration.k8s.io",
        _WEBHOOKS,
        ("get", "list", "watch", "delete", "patch"),
        resourceNames=[WEBHOOK],
    ),
)


def render(release: Release) -> list[Json]:
    values, space = release.effective, release.namespace
    objects = [
        m.service_account(CONTROLLER, space),
        m.cluster_role(ROLE, RULES),
        m.cluster_role_binding(f"{ROLE}binding", ROLE, CONTROLLER, space),
    ]
    if values.get("credential"):
        parts = {key: key_part(values["credential"], part) for _name, key, part in _SECRET_PARTS}
        objects.append(m.secret(KEYS, space, parts))
    profile = {key: _text(values[key]) for key in PROFILE_KEYS if values.get(key) is not None}
    if profile:
        objects.append(m.config_map(PROFILE, space, profile))
    container = {
        "name": "virtual-node",
        "image": f"{_image(values)}:{release.version.version}",
        "imagePullPolicy": "IfNotPresent",
        "env": list(_environment(values)),
    }
    objects.append(
        m.deployment(CONTROLLER, space, LABEL, account=CONTROLLER, containers=[container])
    )
    return objects


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _image(values: Mapping[str, Any]) -> str:
    region = values.get("ECI_REGION") or "cn-hangzhou"
    return values.get("image") or f"registry-vpc.{region}.aliyuncs.com/acs/virtual-nodes-eci"


def _environment(values: Mapping[str, Any]) -> Iterator[Json]:
    for name in _PLAIN:
        if values.get(name):
            yield m.env(name, values[name])
    source = KEYS if values.get("credential") else ADDON_KEYS
    for name, key, _part in _SECRET_PARTS:
        yield m.env_secret(name, source, key)


def owns_node(_release: Release, node: Json) -> bool:
    """By the taint of the vendor's virtual nodes; names follow the zones of the vSwitches."""
    return any(
        taint["key"] == TAINT and taint.get("value") == PROVIDER
        for taint in (node.get("spec") or {}).get("taints") or ()
    )


def _first(release: Release) -> bool:
    """The first major version has the one node `virtual-kubelet`, later ones have one per zone."""
    return release.version.version.startswith("v1.")


def keeps_node(release: Release, node: Json) -> bool:
    return _first(release) == bool(node["metadata"]["name"] == FIRST_NODE)


def node_names(release: Release, zones: Sequence[str]) -> Sequence[str]:
    if _first(release):
        return [FIRST_NODE]
    return [f"{FIRST_NODE}-{zone}" for zone in sorted(set(zones))]


def recognise(workloads: Sequence[Json]) -> Recognised | None:
    """By the image of the controller, or by its name."""
    for workload in workloads:
        for container in m.containers(workload):
            match = _IMAGE.fullmatch(container.get("image", ""))
            if match is None:
                continue
            known = m.plain_environment(container)
            values = {name: known[name] for name in _PLAIN if known.get(name)}
            return Recognised(
                version=match[2],
                values={**values, "image": match[1]},
                namespace=workload["metadata"]["namespace"],
                release="ack-virtual-node",
                objects=(m.identity(workload),),
                evidence=container["image"],
            )
    return None


KIT = Kit(
    render=render,
    owns_node=owns_node,
    keeps_node=keeps_node,
    node_names=node_names,
    instance_annotations=("k8s.aliyun.com/eci-instance-id", "alibabacloud.com/instance-id"),
    recognise=recognise,
    provider="eci",
    leftovers=(
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": WEBHOOK},
        },
    ),
)
