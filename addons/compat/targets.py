"""Whom a check asks: every provider of the registry, some of them, or those of a virtual node."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from addons.compat.workloads import Workload
from addons.models import Cluster, VirtualNode
from addons.nodes.spec import CLOUD_TAINT
from addons.pods import profile as profiles
from addons.pods.translate import Site
from providers import registry
from providers.base import Dialect, NodeProfile, Placement
from providers.models import CloudAccount


@dataclass(frozen=True, slots=True)
class Target:
    """One column. Targets of one `group` may serve one virtual node: one of them gets the pod.

    `node` is empty when the cloud is asked in general; `taints` are then those it registers with.
    """

    provider: str
    site: Site
    group: str
    zone: str = ""
    node: str = ""
    taints: tuple[Mapping[str, str], ...] | None = None
    # The data of the cluster's `eci-profile`.
    profile_data: Mapping[str, str] = field(default_factory=dict)

    @property
    def dialect(self) -> Dialect:
        return registry.dialect(self.provider)

    def seen(self, workload: Workload) -> Mapping[str, Any]:
        """The pod with what the cluster's profile puts on new pods of its vendor."""
        pod = workload.pod
        if not self.profile_data or self.dialect.vendor != profiles.VENDOR:
            return pod
        known = profiles.parse(self.profile_data)[0]
        found = profiles.effects(known, pod, workload.namespace_labels)
        meta = pod["metadata"]
        more = {
            "annotations": {**(meta.get("annotations") or {}), **found.annotations},
            "labels": {**(meta.get("labels") or {}), **found.labels},
        }
        return {**pod, "metadata": {**meta, **more}}

    @property
    def profile(self) -> NodeProfile:
        profile = self.dialect.node_profile(
            region=self.site.region,
            zone=self.zone,
            name=self.node or self.dialect.node_name(self.zone),
            settings=self.site.settings,
        )
        if self.taints is None:
            return profile
        return NodeProfile(profile.name, profile.labels, self.taints, profile.annotations)


def of_providers(
    names: Sequence[str] = (),
    *,
    accounts: Iterable[CloudAccount] = (),
    region: str = "",
    cluster: Cluster | None = None,
) -> list[Target]:
    """All providers, or those named, for pods of `cluster`. Raises `registry.UnknownProvider`.

    Without `region` each is asked in the region of the first account that it has; sizes and prices
    of a provider without one are those that hold in no region in particular.
    """
    regions: dict[str, str] = {}
    for account in accounts:
        regions.setdefault(account.provider, account.region)
    return [
        Target(
            name,
            Site(region or regions.get(name, ""), (), ""),
            group=registry.dialect(name).vendor,
            profile_data=cluster.profile if cluster else {},
        )
        for name in names or registry.PROVIDERS
    ]


def of_node(node: VirtualNode) -> list[Target]:
    """The provider of each account that serves the node, with the node's settings and taints."""
    placements = tuple(Placement(p["zone"], p["subnet"]) for p in node.placements)
    site = Site(node.region, placements, node.security_group, node.settings)
    return [
        Target(
            account.provider,
            site,
            group=f"node:{node.pk}",
            zone=node.zone,
            node=node.name,
            taints=_own_taints(node),
            profile_data=node.cluster.profile,
        )
        for account in node.accounts
    ]


def _own_taints(node: VirtualNode) -> tuple[Mapping[str, str], ...] | None:
    """The Node's taints but those that come and go with its health; None: not mirrored yet."""
    if not node.uid:
        return None
    return tuple(
        taint
        for taint in node.taints
        if taint["key"] != CLOUD_TAINT and not taint["key"].startswith("node.kubernetes.io/")
    )
