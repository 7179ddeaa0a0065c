"""The pod annotations of ECI that CreateContainerGroup can honour.

Source: ECI user guide, "ECI Pod annotations" (prefix `k8s.aliyun.com/`), and ECI developer
reference, CreateContainerGroup. Read from `InstanceSpec.options`; a value that cannot be read
raises `InvalidSpec` with the annotation's name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from providers.base import InstanceSpec
from providers.errors import InvalidSpec

PREFIX = "k8s.aliyun.com/"
_TRUE = {"true": True, "false": False}


def _flag(text: str) -> bool:
    return _TRUE[text.strip().lower()]


def _gib(text: str) -> int:
    match = re.fullmatch(r"(\d+)(?:Gi)?", text.strip())
    if match is None:
        raise ValueError(text)
    return int(match[1])


def _list(text: str) -> list[str]:
    return [part for part in (part.strip() for part in text.split(",")) if part]


def _name(text: str) -> str:
    return text.strip()


def _first(text: str) -> str:
    return _list(text)[0]


_PLAIN: dict[str, tuple[str, Callable[[str], Any]]] = {
    "eci-security-group": ("SecurityGroupId", _first),
    "eci-schedule-strategy": ("ScheduleStrategy", _name),
    "eci-spot-strategy": ("SpotStrategy", _name),
    "eci-spot-price-limit": ("SpotPriceLimit", Decimal),
    "eci-spot-duration": ("SpotDuration", int),
    "eci-with-eip": ("AutoCreateEip", _flag),
    "eci-eip-instanceid": ("EipInstanceId", _name),
    "eip-bandwidth": ("EipBandwidth", int),
    "eip-common-bandwidth-package-id": ("EipCommonBandwidthPackage", _name),
    "eip-isp": ("EipISP", _name),
    "eci-ram-role-name": ("RamRoleName", _name),
    "eci-auto-imc": ("AutoMatchImageCache", _flag),
    "eci-image-cache": ("AutoMatchImageCache", _flag),
    "eci-imc-id": ("ImageSnapshotId", _name),
    "eci-image-snapshot-id": ("ImageSnapshotId", _name),
    "plain-http-registry": ("PlainHttpRegistry", _name),
    "insecure-registry": ("InsecureRegistry", _name),
    "eci-extra-ephemeral-storage": ("EphemeralStorage", _gib),
    "eci-compute-category": ("ComputeCategory", _list),
    "eci-gpu-driver-version": ("GpuDriverVersion", _name),
    "eci-ntp-server": ("NtpServer", _list),
    "eci-core-pattern": ("CorePattern", _name),
    "eci-data-cache-bucket": ("DataCacheBucket", _name),
    "eci-data-cache-pl": ("DataCachePL", _name),
    "eci-data-cache-provisionedIops": ("DataCacheProvisionedIops", int),
    "eci-data-cache-burstingEnabled": ("DataCacheBurstingEnabled", _flag),
    "eci-private-ip-address": ("PrivateIpAddress", _name),
    "eci-fixed-ip": ("FixedIp", _name),
    "eci-fixed-ip-retain-hour": ("FixedIpRetainHour", int),
    "eci-ipv6-bandwidth-enable": ("Ipv6GatewayBandwidthEnable", _flag),
    "eci-ipv6-bandwidth": ("Ipv6GatewayBandwidth", _name),
}
_READ = frozenset(PREFIX + key for key in _PLAIN) | frozenset(
    PREFIX + key
    for key in (
        "eci-use-specs",
        "eci-instance-type",
        "eci-cpu",
        "eci-memory",
        "eci-vswitch",
        "eci-enable-ipv6",
        "acr-instance-ids",
        "acr-service-arns",
        "acr-user-arns",
        "eci-custom-tags",
    )
)


def read(key: str) -> bool:
    """Whether this annotation has an effect on the create."""
    return key in _READ


def parsed(options: Mapping[str, str], name: str, kind: Callable[[str], Any]) -> Any:
    """The value of annotation `name`, or None when it is absent or empty."""
    text = options.get(PREFIX + name, "")
    if not text.strip():
        return None
    try:
        return kind(text)
    except (ValueError, KeyError, IndexError, InvalidOperation) as error:
        raise InvalidSpec(
            f"annotation {PREFIX}{name} has the value {text!r}, which cannot be read",
            code="InvalidAnnotation",
        ) from error


def own_size(options: Mapping[str, str]) -> tuple[Decimal | None, Decimal | None]:
    """`eci-cpu` and `eci-memory` (`4`, `8` or `8Gi`), which beat the containers' sums."""
    return (
        parsed(options, "eci-cpu", Decimal),
        parsed(options, "eci-memory", lambda text: Decimal(text.strip().removesuffix("Gi"))),
    )


def fields(spec: InstanceSpec) -> dict[str, Any]:
    """Top-level parameters of CreateContainerGroup that the annotations set."""
    options = spec.options
    found: dict[str, Any] = {}
    for name, (parameter, kind) in _PLAIN.items():
        value = parsed(options, name, kind)
        if value is not None and value != []:
            found[parameter] = value
    if parsed(options, "eci-enable-ipv6", _flag):
        found["Ipv6AddressCount"] = 1
    if "ImageSnapshotId" in found:
        found.pop("AutoMatchImageCache", None)
    registries = _registries(spec)
    if registries:
        found["AcrRegistryInfo"] = registries
    return found


def vswitches(spec: InstanceSpec) -> list[str]:
    """The vSwitches to try, in order: the annotation's, else those of the placements."""
    own: list[str] = parsed(spec.options, "eci-vswitch", _list) or []
    return own or [placement.subnet for placement in spec.placements if placement.subnet]


def _registries(spec: InstanceSpec) -> list[dict[str, str]]:
    """`acr-instance-ids`: `cri-…` of this region, or `<region>:cri-…`."""
    ids: list[str] = parsed(spec.options, "acr-instance-ids", _list) or []
    service = parsed(spec.options, "acr-service-arns", _list) or []
    user = parsed(spec.options, "acr-user-arns", _list) or []
    found = []
    for index, text in enumerate(ids):
        region, _, instance = text.rpartition(":")
        entry = {"InstanceId": instance, "RegionId": region or spec.region}
        if index < len(service):
            entry["ArnService"] = service[index]
        if index < len(user):
            entry["ArnUser"] = user[index]
        found.append(entry)
    return found


def custom_tags(options: Mapping[str, str]) -> dict[str, str]:
    """`eci-custom-tags`: `key:value,key:value`, three at most."""
    pairs: list[str] = parsed(options, "eci-custom-tags", _list) or []
    return {key.strip(): value.strip() for key, _, value in (p.partition(":") for p in pairs)}
