"""The pod annotations of KCI, and the settings of the virtual node that they beat.

Sources: KCI user guide, "Kubernetes cluster with KCI" (document 38690: keys, precedence of the pod
over the node) and "KCI pod specification" (document 43621: both sizes or neither);
`kci-host-aliases`: repository kingsoftcloud/terraform-provider-ksyun. A value that cannot be read
raises `InvalidSpec` with the annotation's name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from ipaddress import ip_address
from typing import Any

import msgspec

from providers.base import HostAlias, InstanceSpec
from providers.errors import InvalidSpec

PREFIX = "k8s.ksyun.com/"
CPU = f"{PREFIX}kci-instance-cpu"
MEMORY = f"{PREFIX}kci-instance-memory"
GROUPS = f"{PREFIX}kci-security-group-id"
SUBNET = f"{PREFIX}kci-subnet-id"
KUBE_PROXY = f"{PREFIX}kci-kube-proxy-enabled"
HOST_ALIASES = f"{PREFIX}kci-host-aliases"
INGRESS = "kubernetes.io/ingress-bandwidth"
EGRESS = "kubernetes.io/egress-bandwidth"
KNOWN = frozenset({CPU, MEMORY, GROUPS, SUBNET, KUBE_PROXY, HOST_ALIASES})

MAX_GROUPS = 3
MAX_SUBNETS = 5
_NUMBER = re.compile(r"\d+(\.\d+)?")
_BANDWIDTH = re.compile(r"(\d+(?:\.\d+)?)([kMG]?)")
_UNITS = {"": 1, "k": 1000, "M": 1000**2, "G": 1000**3}
_HOST = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*")


class BadAnnotation(InvalidSpec):
    """An annotation that cannot be read: its key and value, and what it must be."""

    def __init__(self, key: str, value: str, wanted: str) -> None:
        super().__init__(
            f"annotation {key} has the value {value!r}; it must be {wanted}",
            code="InvalidAnnotation",
        )
        self.key = key
        self.value = value
        self.wanted = wanted


def parts(text: str) -> list[str]:
    return [part for part in (part.strip() for part in text.split(",")) if part]


def own_size(options: Mapping[str, str]) -> tuple[Decimal, Decimal] | None:
    """vCPU and GiB of the annotations; None without them. One without the other is refused."""
    given = {key: options.get(key, "").strip() for key in (CPU, MEMORY)}
    if not any(given.values()):
        return None
    for key, other in ((CPU, MEMORY), (MEMORY, CPU)):
        if not given[key]:
            raise BadAnnotation(key, "", f"given together with {other}")
        if not _NUMBER.fullmatch(given[key]) or Decimal(given[key]) <= 0:
            unit = "cores" if key == CPU else "GiB"
            raise BadAnnotation(key, given[key], f"a positive number of {unit} without a unit")
    return Decimal(given[CPU]), Decimal(given[MEMORY])


def checked_subnet(options: Mapping[str, str]) -> list[str]:
    """The one subnet of the annotation, if any."""
    own = parts(options.get(SUBNET, ""))
    if len(own) > 1:
        raise BadAnnotation(SUBNET, options[SUBNET], "one subnet id")
    return own


def subnets(spec: InstanceSpec) -> list[str]:
    """The subnets to try, in order: the annotation's one, else those of the virtual node."""
    nodes = [placement.subnet for placement in spec.placements if placement.subnet]
    found = checked_subnet(spec.options) or nodes
    if not found:
        raise InvalidSpec(
            f"no subnet: the virtual node has none, nor has the pod the annotation {SUBNET}",
            code="NoSubnet",
        )
    return found[:MAX_SUBNETS]


def checked_groups(options: Mapping[str, str]) -> list[str]:
    """The security groups of the annotation, if any."""
    found = list(dict.fromkeys(parts(options.get(GROUPS, ""))))
    if len(found) > MAX_GROUPS:
        raise BadAnnotation(GROUPS, options[GROUPS], f"at most {MAX_GROUPS} security group ids")
    return found


def groups(spec: InstanceSpec) -> list[str]:
    """At most three security groups: the annotation's, else the virtual node's."""
    found = checked_groups(spec.options) or list(dict.fromkeys(parts(spec.security_group)))
    if not found:
        raise InvalidSpec(
            f"no security group: the virtual node has none, nor has the pod the annotation "
            f"{GROUPS}",
            code="NoSecurityGroup",
        )
    return found[:MAX_GROUPS]


def flag(text: str) -> bool | None:
    """`true` or `false`; None for anything else."""
    return {"true": True, "false": False}.get(text.strip().lower())


def kube_proxy(options: Mapping[str, str], settings: Mapping[str, str]) -> bool:
    """Whether the instance shall reach ClusterIPs: the pod's word, else the virtual node's."""
    own = options.get(KUBE_PROXY, "")
    if own.strip():
        found = flag(own)
        if found is None:
            raise BadAnnotation(KUBE_PROXY, own, "'true' or 'false'")
        return found
    return bool(flag(settings.get("KCI_KUBE_PROXY", "")))


def bandwidth(options: Mapping[str, str], key: str) -> Decimal | None:
    """Bits per second; units are k, M and G (powers of a thousand), none is bit."""
    text = options.get(key, "").strip()
    if not text:
        return None
    found = _BANDWIDTH.fullmatch(text)
    if found is None:
        raise BadAnnotation(key, text, "a number with the unit k, M, G or none (bit)")
    return Decimal(found[1]) * _UNITS[found[2]]


def host_aliases(options: Mapping[str, str]) -> tuple[HostAlias, ...]:
    """A JSON list in the form of a pod's `hostAliases`."""
    text = options.get(HOST_ALIASES, "").strip()
    if not text:
        return ()
    wanted = 'a JSON list such as [{"ip": "10.0.0.9", "hostnames": ["db"]}]'
    try:
        found = msgspec.json.decode(text)
        return tuple(_alias(entry) for entry in found)
    except (msgspec.DecodeError, TypeError, KeyError, ValueError) as error:
        raise BadAnnotation(HOST_ALIASES, text, wanted) from error


def _alias(entry: Mapping[str, Any]) -> HostAlias:
    names = tuple(str(name) for name in entry["hostnames"])
    if not names or not all(is_host_name(name) for name in names):
        raise ValueError(names)
    return HostAlias(str(ip_address(entry["ip"])), names)


def is_host_name(name: str) -> bool:
    """A DNS name of RFC 1123: labels of at most 63 characters, 253 in all."""
    return len(name) <= 253 and bool(_HOST.fullmatch(name.lower()))
