"""Clusters as their vendors know them: whose key reaches their add-on API, and their ids there.

A cluster's `vendor_id` is found by what the cluster says of itself (the ConfigMap
`kube-system/ack-cluster-profile`, key `clusterid`, that ACK writes into its clusters), else by the
address of its API server among those the vendor lists; a person may set it.

    NoVendor   no credential of the team reaches an add-on API that knows the cluster; `fix` says
               what helps
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

from django.utils.translation import gettext_noop as _

from addons.models import Cluster
from addons.runtime.loop import Runtime, runtime
from kube import CONFIGMAPS, Kube
from kube import errors as kube_errors
from kube.errors import KubeError
from providers import registry
from providers.errors import ProviderError
from providers.models import CloudAccount
from providers.vendor import ManagedAddons, ManagedCluster

T = TypeVar("T")
log = logging.getLogger(__name__)
_FIND_SECONDS = 20.0
_PROFILE = ("ack-cluster-profile", "kube-system")
_NO_ACCOUNT = _("No credential of the team reaches the add-on API of this cluster's cloud.")
_ADD_ACCOUNT = _("Add an AccessKey of the account that owns the cluster, with the cs permissions.")
_NOT_KNOWN = _("The cloud does not know this cluster under any credential of the team.")
_SET_ID = _("Register it at the cloud, or set the cluster's id at the cloud in its settings.")


class Reach(Protocol):
    """What is needed of a process: clients of clusters, and the database off the loop."""

    async def kube(self, cluster_id: int) -> Kube: ...
    async def db(self, function: Callable[..., T], /, *args: Any, **kwargs: Any) -> T: ...


class NoVendor(Exception):
    def __init__(self, message: str, fix: str) -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix


@dataclass(frozen=True, slots=True)
class Vendor:
    """The add-on API of one cluster's cloud; `cluster_id` is the vendor's."""

    api: ManagedAddons
    account: CloudAccount
    cluster_id: str

    async def cluster(self) -> ManagedCluster:
        return await self.api.cluster(self.cluster_id)


def accounts_of(cluster: Cluster) -> list[CloudAccount]:
    """Whose keys may reach the cluster's add-on API, its own account first."""
    own = cluster.account
    rows = CloudAccount.objects.filter(team=cluster.team_id).order_by("pk")
    found = [own] if own is not None else []
    found += [row for row in rows if own is None or row.pk != own.pk]
    usable = [row for row in found if registry.manages_addons(row.provider)]
    return sorted(usable, key=lambda row: row.region != cluster.region)


@asynccontextmanager
async def vendor_of(reach: Reach, cluster: Cluster) -> AsyncIterator[Vendor]:
    """The add-on API with the cluster's id there, kept on the row once found.

    Raises `NoVendor`, or `ProviderError` when the cloud did not answer.
    """
    accounts = await reach.db(accounts_of, cluster)
    if not accounts:
        raise NoVendor(_NO_ACCOUNT, _ADD_ACCOUNT)
    refusal: ProviderError | None = None
    for account in accounts:
        api = registry.addons(account, _region(cluster, account))
        try:
            try:
                cluster_id = await _known(reach, cluster, account, api)
            except ProviderError as error:
                refusal, cluster_id = refusal or error, ""
            if cluster_id:
                yield Vendor(api, account, cluster_id)
                return
        finally:
            await api.aclose()
    if refusal is not None:
        raise refusal
    raise NoVendor(_NOT_KNOWN, _SET_ID)


def _region(cluster: Cluster, account: CloudAccount) -> str:
    """Where the cluster is, in the account's own cloud; other clouds have other regions."""
    return cluster.region if cluster.account_id == account.pk and cluster.region else account.region


async def _known(reach: Reach, cluster: Cluster, account: CloudAccount, api: ManagedAddons) -> str:
    """The cluster's id at this account's vendor; empty: it is not known there."""
    kept = cluster.vendor_facts
    if cluster.vendor_id and kept.get("account") == account.pk:
        return cluster.vendor_id
    said = cluster.vendor_id or await said_by_cluster(reach, cluster)
    for found in await api.clusters():
        if found.id == said or (not said and _same_address(found, cluster.server)):
            await reach.db(keep, cluster, account, found)
            return found.id
    return ""


async def said_by_cluster(reach: Reach, cluster: Cluster) -> str:
    """The id that ACK wrote into the cluster; empty: none, or we may not read it."""
    kube = await reach.kube(cluster.pk)
    try:
        profile = await kube.get(CONFIGMAPS, *_PROFILE)
    except (kube_errors.NotFound, kube_errors.Forbidden):
        return ""
    return str((profile.get("data") or {}).get("clusterid") or "")


def _same_address(found: ManagedCluster, server: str) -> bool:
    return _address(server) in {_address(url) for url in found.endpoints}


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return (parts.hostname or "").lower(), parts.port or (443 if parts.scheme == "https" else 80)


def keep(cluster: Cluster, account: CloudAccount, found: ManagedCluster) -> None:
    """What the vendor says of the cluster, on its row."""
    vendor = registry.dialect(account.provider).vendor
    facts = asdict(found) | {"account": account.pk, "vendor": vendor}
    for name in ("endpoints", "subnets"):
        facts[name] = list(facts[name])
    if cluster.vendor_facts.get("id") == found.id and "offered" in cluster.vendor_facts:
        facts["offered"] = cluster.vendor_facts["offered"]
    cluster.vendor_id, cluster.vendor_facts = found.id, facts
    Cluster.objects.filter(pk=cluster.pk).update(vendor_id=found.id, vendor_facts=facts)


def find(cluster: Cluster, over: Runtime | None = None) -> str:
    """Look for the cluster at the vendors of the team's keys; its id there, empty: nobody knows it.

    From any thread but the loop's. Trouble with a cloud or the cluster counts as not found, and is
    looked for again at the next `find`.
    """
    reach = over or runtime()

    async def look() -> str:
        async with vendor_of(reach, cluster) as vendor:
            return vendor.cluster_id

    try:
        return reach.run(look(), timeout=_FIND_SECONDS)
    except NoVendor:
        cluster.vendor_facts = {"unknown": True, "asked": _asked(cluster)}
        rows = Cluster.objects.filter(pk=cluster.pk, vendor_id="")
        rows.update(vendor_facts=cluster.vendor_facts)
    except (ProviderError, KubeError, TimeoutError) as error:
        log.info("whether a vendor knows cluster %s could not be told: %s", cluster.slug, error)
    return ""


def _asked(cluster: Cluster) -> list[list[int | str]]:
    """Whom the question goes to: credentials, each with its region."""
    return [[account.pk, _region(cluster, account)] for account in accounts_of(cluster)]


def find_once(cluster: Cluster, over: Runtime | None = None) -> str:
    """`find`, unless it is known already, or every credential was asked in the same region."""
    if cluster.vendor_id or cluster.vendor_facts.get("asked") == _asked(cluster):
        return cluster.vendor_id
    return find(cluster, over)


def unknown(cluster: Cluster) -> bool:
    """Whether every credential of the team was asked, and no vendor knows the cluster."""
    facts = cluster.vendor_facts
    told = not cluster.vendor_id and bool(facts.get("unknown"))
    return told and facts.get("asked") == _asked(cluster)


def choose(cluster: Cluster, vendor_id: str) -> None:
    """Set the id by hand, after the vendor confirmed it; an empty one is looked for anew.

    Raises `NoVendor` when no key of the team reaches a cluster of that id, or `ProviderError`.
    """
    cluster.vendor_id, cluster.vendor_facts = vendor_id, {}
    if not vendor_id:
        Cluster.objects.filter(pk=cluster.pk).update(vendor_id="", vendor_facts={})
        find(cluster)
        return

    async def confirm() -> None:
        async with vendor_of(runtime(), cluster):
            return

    runtime().run(confirm(), timeout=_FIND_SECONDS)
