"""The environment of a container, as the kubelet makes it.

Source: Kubernetes `pkg/kubelet/kubelet_pods.go` (makeEnvironmentVariables) and
`pkg/kubelet/envvars`: envFrom, then env in order with expansion, then service variables that
nobody set. The pod's own address is not known before the instance exists: the cloud fills it in.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from addons.pods.expansion import expand
from addons.pods.quantity import in_units, parse
from addons.pods.references import MissingReference, Resolved
from providers.base import EnvVar

Json = Mapping[str, Any]
CONFIG_ERROR = "CreateContainerConfigError"
POD_IP = "status.podIP"
# An instance is its own host: both addresses are the one that the cloud gives it.
_ADDRESSES = {"status.podIP", "status.podIPs", "status.hostIP", "status.hostIPs"}
_ENV_NAME = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")
_SUBSCRIPT = re.compile(r"(metadata\.(?:labels|annotations))\['([^']*)'\]")


def environment(container: Json, pod: Json, resolved: Resolved) -> tuple[EnvVar, ...]:
    """Variables by name; raises `MissingReference` with the kubelet's sentence."""
    services = service_variables(resolved.services)
    variables = _from_sources(container, pod, resolved)
    addresses: set[str] = set()
    for entry in container.get("env") or ():
        name = entry["name"]
        addresses.discard(name)
        if entry.get("value"):
            variables[name] = expand(entry["value"], services | variables)
        elif entry.get("valueFrom"):
            if _is_address(entry):
                variables.pop(name, None)
                addresses.add(name)
                continue
            value = _from_value(entry["valueFrom"], container, pod, resolved)
            if value is not None:
                variables[name] = value
        else:
            variables[name] = ""
    taken = variables.keys() | addresses
    plain = variables | {key: value for key, value in services.items() if key not in taken}
    return tuple(
        sorted(
            (
                *(EnvVar(name, value=value) for name, value in plain.items()),
                *(EnvVar(name, field_path=POD_IP) for name in addresses),
            ),
            key=lambda variable: variable.name,
        )
    )


def known_variables(variables: tuple[EnvVar, ...]) -> dict[str, str]:
    """What commands and arguments may refer to."""
    return {variable.name: variable.value for variable in variables if not variable.field_path}


def _is_address(entry: Json) -> bool:
    return (entry["valueFrom"].get("fieldRef") or {}).get("fieldPath") in _ADDRESSES


def _from_sources(container: Json, pod: Json, resolved: Resolved) -> dict[str, str]:
    namespace = pod["metadata"]["namespace"]
    result: dict[str, str] = {}
    for source in container.get("envFrom") or ():
        prefix = source.get("prefix") or ""
        kind = "configmaps" if source.get("configMapRef") else "secrets"
        reference = source.get("configMapRef") or source.get("secretRef")
        if not reference:
            continue
        name = reference["name"]
        if reference.get("optional") and resolved.find(kind, namespace, name) is None:
            continue
        data = text_data(resolved.need(kind, namespace, name, reason=CONFIG_ERROR), kind)
        named = {prefix + key: value for key, value in data.items()}
        result |= {key: value for key, value in named.items() if _ENV_NAME.fullmatch(key)}
    return result


def text_data(obj: Json, kind: str) -> dict[str, str]:
    """`data` of a ConfigMap or Secret as text; bytes that are no UTF-8 are replaced."""
    data = obj.get("data") or {}
    if kind == "configmaps":
        return dict(data)
    return {key: decode(value).decode(errors="replace") for key, value in data.items()}


def decode(value: str) -> bytes:
    return base64.b64decode(value)


def _from_value(source: Json, container: Json, pod: Json, resolved: Resolved) -> str | None:
    if reference := source.get("fieldRef"):
        return field_value(pod, reference["fieldPath"])
    if reference := source.get("resourceFieldRef"):
        return resource_value(pod, container, reference, resolved)
    for key, kind, title in (
        ("configMapKeyRef", "configmaps", "ConfigMap"),
        ("secretKeyRef", "secrets", "Secret"),
    ):
        if reference := source.get(key):
            return _key_value(reference, kind, title, pod["metadata"]["namespace"], resolved)
    return None


def _key_value(
    reference: Json, kind: str, title: str, namespace: str, resolved: Resolved
) -> str | None:
    name, key = reference["name"], reference["key"]
    optional = bool(reference.get("optional"))
    if optional and resolved.find(kind, namespace, name) is None:
        return None
    data = text_data(resolved.need(kind, namespace, name, reason=CONFIG_ERROR), kind)
    if key in data:
        return data[key]
    if optional:
        return None
    raise MissingReference(
        f"couldn't find key {key} in {title} {namespace}/{name}",
        reason=CONFIG_ERROR,
        reference=f"{kind}/{namespace}/{name}",
    )


def field_value(pod: Json, path: str) -> str:
    """A fieldRef of the downward API; addresses are empty here."""
    meta, spec = pod["metadata"], pod["spec"]
    if match := _SUBSCRIPT.fullmatch(path):
        mapping = meta.get(match.group(1).removeprefix("metadata.")) or {}
        return str(mapping.get(match.group(2), ""))
    if path in {"metadata.labels", "metadata.annotations"}:
        return format_map(meta.get(path.removeprefix("metadata.")) or {})
    simple = {
        "metadata.name": meta["name"],
        "metadata.namespace": meta["namespace"],
        "metadata.uid": meta["uid"],
        "spec.nodeName": spec.get("nodeName", ""),
        "spec.serviceAccountName": spec.get("serviceAccountName") or "default",
    }
    return str(simple.get(path, ""))


def format_map(mapping: Mapping[str, str]) -> str:
    """`key="value"` lines, sorted and escaped as the downward API writes them."""
    return "\n".join(f"{key}={_quoted(mapping[key])}" for key in sorted(mapping))


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + escaped.replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r") + '"'


def resource_value(pod: Json, container: Json, reference: Json, resolved: Resolved) -> str:
    """A resourceFieldRef, in units of its divisor.

    Source: `pkg/kubelet/kubelet_resources.go`: a limit that the container does not have is the
    pod's, else what its node has, which here is the instance; a request it does not have is 0.
    """
    named = reference.get("containerName")
    if named:
        every = (*(pod["spec"].get("initContainers") or ()), *pod["spec"]["containers"])
        container = next((c for c in every if c["name"] == named), container)
    side, _, name = reference["resource"].partition(".")
    holders = (container, pod["spec"]) if side == "limits" else (container,)
    given = (((one.get("resources") or {}).get(side) or {}).get(name) for one in holders)
    amount = next((found for text in given if text and (found := parse(text))), None)
    if amount is None:
        amount = resolved.room.get(name, Decimal(0)) if side == "limits" else Decimal(0)
    return in_units(amount, parse(reference.get("divisor") or "1") or Decimal(1))


def service_variables(services: tuple[Json, ...]) -> dict[str, str]:
    """`{SVC}_SERVICE_HOST` and the link variables of every service that has an address."""
    result: dict[str, str] = {}
    for service in services:
        spec = service["spec"]
        address = spec.get("clusterIP") or "None"
        if address != "None" and spec.get("ports"):
            result |= _of_service(service["metadata"]["name"], address, spec["ports"])
    return result


def _of_service(name: str, address: str, ports: list[Json]) -> dict[str, str]:
    base = _shout(name)
    host = f"[{address}]" if ":" in address else address
    result = {
        f"{base}_SERVICE_HOST": address,
        f"{base}_SERVICE_PORT": str(ports[0]["port"]),
    }
    for index, port in enumerate(ports):
        number, protocol = port["port"], port.get("protocol") or "TCP"
        url = f"{protocol.lower()}://{host}:{number}"
        if port.get("name"):
            result[f"{base}_SERVICE_PORT_{_shout(port['name'])}"] = str(number)
        if index == 0:
            result[f"{base}_PORT"] = url
        link = f"{base}_PORT_{number}_{protocol.upper()}"
        result |= {
            link: url,
            f"{link}_PROTO": protocol.lower(),
            f"{link}_PORT": str(number),
            f"{link}_ADDR": address,
        }
    return result


def _shout(name: str) -> str:
    return name.upper().replace("-", "_")
