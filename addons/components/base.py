"""The contract of a component: what it is, what it needs, how it is put into a cluster.

A component comes in versions and is delivered in one or more ways:

    hosted      our workers are the kubelet; nothing but rows and a Node
    in_cluster  manifests rendered from values, applied by server-side apply, kept as revisions
    managed     the vendor's own add-on API does it; we ask, poll and read back

Everything here is data or pure. Texts are English message ids; `catalogue.say` gives them in the
reader's language, from the file that the component came from. Versions compare as numbers:
`v2.13.0` is above `v2.9.7`; a range is a comma separated list of `>=`, `>`, `<=`, `<`, `==`
(`>=1.26`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from itertools import zip_longest
from typing import Any, Protocol

Json = dict[str, Any]


class Delivery(StrEnum):
    HOSTED = "hosted"
    IN_CLUSTER = "in_cluster"
    MANAGED = "managed"


class Group(StrEnum):
    CORE = "core"
    SCHEDULING = "scheduling"
    PLATFORM = "platform"


@dataclass(frozen=True, slots=True)
class Requirements:
    """What must hold before a version may be installed; empty: nothing is asked.

    `kubernetes` is a range; `components` name -> range; `services` are activated cloud services
    (`acs`), used on clusters within `services_kubernetes` alone; `provider` is the registry's name
    of the cloud whose regions count.
    """

    kubernetes: str = ""
    components: Mapping[str, str] = field(default_factory=dict)
    services: tuple[str, ...] = ()
    services_kubernetes: str = ""
    provider: str = ""

    def serves(self, kubernetes: str) -> tuple[str, ...]:
        """The services that it uses on a cluster of this version."""
        return self.services if within(kubernetes or "0", self.services_kubernetes) else ()


@dataclass(frozen=True, slots=True)
class Version:
    """`schema` is a JSON Schema (2020-12) of the values, its titles English message ids.

    `renamed` are keys of the version before -> keys of this one, dotted.
    """

    version: str
    released: date | None
    notes: str
    schema: Json
    requires: Requirements = Requirements()
    breaking: bool = False
    renamed: Mapping[str, str] = field(default_factory=dict)
    images: tuple[str, ...] = ()
    # Manifests with `${key}` for values, of components that need no code of their own.
    objects: tuple[Json, ...] = ()

    def defaults(self) -> Json:
        return defaults_of(self.schema)


@dataclass(frozen=True, slots=True)
class Owned:
    """An object in the cluster that belongs to a component."""

    api_version: str
    kind: str
    name: str
    namespace: str = ""


@dataclass(frozen=True, slots=True)
class Permission:
    """Something a component asks for, in the cluster or at the cloud, and why."""

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Component:
    """`kinds` are the kinds of cluster it makes sense on; empty: all. Newest version first."""

    name: str
    title: str
    summary: str
    group: Group
    vendor: str
    deliveries: tuple[Delivery, ...]
    versions: tuple[Version, ...]
    system: bool = False
    kinds: tuple[str, ...] = ()
    permissions: tuple[Permission, ...] = ()
    providers: tuple[str, ...] = ()
    documentation: str = ""
    source: str = ""
    dated: date | None = None
    # How its release is called where it does not say otherwise; empty: as the component.
    release: str = ""
    namespace: str = "kube-system"
    # Whether it brings virtual nodes: they are waited for, tried, drained.
    brings_nodes: bool = False
    # Components that cannot be beside it in one cluster.
    conflicts: tuple[str, ...] = ()

    def version(self, wanted: str) -> Version | None:
        return next((one for one in self.versions if one.version == wanted), None)

    @property
    def latest(self) -> Version:
        return self.versions[0]


@dataclass(frozen=True, slots=True)
class Release:
    """A version of a component with values, for one cluster: what a delivery puts there."""

    component: Component
    version: Version
    values: Json
    name: str
    namespace: str

    @property
    def effective(self) -> Json:
        """The values over the version's defaults."""
        return merged(self.version.defaults(), self.values)


class Renderer(Protocol):
    """The manifests of an in-cluster release: pure, the same for the same release."""

    def __call__(self, release: Release) -> Sequence[Json]: ...


# --- versions and ranges ----------------------------------------------------------------------

_NUMBERS = re.compile(r"\d+")
_BOUND = re.compile(r"(>=|<=|==|>|<)\s*(\S+)")


def parts(version: str) -> tuple[int, ...]:
    """`v1.36.1-aliyun.1` -> (1, 36, 1): what follows a hyphen or plus does not count."""
    base = re.split(r"[-+]", version.strip().removeprefix("v"), maxsplit=1)[0]
    return tuple(int(number) for number in _NUMBERS.findall(base))


def compare(left: str, right: str) -> int:
    """-1, 0 or 1; missing numbers are 0."""
    for a, b in zip_longest(parts(left), parts(right), fillvalue=0):
        if a != b:
            return -1 if a < b else 1
    return 0


def within(version: str, wanted: str) -> bool:
    """Whether every bound of the range holds. Raises ValueError for a range that cannot be read."""
    for bound in filter(None, (text.strip() for text in wanted.split(","))):
        match = _BOUND.fullmatch(bound)
        if match is None:
            raise ValueError(f"{bound!r} is no bound such as >=1.26")
        sign = compare(version, match[2])
        holds = {">=": sign >= 0, ">": sign > 0, "<=": sign <= 0, "<": sign < 0, "==": sign == 0}
        if not holds[match[1]]:
            return False
    return True


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> Json:
    """`above` over `below`; objects are merged key by key, all else is replaced."""
    result = dict(below)
    for key, value in above.items():
        under = result.get(key)
        both = isinstance(under, Mapping) and isinstance(value, Mapping)
        result[key] = merged(under, value) if both and isinstance(under, Mapping) else value
    return result


def defaults_of(schema: Mapping[str, Any]) -> Json:
    """The defaults that a schema of an object gives, nested ones included."""
    found: Json = {}
    for key, sub in (schema.get("properties") or {}).items():
        if "default" in sub:
            found[key] = sub["default"]
        elif sub.get("type") == "object":
            nested = defaults_of(sub)
            if nested:
                found[key] = nested
    return found
