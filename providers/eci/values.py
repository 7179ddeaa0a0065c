"""Values of ECI's pod annotations: how each kind is read, and what to write instead.

A reader raises `ValueError` for a value it cannot read. Sources: ECI user guide, "ECI Pod
annotations" and the page of each feature; ECI developer reference, CreateContainerGroup.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from django.utils.translation import gettext_noop as _


@dataclass(frozen=True, slots=True)
class Kind:
    """`fix` is an English message id with `%(name)s` places that `values` fill."""

    read: Callable[[str], Any]
    fix: str
    values: Mapping[str, str] = field(default_factory=dict)


def listed(text: str) -> list[str]:
    return [part for part in (part.strip() for part in text.split(",")) if part]


def _some(text: str) -> list[str]:
    found = listed(text)
    if not found:
        raise ValueError(text)
    return found


def _flag(text: str) -> bool:
    lowered = text.strip().lower()
    if lowered not in {"true", "false"}:
        raise ValueError(text)
    return lowered == "true"


def _named(text: str) -> str:
    if not text.strip() or any(character.isspace() for character in text.strip()):
        raise ValueError(text)
    return text.strip()


FLAG = Kind(_flag, _('Write "true" or "false".'))
NAME = Kind(_named, _("Write a name without spaces."))
JOINED = Kind(lambda text: ",".join(_some(text)), _("Write names, separated by commas."))
NAMES = Kind(_some, _("Write names, separated by commas."))


def one_of(*choices: str) -> Kind:
    def read(text: str) -> str:
        if text.strip() not in choices:
            raise ValueError(text)
        return text.strip()

    return Kind(read, _("Write one of %(choices)s."), {"choices": ", ".join(choices)})


def some_of(*choices: str) -> Kind:
    def read(text: str) -> list[str]:
        found = _some(text)
        if not set(found) <= set(choices):
            raise ValueError(text)
        return list(dict.fromkeys(found))

    fix = _("Write one or more of %(choices)s, separated by commas, the preferred one first.")
    return Kind(read, fix, {"choices": ", ".join(choices)})


def whole(low: int, high: int) -> Kind:
    def read(text: str) -> int:
        number = int(text.strip())
        if not low <= number <= high:
            raise ValueError(text)
        return number

    values = {"low": str(low), "high": str(high)}
    return Kind(read, _("Write a whole number from %(low)s to %(high)s."), values)


def resource(prefix: str) -> Kind:
    """The id of one cloud resource, `imc-…`."""

    def read(text: str) -> str:
        if not re.fullmatch(rf"{prefix}-[\w-]+", text.strip()):
            raise ValueError(text)
        return text.strip()

    return Kind(read, _("Write an id that begins with %(prefix)s."), {"prefix": f"{prefix}-"})


def resources(prefix: str, most: int) -> Kind:
    def read(text: str) -> list[str]:
        found = _some(text)
        if len(found) > most or any(not re.fullmatch(rf"{prefix}-[\w-]+", one) for one in found):
            raise ValueError(text)
        return found

    fix = _("Write at most %(most)s ids that begin with %(prefix)s, separated by commas.")
    return Kind(read, fix, {"prefix": f"{prefix}-", "most": str(most)})


def _amount(text: str) -> Decimal:
    try:
        amount = Decimal(text.strip().removesuffix("Gi"))
    except InvalidOperation as error:
        raise ValueError(text) from error
    if not amount.is_finite() or amount <= 0:
        raise ValueError(text)
    return amount


def _gib(text: str) -> int:
    match = re.fullmatch(r"(\d+)(?:Gi)?", text.strip())
    if match is None:
        raise ValueError(text)
    return int(match[1])


def _price(text: str) -> Decimal:
    if not re.fullmatch(r"\d+(?:\.\d{1,3})?", text.strip()) or not Decimal(text.strip()):
        raise ValueError(text)
    return Decimal(text.strip())


AMOUNT = Kind(_amount, _('Write a number such as "4", memory also as "8Gi".'))
GIB = Kind(_gib, _('Write whole GiB such as "50Gi".'))
PRICE = Kind(_price, _('Write a price per hour with at most three decimal places, such as "0.5".'))


def _address(text: str) -> str:
    return str(ipaddress.IPv4Address(text.strip()))


def _path(text: str) -> str:
    if not text.startswith("/") or "|" in text[:1]:
        raise ValueError(text)
    return text.strip()


def _driver(text: str) -> str:
    if not re.fullmatch(r"(?:tesla|grid)=\d+(?:\.\d+)*", text.strip()):
        raise ValueError(text)
    return text.strip()


def _megabits(text: str) -> str:
    if not re.fullmatch(r"[1-9]\d*M?", text.strip()):
        raise ValueError(text)
    return text.strip()


ADDRESS = Kind(_address, _('Write one IPv4 address, such as "172.16.0.1".'))
PATH = Kind(_path, _("Write an absolute path; a program cannot be named."))
DRIVER = Kind(_driver, _('Write the major version of the driver, such as "tesla=535".'))
MEGABITS = Kind(_megabits, _('Write Mbit/s such as "100M".'))

_UNITS = {"T": 10**12, "G": 10**9, "M": 10**6, "K": 10**3, "k": 10**3, "": 1}


def _bandwidth(text: str) -> int:
    """Bit/s. The annotation is in bytes a second: 40M is 320 Mbit/s (ECI user guide, "Limit the
    inbound and outbound bandwidth of pods"); the parameter is in bit/s (developer reference)."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([TGMKk]?)B?", text.strip())
    if match is None:
        raise ValueError(text)
    return int(Decimal(match[1]) * _UNITS[match[2]] * 8)


BANDWIDTH = Kind(_bandwidth, _('Write bytes a second with T, G, M, K or no unit, such as "40M".'))


def _dns(text: str) -> dict[str, Any]:
    """`DnsConfig` of `{"nameservers":"a,b","searches":"x,y","options":"ndots:2,edns0"}`."""
    given = _json(text, dict)
    if set(given) - {"nameservers", "searches", "options"}:
        raise ValueError(text)
    if any(not isinstance(value, str) for value in given.values()):
        raise ValueError(text)
    options = [part.partition(":") for part in listed(given.get("options", ""))]
    servers = [str(ipaddress.ip_address(one)) for one in listed(given.get("nameservers", ""))]
    return {
        "NameServer": servers,
        "Search": listed(given.get("searches", "")),
        "Option": [{"Name": name, "Value": value} for name, _colon, value in options],
    }


def _hosts(text: str) -> list[tuple[str, str]]:
    """(address, name) of `[{"host":"example.com","ip":"10.0.0.1"}]`."""
    found = []
    for one in _json(text, list):
        if not isinstance(one, dict) or set(one) != {"host", "ip"} or not str(one["host"]).strip():
            raise ValueError(text)
        found.append((str(ipaddress.ip_address(str(one["ip"]))), str(one["host"]).strip()))
    return found


def _json(text: str, kind: type[Any]) -> Any:
    value = json.loads(text)
    if not isinstance(value, kind):
        raise ValueError(text)
    return value


def _tags(text: str) -> dict[str, str]:
    pairs = [part.partition(":") for part in _some(text)]
    found = {key.strip(): value.strip() for key, colon, value in pairs if colon and key.strip()}
    reserved = any(key.startswith(("aliyun", "acs:", "spillway-")) for key in found)
    if len(found) != len(pairs) or len(found) > 3 or reserved:
        raise ValueError(text)
    return found


def _encryption(text: str) -> Any:
    return _json(text, dict)


DNS = Kind(_dns, _('Write JSON such as {"nameservers":"10.0.0.2","searches":"example.com"}.'))
HOSTS = Kind(_hosts, _('Write JSON such as [{"host":"example.com","ip":"10.0.0.1"}].'))
TAGS = Kind(_tags, _('Write at most three tags such as "env:test,name:alice".'))
JSON = Kind(_encryption, _("Write a JSON object."))

_PAIR = r"\d+(?:\.\d+)?-\d+(?:\.\d+)?Gi"


def _specs(text: str) -> list[str]:
    found = _some(text)
    if len(found) > 5 or any(not re.fullmatch(rf"{_PAIR}|ecs\.[\w.-]+", one) for one in found):
        raise ValueError(text)
    return found


def _families(text: str) -> list[str]:
    found = _some(text)
    if any(not re.fullmatch(r"-?ecs\.[\w-]+", one) for one in found):
        raise ValueError(text)
    return found


def _generations(text: str) -> list[str]:
    found = _some(text)
    if any(not re.fullmatch(r"-?\d", one) for one in found):
        raise ValueError(text)
    return found


SPECS = Kind(
    _specs, _('Write at most five sizes or ECS types, such as "2-4Gi,4-8Gi,ecs.c6.xlarge".')
)
FAMILIES = Kind(
    _families, _('Write families such as "ecs.c6,ecs.g6", or "-ecs.c6" to exclude one.')
)
GENERATIONS = Kind(_generations, _('Write generations such as "6,5", or "-5" to exclude one.'))
