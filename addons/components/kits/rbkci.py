"""rbkci-virtual-kubelet: Kingsoft Cloud's virtual kubelet as a Deployment in the cluster.

Objects, environment and arguments as Kingsoft Cloud's help page "virtual node" (2024-04-23) lists
them, with two differences: keys lie in a Secret instead of plain values, and `--virtual-node-dns`
is written where the page's sample repeats `--cluster-dns` against its own table.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from addons.components.base import Json, Release
from addons.components.kit import Kit, Recognised, key_part
from addons.components.kits import manifests as m

NAME = "virtual-kubelet"
ACCOUNT = "virtual-kubelet-sa"
BINDING = "virtual-kubelet-rb"
KEYS = "virtual-kubelet-keys"
LABEL = {"k8s-app": NAME}
TAINT = "virtual-kubelet.io/provider"
PROVIDER = "kingsoftcloud"
_PLAIN = ("KCI_REGION", "KCI_CLUSTER_ID", "KCI_SUBNET_ID", "KCI_SECURITY_GROUP_IDS")
_ARGUMENTS = ("nodename", "cluster-dns", "virtual-node-dns", "cluster-domain")
_FLAGS = ("disable-taint", "enable-node-lease")
_SECRET_PARTS = (("KCI_ACCESS_KEY", "id"), ("KCI_SECRET_KEY", "secret"))
# What a virtual kubelet does: its Node and Lease, the pods on it and what they refer to, events.
RULES = (
    m.rule("", ("nodes",), ("get", "list", "watch", "create", "update", "patch", "delete")),
    m.rule("", ("nodes/status",), ("update", "patch")),
    m.rule("", ("pods",), ("get", "list", "watch", "update", "patch", "delete")),
    m.rule("", ("pods/status",), ("update", "patch")),
    m.rule("", ("configmaps", "secrets", "services", "serviceaccounts"), ("get", "list", "watch")),
    m.rule("", ("serviceaccounts/token",), ("create",)),
    m.rule("", ("persistentvolumes", "persistentvolumeclaims"), ("get", "list", "watch")),
    m.rule("", ("namespaces", "endpoints"), ("get", "list", "watch")),
    m.rule("", ("events",), ("create", "patch", "update")),
    m.rule("coordination.k8s.io", ("leases",), ("get", "create", "update", "patch", "delete")),
)


def render(release: Release) -> list[Json]:
    values, space = release.effective, release.namespace
    role = "cluster-admin" if values["rbac"] == "cluster-admin" else NAME
    objects = [m.service_account(ACCOUNT, space)]
    if role == NAME:
        objects.append(m.cluster_role(NAME, RULES))
    objects.append(m.cluster_role_binding(BINDING, role, ACCOUNT, space))
    if values.get("credential"):
        parts = {name: key_part(values["credential"], part) for name, part in _SECRET_PARTS}
        objects.append(m.secret(KEYS, space, parts))
    container = {
        "name": NAME,
        "image": f"{values['image']}:{release.version.version}",
        "args": list(_arguments(values)),
        "imagePullPolicy": "IfNotPresent",
        "env": list(_environment(values)),
    }
    objects.append(m.deployment(NAME, space, LABEL, account=ACCOUNT, containers=[container]))
    return objects


def _arguments(values: Mapping[str, Any]) -> Iterator[str]:
    yield f"--provider={PROVIDER}"
    for name in _ARGUMENTS:
        if values.get(name):
            yield f"--{name}={values[name]}"
    for name in _FLAGS:
        if values.get(name):
            yield f"--{name}"


def _environment(values: Mapping[str, Any]) -> Iterator[Json]:
    yield m.env_field("VKUBELET_POD_IP", "status.podIP")
    if values.get("credential"):
        for name, _part in _SECRET_PARTS:
            yield m.env_secret(name, KEYS, name)
    elif values.get("TEMP_AKSK_CM"):
        yield m.env("TEMP_AKSK_CM", values["TEMP_AKSK_CM"])
    for name in _PLAIN:
        if values.get(name):
            yield m.env(name, values[name])
    yield m.env("KCI_KUBE_PROXY", "true" if values.get("KCI_KUBE_PROXY") else "false")
    if values.get("KCI_CLUSTER_SERVER"):
        yield m.env("KCI_CLUSTER_SERVER", values["KCI_CLUSTER_SERVER"])
    if values.get("KCI_REQUEST_INTERNAL"):
        yield m.env("KCI_REQUEST_INTERNAL", "")


def owns_node(release: Release, node: Json) -> bool:
    return bool(node["metadata"]["name"] == release.effective["nodename"])


def instance_tags(release: Release) -> Mapping[str, str] | None:
    """The labels that the virtual kubelet puts on its instances (KCI help, labels)."""
    values = release.effective
    if not values.get("KCI_CLUSTER_ID"):
        return None
    return {"cluster-id": values["KCI_CLUSTER_ID"], "node-name": values["nodename"]}


def recognise(workloads: Sequence[Json]) -> Recognised | None:
    """By the image of a Deployment; values from its arguments and plain environment."""
    for workload in workloads:
        for container in m.containers(workload):
            match = re.fullmatch(r"(.*rbkci-virtual-kubelet):(\S+)", container.get("image", ""))
            if match:
                meta = workload["metadata"]
                return Recognised(
                    version=match[2],
                    values=_read_back(container, match[1]),
                    namespace=meta["namespace"],
                    release=meta["name"],
                    objects=(m.identity(workload),),
                    evidence=container["image"],
                )
    return None


def _read_back(container: Json, image: str) -> Json:
    values: Json = {"image": image}
    for argument in container.get("args") or ():
        name, _sign, text = argument.removeprefix("--").partition("=")
        if name in _ARGUMENTS:
            values[name] = text
        elif name in _FLAGS:
            values[name] = text != "false"
    known = m.plain_environment(container)
    for name in (*_PLAIN, "KCI_CLUSTER_SERVER", "TEMP_AKSK_CM"):
        if known.get(name):
            values[name] = known[name]
    values["KCI_KUBE_PROXY"] = known.get("KCI_KUBE_PROXY") == "true"
    values["KCI_REQUEST_INTERNAL"] = "KCI_REQUEST_INTERNAL" in known
    for name in _FLAGS:
        values.setdefault(name, False)
    return values


KIT = Kit(
    render=render,
    owns_node=owns_node,
    instance_tags=instance_tags,
    instance_annotations=("k8s.ksyun.com/kci-instance-id",),
    recognise=recognise,
    provider="kci",
)
