"""Components as one cluster may have them: the catalogue's versions and those its cloud offers.

What the cloud told stands in `Cluster.vendor_facts["offered"]`, by component:

    {"asked": when, "latest": the newest that is offered (empty: it does not tell),
     "versions": [{"version", "kubernetes" (the lowest, may be empty), "schema"}]}

Only the managed delivery can put such versions there. Source: CS API reference, DescribeAddon
(`newer_versions`, `config_schema`), package `alibabacloud-cs20151215`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cmp_to_key
from typing import Any

import jsonschema
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_noop as _

from addons.components.base import Component, Delivery, Json, Requirements, Version, compare
from addons.components.vendors import NoVendor, Reach, Vendor, vendor_of
from addons.components.vendors.names import vendor_name
from addons.models import Cluster
from addons.runtime.loop import Runtime, runtime
from kube.errors import KubeError
from providers import registry
from providers.errors import NotFound, ProviderError
from providers.vendor import ManagedCluster, OfferedAddon

log = logging.getLogger(__name__)
# For people who wait, and for what is looked at from time to time.
FRESH, DAILY = timedelta(minutes=5), timedelta(hours=6)
_ASK_SECONDS = 30.0
_MOST = 8
_NOTES = _("Offered by the cloud; the catalogue has no notes on it.")


# --- what is known --------------------------------------------------------------------------------


def here(cluster: Cluster, component: Component, delivery: str) -> Component:
    """With the versions that the cluster's cloud told of, where the cloud delivers it."""
    if delivery != Delivery.MANAGED:
        return component
    told = [row for row in _rows(cluster, component) if not component.version(row["version"])]
    if not told:
        return component
    every = [*component.versions, *(_version(component, row) for row in told)]
    every.sort(key=_order, reverse=True)
    return replace(component, versions=tuple(every))


_numbers = cmp_to_key(compare)


def _order(version: Version) -> Any:
    return _numbers(version.version)


def newest(
    cluster: Cluster, component: Component, delivery: str, fitting: Sequence[Version]
) -> Version:
    """Of versions, newest first: the first that is not above what the cloud offers."""
    kept = (cluster.vendor_facts.get("offered") or {}).get(component.name) or {}
    most = kept.get("latest") if delivery == Delivery.MANAGED else ""
    within = [one for one in fitting if not most or compare(one.version, most) <= 0]
    return (within or list(fitting))[0]


def _rows(cluster: Cluster, component: Component) -> Sequence[Json]:
    kept = (cluster.vendor_facts.get("offered") or {}).get(component.name) or {}
    rows: Sequence[Json] = kept.get("versions") or ()
    return rows


def _version(component: Component, row: Json) -> Version:
    """Its needs are those of the version of the catalogue that is next below it, else above."""
    below = [v for v in component.versions if compare(v.version, row["version"]) < 0]
    near = below[0] if below else component.versions[-1]
    lowest = row["kubernetes"]
    needs: Requirements = replace(near.requires, kubernetes=f">={lowest}" if lowest else "")
    schema = with_properties(near.schema, row["schema"])
    return Version(row["version"], None, _NOTES, schema, requires=needs)


def with_properties(ours: Json, theirs: Mapping[str, Any]) -> Json:
    """Our schema with the vendor's properties; ours lend them titles, pickers and texts."""
    known = ours.get("properties") or {}
    more = {key: _merged(known.get(key) or {}, sub) for key, sub in _sound(theirs)}
    return {**ours, "properties": {**known, **more}}


def _merged(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Json:
    kept = {key: value for key, value in ours.items() if key in _TEXTS or key.startswith("x-")}
    return {**theirs, **kept}


_TEXTS = frozenset({"title", "description"})


def _sound(schema: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Properties that are JSON Schemas; a default that does not fit its own is left out."""
    for key, sub in (schema.get("properties") or {}).items():
        try:
            jsonschema.Draft202012Validator.check_schema(sub)
            validator = jsonschema.Draft202012Validator(sub)
            if not isinstance(sub, Mapping):
                continue
            fits = "default" not in sub or validator.is_valid(sub["default"])
        except jsonschema.SchemaError:
            continue
        yield key, sub if fits else {name: v for name, v in sub.items() if name != "default"}


# --- asking ---------------------------------------------------------------------------------------


def learn(
    cluster: Cluster, component: Component, over: Runtime | None = None, *, installed: str = ""
) -> None:
    """Ask the cluster's cloud, unless it was asked just now; from any thread but the loop's.

    Who cannot be asked leaves what is known: the checks of a change say what is wrong.
    """
    knows = not installed or here(cluster, component, Delivery.MANAGED).version(installed)
    if not managed(cluster, component) or (knows and not _stale(cluster, component, FRESH)):
        return
    reach = over or runtime()

    async def look() -> None:
        async with vendor_of(reach, cluster) as vendor:
            await ask(reach, vendor, cluster, component, installed=installed)

    try:
        reach.run(look(), timeout=_ASK_SECONDS)
    except (NoVendor, ProviderError, KubeError, TimeoutError) as error:
        log.info("what is offered to cluster %s could not be told: %s", cluster.slug, error)


def managed(cluster: Cluster, component: Component) -> bool:
    """Whether the cluster's cloud may offer versions of it; the control plane has none."""
    vendor = cluster.vendor_facts.get("vendor")
    known = not cluster.vendor_id or vendor in (None, component.vendor)
    return known and Delivery.MANAGED in component.deliveries and not component.system


def _stale(cluster: Cluster, component: Component, age: timedelta) -> bool:
    kept = (cluster.vendor_facts.get("offered") or {}).get(component.name) or {}
    asked = kept.get("asked")
    return not asked or timezone.now() - datetime.fromisoformat(asked) >= age


async def refresh(
    reach: Reach, vendor: Vendor, cluster: Cluster, component: Component, installed: str
) -> None:
    """A few times a day, beside what is asked anyway; a refusal waits for the next time."""
    if not managed(cluster, component) or not _stale(cluster, component, DAILY):
        return
    try:
        await ask(reach, vendor, cluster, component, installed=installed)
    except ProviderError as error:
        log.info("what is offered to cluster %s could not be told: %s", cluster.slug, error)


async def ask(
    reach: Reach, vendor: Vendor, cluster: Cluster, component: Component, *, installed: str = ""
) -> None:
    """Keep what the vendor offers now. Raises `ProviderError`."""
    if registry.dialect(vendor.account.provider).vendor != component.vendor:
        return
    name = vendor_name(vendor.account.provider, component.name)
    told = await _offers(vendor, name, component, installed)
    kept = {"asked": timezone.now().isoformat(), **told}
    await reach.db(_keep, cluster, component.name, kept)


async def _offers(vendor: Vendor, name: str, component: Component, installed: str) -> Json:
    about = await vendor.cluster()
    latest = await _asked(vendor, about, name, "")
    if latest is None or not latest.certain:
        return {"latest": "", "versions": []}
    base = installed or component.latest.version
    above = await _asked(vendor, about, name, base)
    lowest = {one.version: one.kubernetes for one in above.newer} if above else {}
    names = {latest.version, *lowest, *([installed] if installed else [])} - {""}
    unknown = sorted((one for one in names if not component.version(one)), key=_numbers)
    rows = []
    for version in unknown[-_MOST:]:
        found = latest if version == latest.version else await _asked(vendor, about, name, version)
        schema = (found or latest).schema
        row = {"version": version, "kubernetes": lowest.get(version, ""), "schema": schema}
        rows.append(row)
    return {"latest": latest.version, "versions": rows}


async def _asked(
    vendor: Vendor, about: ManagedCluster, name: str, version: str
) -> OfferedAddon | None:
    try:
        return await vendor.api.offered(about, name, version=version)
    except NotFound:
        return None


def _keep(cluster: Cluster, name: str, kept: Json) -> None:
    with transaction.atomic():
        row = Cluster.objects.select_for_update().get(pk=cluster.pk)
        offers = {**(row.vendor_facts.get("offered") or {}), name: kept}
        facts = {**row.vendor_facts, "offered": offers}
        Cluster.objects.filter(pk=cluster.pk).update(vendor_facts=facts)
    cluster.vendor_facts = facts
