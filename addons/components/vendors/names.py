"""What vendors call our components, and how their configuration is written. Pure.

Sources: ACK user guide (names of add-ons; the configuration follows the component's own
`config_schema`); KCE's component API as the Terraform provider of Kingsoft Cloud uses it (component
`virtual-kubelet` in kube-system, lower camel keys).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from addons.components.base import Json

_UNSAID: tuple[Any, ...] = (None, "", {}, [])
_NAMES = {("kci", "rbkci-virtual-kubelet"): "virtual-kubelet"}
# How a cluster is reached or what only our own deliveries know: never the vendor's business.
_OURS = frozenset({"credential", "second_credential", "rbac", "image", "instances", "account"})
# Of the older environment: under another name in the profile, or with no place in it.
_RENAMED = {"ECI_VSWITCH": "vSwitchIds", "ECI_SECURITY_GROUP": "securityGroupId"}
_NO_PLACE = {
    ("kci", "rbkci-virtual-kubelet"): frozenset(
        {"virtual-node-dns", "KCI_REQUEST_INTERNAL", "KCI_CLUSTER_SERVER"}
    ),
    ("eci", "ack-virtual-node"): frozenset({"ECI_REGION", "CLUSTER_DOMAIN"}),
}


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


def unplaced(
    provider: str, component: str, values: Mapping[str, Any], usual: Mapping[str, Any]
) -> list[str]:
    """Keys that are set to something else than `usual` and that the vendor's configuration has no
    place for: it would do without them."""
    lost = _OURS | _NO_PLACE.get((provider, component), frozenset())
    said = {key: value for key, value in values.items() if value not in _UNSAID}
    return sorted(key for key in said if key in lost and said[key] != usual.get(key))


def config_of(provider: str, component: str, values: Mapping[str, Any]) -> Json:
    """The vendor's configuration for our values; what is not set is not said."""
    special = _SPECIAL.get((provider, component))
    if special:
        return special(values)
    return {k: v for k, v in values.items() if k not in _OURS and v not in _UNSAID}


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
        "cluster-dns": ",".join(config.get("clusterDns") or ()) or None,
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
        "clusterDns": _split(values.get("cluster-dns")),
        "clusterDomain": values.get("cluster-domain"),
        "disableTaint": values.get("disable-taint"),
        "enableNodeLease": values.get("enable-node-lease"),
        "instanceSettings": {key: text for key, text in settings.items() if text},
    }
    return {k: v for k, v in config.items() if v not in _UNSAID}


def _ack_virtual_node(values: Mapping[str, Any]) -> Json:
    """The profile's values; the older environment's ones under their names in the profile."""
    lost = _OURS | _RENAMED.keys() | _NO_PLACE["eci", "ack-virtual-node"]
    config = {key: value for key, value in values.items() if key not in lost}
    for old, new in _RENAMED.items():
        config[new] = config.get(new) or values.get(old)
    return {key: value for key, value in config.items() if value not in _UNSAID}


def _split(text: Any) -> list[str]:
    return [part.strip() for part in str(text or "").split(",") if part.strip()]


def _config_map(name: str) -> Json:
    return {"name": name, "namespace": "kube-system"}


_SPECIAL: dict[tuple[str, str], Callable[[Mapping[str, Any]], Json]] = {
    ("kci", "rbkci-virtual-kubelet"): _kce_virtual_kubelet,
    ("eci", "ack-virtual-node"): _ack_virtual_node,
}
