"""What pods on a vendor's virtual nodes cost an hour: their billed size, at the team's own prices.

The size is what the virtual kubelet wrote on the pod (ECI user guide, "ECI Pod annotations"; ACK
user guide, "Run Pods on ACS using virtual nodes"), else what the cloud makes of what the pod asks.
On a node that serves two clouds of a vendor the instance's id tells which one has it, before there
is one the pod's labels. Prices are the lists of the clouds until `use` gives the book of teams.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from addons.models import Cluster
from addons.pods.quantity import BadQuantity
from addons.pods.translate import Site, outline
from providers import registry
from providers.base import Claim, Price, Size
from providers.errors import ProviderError
from providers.models import CloudAccount
from providers.prices import Place

Ask = Callable[[Size, Place, Cluster], Price | None]
_WRITTEN = ("alibabacloud.com/pod-use-spec", "k8s.aliyun.com/eci-instance-spec")
_PAIR = re.compile(r"(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?)Gi")
_OVER = frozenset({"Succeeded", "Failed"})


def _listed(size: Size, place: Place, _cluster: Cluster) -> Price | None:
    return registry.dialect(place.provider).list_price(size, region=place.region)


_ask: list[Ask] = [_listed]


def use(ask: Ask) -> None:
    """Take the price of a size from now on from `ask`."""
    _ask[0] = ask


def priced(
    pod: Mapping[str, Any], provider: str, instance: str, cluster: Cluster
) -> tuple[str, Price | None]:
    """The label of the billed size, and its price per hour. Reads the database.

    Empty, None: it costs nothing any more, there is no such size, or nobody knows a price.
    `provider`: whose virtual kubelet it is; `instance`: the id that it wrote on the pod, or empty.
    """
    if not provider or (pod.get("status") or {}).get("phase") in _OVER:
        return "", None
    name = _served_by(pod, provider, instance)
    account = _account(name, cluster)
    region = cluster.region or (account.region if account else "")
    try:
        size = size_of(pod, name, region)
    except (ProviderError, BadQuantity):
        return "", None
    place = Place(name, account.pk if account else None, region)
    return size.label, of_size(size, place, cluster)


def of_size(size: Size, place: Place, cluster: Cluster) -> Price | None:
    """Per hour. Reads the database."""
    return _ask[0](size, place, cluster)


def _served_by(pod: Mapping[str, Any], provider: str, instance: str) -> str:
    vendor = registry.dialect(provider).vendor
    names = [name for name in registry.PROVIDERS if registry.dialect(name).vendor == vendor]
    told = [name for name in names if instance.startswith(f"{name}-")]
    named = [name for name in names if registry.dialect(name).claim(pod) is Claim.NAMED]
    return next(iter([*told, *named]), provider)


def _account(provider: str, cluster: Cluster) -> CloudAccount | None:
    """The team's only key there, whose contract counts; with several nobody knows which."""
    found = list(CloudAccount.objects.filter(team=cluster.team_id, provider=provider)[:2])
    return found[0] if len(found) == 1 else None


def size_of(pod: Mapping[str, Any], provider: str, region: str) -> Size:
    """Raises `ProviderError` where the cloud has no such size."""
    site = Site(region, (), "")
    size = registry.dialect(provider).billed_size(outline(dict(pod), site=site, tags={}))
    notes = (pod.get("metadata") or {}).get("annotations") or {}
    text = next((notes[key] for key in _WRITTEN if notes.get(key)), "")
    pair = _PAIR.fullmatch(text)
    if pair:
        cpu, memory = (Decimal(part).normalize() for part in pair.groups())
        return replace(size, cpu=cpu, memory=memory, label=f"{cpu:f}-{memory:f}Gi")
    return replace(size, type=text, label=text) if text else size
