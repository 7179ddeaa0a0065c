"""What the cluster's `eci-profile` gives a new pod, put on it before anything else is done.

It stays there, so that a later profile counts for later pods alone.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from addons.pods import profile as profiles
from addons.pods import reasons, store, zones
from addons.pods.profile import Profile
from addons.pods.translate import Site
from addons.pods.work import Work, resolver_of
from kube import PODS


@lru_cache(maxsize=64)
def _parsed(data: tuple[tuple[str, str], ...]) -> Profile:
    return profiles.parse(dict(data))[0]


def profile_of(work: Work) -> Profile:
    """An empty one for the nodes of other vendors."""
    data = work.scene.node.cluster.profile
    if not data or work.dialect.vendor != profiles.VENDOR:
        return Profile()
    return _parsed(tuple(sorted(data.items())))


async def put_effects(work: Work) -> bool:
    """Whether the pod was changed: look at it again then, its labels may choose another account."""
    profile, pod = profile_of(work), work.live_pod
    if work.row is not None:
        return False
    resolver = resolver_of(work.kube)
    space = await resolver.namespace_labels(work.namespace) if profile.asks_for_namespaces else {}
    found = profiles.effects(profile, pod, space)
    if not found:
        return False
    body = {
        "metadata": {
            "uid": work.uid,
            "annotations": dict(found.annotations),
            "labels": dict(found.labels),
        }
    }
    work.ctx.lease.check()
    await work.kube.patch(PODS, work.name, body, work.namespace, kind="merge")
    keys = sorted({*found.annotations, *found.labels})
    await work.writer.do(store.nothing, None, work.note(reasons.PROFILED, keys=keys))
    return True


async def site_of(work: Work) -> Site:
    """Where the profile, else the virtual node, puts new instances."""
    site, profile = work.site, profile_of(work)
    if profile.security_group:
        site = replace(site, security_group=profile.security_group)
    if profile.subnets:
        found = await zones.placements(work.ctx, work.scene.node, profile.subnets)
        site = replace(site, placements=found)
    return site
