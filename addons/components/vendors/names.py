"""What vendors call our components, and how their configuration is written. Pure.

Sources: ACK user guide (names of add-ons; the configuration follows the component's own
`config_schema`); KCE's component API as the Terraform provider of Kingsoft Cloud uses it (component
`virtual-kubelet` in kube-system, lower camel keys).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from addons.components.base import Json

_NAMES = {("kci", "rbkci-virtual-kubelet"): "virtual-kubelet"}
# How a cluster is reached or what only our own deliveries know: never the vendor's business.
_PROFILE = ("vSwitchIds", "securityGroupId", "enablePrivateZone", "enableHybridMode")
_OURS = frozenset({"credential", "second_credential", "rbac", "image", "instances", "account"})


def vendor_name(provider: str, component: str) -> str:
    return _NAMES.get((provider, component), component)


def component_name(provider: str, name: str) -> str:
    """The inverse of `vendor_name`."""
    known = {theirs: ours for (cloud, ours), theirs in _NAMES.items() if cloud == provider}
    return known.get(name, name)


def respelled(config: Mapping[str, Any], schema: Mapping[str, Any]) -> Json:
    """The keys as the vendor's own schema writes them; what it does not name stays as it is."""
    known = {key.lower(): key for key in schema.get("properties") or ()}
    return {known.get(key.lower(), key): value for key, value in config.items()}


def config_of(provider: str, component: str, values: Mapping[str, Any]) -> Json:
    """The vendor's configuration for our values; what is not set is not said."""
    special = _SPECIAL.get((provider, component))
    if special:
        return special(values)
    return {k: v for k, v in values.items() if k not in _OURS and v not in (None, "", {}, [])}


def values_of(provider: str, component: str, config: Mapping[str, Any]) -> Json:
    """Our values for a vendor's configuration: the inverse of `config_of`, where there is one."""
    if (provider, component) != ("kci", "rbkci-virtual-kubelet"):
        return dict(config)
    openapi, settings = config.get("openapi") or {}, config.get("instanceSettings") or {}
    values = {
        "nodename": config.get("nodename"),
        "KCI_CLUSTER_ID": config.get("clusterId"),
        "KCI_REGION": openapi.get("region"),
        "TEMP_AKSK_CM": (openapi.get("akskConfigMap") or {}).get("name"),
        "cluster-dns": next(iter(config.get("clusterDns") or ()), None),
        "cluster-domain": config.get("clusterDomain"),
        "disable-taint": config.get("disableTaint"),
        "enable-node-lease": config.get("enableNodeLease"),
        "KCI_SUBNET_ID": settings.get("k8s.ksyun.com/kci-subnet-id"),
        "KCI_SECURITY_GROUP_IDS": settings.get("k8s.ksyun.com/kci-security-group-id"),
        "KCI_KUBE_PROXY": settings.get("k8s.ksyun.com/kci-kube-proxy-enabled") == "true",
    }
    return {key: value for key, value in values.items() if value is not None}


def _kce_virtual_kubelet(values: Mapping[str, Any]) -> Json:
    groups = str(values.get("KCI_SECURITY_GROUP_IDS") or "")
    settings = {
        "k8s.ksyun.com/kci-subnet-id": str(values.get("KCI_SUBNET_ID") or ""),
        "k8s.ksyun.com/kci-security-group-id": groups,
        "k8s.ksyun.com/kci-kube-proxy-enabled": "true" if values.get("KCI_KUBE_PROXY") else "",
    }
    config = {
        "nodename": values.get("nodename"),
        "clusterId": values.get("KCI_CLUSTER_ID"),
        "openapi": {
            "region": values.get("KCI_REGION"),
            "akskConfigMap": _config_map(str(values.get("TEMP_AKSK_CM") or "user-temp-aksk")),
        },
        "clusterDns": [values["cluster-dns"]] if values.get("cluster-dns") else None,
        "clusterDomain": values.get("cluster-domain"),
        "disableTaint": values.get("disable-taint"),
        "enableNodeLease": values.get("enable-node-lease"),
        "instanceSettings": {key: text for key, text in settings.items() if text},
    }
    return {k: v for k, v in config.items() if v not in (None, "", {}, [])}


def _ack_virtual_node(values: Mapping[str, Any]) -> Json:
    """The profile's values; the older environment's ones under their names in the profile."""
    config = {key: values.get(key) for key in _PROFILE}
    for old, new in (("ECI_VSWITCH", "vSwitchIds"), ("ECI_SECURITY_GROUP", "securityGroupId")):
        config[new] = config[new] or values.get(old)
    return {key: value for key, value in config.items() if value not in (None, "")}


def _config_map(name: str) -> Json:
    return {"name": name, "namespace": "kube-system"}


_SPECIAL: dict[tuple[str, str], Callable[[Mapping[str, Any]], Json]] = {
    ("kci", "rbkci-virtual-kubelet"): _kce_virtual_kubelet,
    ("eci", "ack-virtual-node"): _ack_virtual_node,
}
