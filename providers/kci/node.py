"""What a virtual node of KCI looks like in Kubernetes.

Sources: KCI user guide, "Kubernetes cluster with KCI" (document 38690: taint, version, arguments of
rbkci-virtual-kubelet); virtual-kubelet (labels of its node; `<Kubernetes>-vk-<build>`).
"""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.translation import gettext_noop as _

from providers.base import Field, FieldKind, NodeProfile
from providers.kci import capabilities
from providers.kci.options import flag

BUILD = "v0.1.0"
TAINT_KEY = "virtual-kubelet.io/provider"
OTHER_TAINT_KEY = "rbkci-virtual-kubelet.io/provider"
TAINT_VALUE = "kingsoftcloud"
_IP = r"(\d{1,3}(\.\d{1,3}){3}|[0-9a-fA-F:]*:[0-9a-fA-F:.]*)"
_IPS = rf"{_IP}(\s*,\s*{_IP})*"
_NAME = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_PORT = r"([1-9]\d{0,3}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d{2}|655[0-2]\d|6553[0-5])"

SETTINGS = (
    Field(
        "KCI_CLUSTER_ID",
        _("Cluster ID"),
        _("The label cluster-id of instances: the ID of a KCE cluster. Empty: the cluster's UID."),
        pattern=r"[a-zA-Z0-9]([-a-zA-Z0-9._]{0,61}[a-zA-Z0-9])?",
    ),
    Field(
        "KCI_KUBE_PROXY",
        _("Services by cluster IP"),
        _(
            "Instances reach services by their cluster IP, with an agent of their own that "
            "connects to the cluster. A pod's annotation "
            "k8s.ksyun.com/kci-kube-proxy-enabled has the last word."
        ),
        FieldKind.FLAG,
        default="false",
    ),
    Field(
        "KCI_CLUSTER_SERVER",
        _("API server for instances"),
        _(
            "Address and port at which instances reach the API server; needed in clusters that "
            "are not KCE when services are reached by cluster IP."
        ),
        pattern=rf"{_IP}:{_PORT}",
    ),
    Field(
        "cluster-dns",
        _("Cluster DNS servers"),
        _("For pods with dnsPolicy ClusterFirst. Empty: the cluster's DNS service."),
        FieldKind.LIST,
        pattern=_IPS,
    ),
    Field(
        "virtual-node-dns",
        _("DNS servers of the virtual node"),
        _("For pods with dnsPolicy Default."),
        FieldKind.LIST,
        pattern=_IPS,
    ),
    Field(
        "cluster-domain",
        _("Cluster domain"),
        default="cluster.local",
        pattern=rf"{_NAME}(\.{_NAME})*",
    ),
    Field(
        "disable-taint",
        _("No taint"),
        _("The node has no taint, so that any pod may be scheduled there."),
        FieldKind.FLAG,
        default="false",
    ),
    Field(
        "taint-key",
        _("Key of the taint"),
        _("Samples of KCI's guide tolerate two keys; the node has this one."),
        FieldKind.CHOICE,
        default=TAINT_KEY,
        choices=(TAINT_KEY, OTHER_TAINT_KEY),
    ),
    Field(
        capabilities.SETTING,
        _("Rules for pods"),
        _("What the KCI API cannot do is refused, or what a version of its own node refuses."),
        FieldKind.CHOICE,
        default=capabilities.API,
        choices=tuple(capabilities.TABLE),
    ),
    Field(
        capabilities.STRICT,
        _("Refuse what would be ignored"),
        _("Pods whose probes would not run are refused instead of warned about."),
        FieldKind.FLAG,
        default="false",
    ),
)


def name(zone: str) -> str:
    return f"virtual-kubelet-{zone}" if zone else "virtual-kubelet"


def version(kubernetes_version: str) -> str:
    """`v1.31.1-vk-v0.1.0` in a cluster of v1.31.1: nodes follow their server."""
    base = kubernetes_version.removeprefix("v").split("-")[0].split("+")[0]
    return f"v{base}-vk-{BUILD}"


def taint_key(settings: Mapping[str, str]) -> str:
    """Empty when the node has no taint."""
    if flag(settings.get("disable-taint", "")):
        return ""
    return settings.get("taint-key", "").strip() or TAINT_KEY


def profile(*, region: str, zone: str, node: str, settings: Mapping[str, str]) -> NodeProfile:
    labels = {
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": node,
        "kubernetes.io/os": "linux",
        "kubernetes.io/role": "agent",
        "topology.kubernetes.io/region": region,
        "topology.kubernetes.io/zone": zone,
        "type": "virtual-kubelet",
    }
    key = taint_key(settings)
    taint = {"key": key, "value": TAINT_VALUE, "effect": "NoSchedule"}
    return NodeProfile(
        name=node,
        labels={key: value for key, value in labels.items() if value},
        taints=(taint,) if key else (),
    )
