"""The pod annotations of ECI and what becomes of each.

Source: ECI user guide, "ECI Pod annotations" (prefix `k8s.aliyun.com/`) and the pages it links;
ECI developer reference, CreateContainerGroup, and package `alibabacloud-eci20180808` 2.1.0 for the
parameters there are. Read from `InstanceSpec.options`; a value that cannot be read raises
`InvalidSpec` that names the annotation, the value and what to write instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_noop as _

from providers.base import InstanceSpec
from providers.eci import values
from providers.eci.values import Kind
from providers.errors import InvalidSpec

PREFIX = "k8s.aliyun.com/"
USE_SPECS = "eci-use-specs"
OLD_TYPE = "eci-instance-type"


@dataclass(frozen=True, slots=True)
class Option:
    """One annotation. `parameter`: of CreateContainerGroup, as it is; else code here reads it."""

    key: str
    kind: Kind
    parameter: str = ""

    @property
    def name(self) -> str:
        return self.key if "/" in self.key else PREFIX + self.key


def _rows(*rows: tuple[str, Kind] | tuple[str, Kind, str]) -> dict[str, Option]:
    return {row[0]: Option(*row) for row in rows}


TABLE = _rows(
    # Size. `choices` reads these.
    (USE_SPECS, values.SPECS),
    (OLD_TYPE, values.SPECS),
    ("eci-cpu", values.AMOUNT),
    ("eci-memory", values.AMOUNT),
    ("eci-instance-family", values.FAMILIES),
    ("eci-instance-generation", values.GENERATIONS),
    ("eci-compute-category", values.some_of("economy", "general")),
    ("eci-gpu-driver-version", values.DRIVER, "GpuDriverVersion"),
    # Spot.
    ("eci-spot-strategy", values.one_of("NoSpot", "SpotAsPriceGo", "SpotWithPriceLimit")),
    ("eci-spot-price-limit", values.PRICE),
    ("eci-spot-duration", values.whole(0, 6)),
    ("eci-spot-fallback", values.FLAG),
    # Place.
    ("eci-vswitch", values.resources("vsw", 10)),
    ("eci-schedule-strategy", values.one_of("VSwitchOrdered", "VSwitchRandom")),
    ("eci-security-group", values.resources("sg", 5)),
    ("eci-resource-group-id", values.resource("rg"), "ResourceGroupId"),
    # Failure.
    ("eci-fail-strategy", values.one_of("fail-back", "fail-over", "fail-fast")),
    ("eci-max-pending-minute", values.whole(10, 1440)),
    # Images.
    ("eci-auto-imc", values.FLAG),
    ("eci-image-cache", values.FLAG),
    ("eci-imc-id", values.resource("imc"), "ImageSnapshotId"),
    ("eci-image-snapshot-id", values.resource("imc"), "ImageSnapshotId"),
    ("acr-instance-ids", values.NAMES),
    ("acr-service-arns", values.NAMES),
    ("acr-user-arns", values.NAMES),
    ("plain-http-registry", values.JOINED, "PlainHttpRegistry"),
    ("insecure-registry", values.JOINED, "InsecureRegistry"),
    # Data caches.
    ("eci-data-cache-bucket", values.NAME, "DataCacheBucket"),
    ("eci-data-cache-pl", values.one_of("PL0", "PL1", "PL2", "PL3"), "DataCachePL"),
    ("eci-data-cache-provisionedIops", values.whole(0, 50_000), "DataCacheProvisionedIops"),
    ("eci-data-cache-burstingEnabled", values.FLAG, "DataCacheBurstingEnabled"),
    # Public address.
    ("eci-with-eip", values.FLAG),
    ("eci-eip-instanceid", values.resource("eip"), "EipInstanceId"),
    ("eip-bandwidth", values.whole(1, 1000)),
    ("eip-isp", values.one_of("BGP", "BGP_PRO")),
    ("eip-common-bandwidth-package-id", values.resource("cbwp"), "EipCommonBandwidthPackage"),
    # Addresses, names, bandwidth.
    ("eci-enable-ipv6", values.FLAG),
    ("eci-ipv6-bandwidth-enable", values.FLAG, "Ipv6GatewayBandwidthEnable"),
    ("eci-ipv6-bandwidth", values.MEGABITS, "Ipv6GatewayBandwidth"),
    ("eci-private-ip-address", values.ADDRESS, "PrivateIpAddress"),
    ("eci-fixed-ip", values.FLAG),
    ("eci-fixed-ip-retain-hour", values.whole(1, 8760)),
    ("eci-custom-dnsconfig", values.DNS, "DnsConfig"),
    ("eci-custom-hosts", values.HOSTS),
    ("kubernetes.io/ingress-bandwidth", values.BANDWIDTH, "IngressBandwidth"),
    ("kubernetes.io/egress-bandwidth", values.BANDWIDTH, "EgressBandwidth"),
    # Storage and the rest.
    ("eci-extra-ephemeral-storage", values.GIB, "EphemeralStorage"),
    ("eci-ram-role-name", values.NAME, "RamRoleName"),
    ("eci-custom-tags", values.TAGS),
    ("eci-ntp-server", values.NAMES, "NtpServer"),
    ("eci-core-pattern", values.PATH, "CorePattern"),
)

_NO_POOL = _(
    "Only ECI's own virtual node can use private pools; name the ECS type in eci-use-specs."
)
_EIP_FIX = _("Create the address yourself and name it in eci-eip-instanceid.")
_NOT_NEEDED = _("Remove it.")
# What ECI's own virtual node acts on and CreateContainerGroup has no parameter for.
IGNORED: dict[str, tuple[Kind, str]] = {
    "eci-privatepool-matchcriteria": (values.one_of("Open", "Target"), _NO_POOL),
    "eci-privatepool-id": (values.resource("eap"), _NO_POOL),
    "imc-perfect-match": (values.FLAG, _("Name the image cache in eci-imc-id.")),
    "imc-match-count-request": (values.whole(0, 20), _("Name the image cache in eci-imc-id.")),
    "eip-internet-charge-type": (values.one_of("PayByBandwidth", "PayByTraffic"), _EIP_FIX),
    "eip-public-ip-address-pool-id": (values.resource("pippool"), _EIP_FIX),
    "eci-ephemeral-storage-options": (
        values.JSON,
        _("Mount an encrypted disk with flexVolume for what must be encrypted."),
    ),
    "eci-eviction-enable": (values.FLAG, _("Ask for enough with eci-extra-ephemeral-storage.")),
    "eci-reschedule-enable": (values.FLAG, _("Use eci-fail-strategy.")),
    "eci-spot-release-strategy": (
        values.one_of("api-evict"),
        _("Nothing to do: a reclaimed pod fails, and its workload makes a new one."),
    ),
    "eci-sls-enable": (values.FLAG, _("Collect logs with a sidecar.")),
    "eci-created-by-template": (values.FLAG, _NOT_NEEDED),
}


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An annotation whose value cannot be read."""

    name: str
    value: str
    kind: Kind

    @property
    def fix(self) -> str:
        return self.kind.fix % self.kind.values


def unreadable(options: Mapping[str, str]) -> Iterator[Unreadable]:
    """Every annotation of ours whose value is none."""
    for option in TABLE.values():
        text = options.get(option.name, "")
        if text.strip() and _value(option.kind, text) is None:
            yield Unreadable(option.name, text, option.kind)


def parsed(options: Mapping[str, str], key: str) -> Any:
    """The value of an annotation of the table, or None when it is absent or empty."""
    option = TABLE[key]
    text = options.get(option.name, "")
    if not text.strip():
        return None
    value = _value(option.kind, text)
    if value is None:
        bad = Unreadable(option.name, text, option.kind)
        raise InvalidSpec(
            f"annotation {bad.name} has the value {text!r}, which cannot be read. {bad.fix}",
            code="InvalidAnnotation",
        )
    return value


def _value(kind: Kind, text: str) -> Any:
    try:
        return kind.read(text)
    except ValueError:
        return None


def fields(spec: InstanceSpec) -> dict[str, Any]:
    """Parameters of CreateContainerGroup that annotations set, but for size, spot and vSwitches.

    Raises `InvalidSpec` for any annotation of the table that cannot be read.
    """
    options = spec.options
    found: dict[str, Any] = {}
    for key, option in TABLE.items():
        value = parsed(options, key)
        if option.parameter and value is not None:
            found[option.parameter] = value
    return {**found, **_network(spec), **_images(spec, found)}


def _network(spec: InstanceSpec) -> dict[str, Any]:
    options = spec.options
    found: dict[str, Any] = {}
    groups = parsed(options, "eci-security-group")
    if groups:
        found["SecurityGroupId"] = groups[0]
    if parsed(options, "eci-enable-ipv6"):
        found["Ipv6AddressCount"] = 1
    if parsed(options, "eci-fixed-ip"):
        found["FixedIp"] = "true"
        found["FixedIpRetainHour"] = parsed(options, "eci-fixed-ip-retain-hour")
    if parsed(options, "eci-with-eip") and not parsed(options, "eci-eip-instanceid"):
        found["AutoCreateEip"] = True
        found["EipBandwidth"] = parsed(options, "eip-bandwidth")
        found["EipISP"] = parsed(options, "eip-isp")
    return found


def _images(spec: InstanceSpec, found: Mapping[str, Any]) -> dict[str, Any]:
    """`AutoMatchImageCache`, which a named cache beats, and registries without passwords."""
    cache = any(parsed(spec.options, key) for key in ("eci-auto-imc", "eci-image-cache"))
    matched = {"AutoMatchImageCache": True} if cache and "ImageSnapshotId" not in found else {}
    registries = _registries(spec)
    return {**matched, **({"AcrRegistryInfo": registries} if registries else {})}


def _registries(spec: InstanceSpec) -> list[dict[str, str]]:
    """`acr-instance-ids`: `cri-…` of this region, or `<region>:cri-…`."""
    ids: list[str] = parsed(spec.options, "acr-instance-ids") or []
    service = parsed(spec.options, "acr-service-arns") or []
    user = parsed(spec.options, "acr-user-arns") or []
    found = []
    for index, text in enumerate(ids):
        region, _colon, instance = text.rpartition(":")
        entry = {"InstanceId": instance, "RegionId": region or spec.region}
        if index < len(service):
            entry["ArnService"] = service[index]
        if index < len(user):
            entry["ArnUser"] = user[index]
        found.append(entry)
    return found


def vswitches(spec: InstanceSpec) -> tuple[list[str], str]:
    """The vSwitches to try and in which manner (`ScheduleStrategy`; empty for one vSwitch).

    The annotation's, which are tried at random unless it says otherwise; else those of the
    placements, in their order.
    """
    own: list[str] = parsed(spec.options, "eci-vswitch") or []
    ids = own or [placement.subnet for placement in spec.placements if placement.subnet]
    asked: str | None = parsed(spec.options, "eci-schedule-strategy")
    manner = asked or ("VSwitchRandom" if own else "VSwitchOrdered")
    return ids, manner if len(ids) > 1 else ""


def hosts(options: Mapping[str, str]) -> list[tuple[str, list[str]]]:
    """`eci-custom-hosts` as addresses and their names."""
    found: dict[str, list[str]] = {}
    for address, name in parsed(options, "eci-custom-hosts") or ():
        found.setdefault(address, []).append(name)
    return list(found.items())


def custom_tags(options: Mapping[str, str]) -> dict[str, str]:
    """`eci-custom-tags`: `key:value,key:value`, three at most."""
    return parsed(options, "eci-custom-tags") or {}


def without(options: Mapping[str, str], keys: Iterable[str]) -> dict[str, str]:
    gone = {TABLE[key].name for key in keys}
    return {name: text for name, text in options.items() if name not in gone}
