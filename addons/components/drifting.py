"""Drift: where the cluster differs from the deployed revision, as API server or vendor tells.

A person may ask at any time; by themselves workers look at each installation at rest about every
ten minutes (`addons.runtime.resync`: a twentieth of them per half minute).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils import timezone

from addons.components import apply, hosted_nodes, managed
from addons.components.base import Delivery, Json
from addons.components.checks import Reach
from addons.components.release import deployed
from addons.components.vendors import NoVendor
from addons.models import Installation, Revision
from addons.runtime.contract import Context, Outcome
from kube import Kube
from kube.errors import KubeError
from providers.errors import ProviderError


async def look(reach: Reach, installation: Installation) -> list[dict[str, Any]]:
    """Ask the cluster, or the vendor that manages it, and keep what it says on the row."""
    revision: Revision | None = await reach.db(deployed, installation)
    found: list[dict[str, Any]] = []
    if revision is not None and installation.delivery == Delivery.IN_CLUSTER:
        kube = await reach.kube(installation.cluster_id)
        differing = await apply.compare(kube, list(revision.objects_applied))
        differing += await _rotated(reach, kube, revision.objects_applied)
        found = [one.as_dict() for one in differing]
    if revision is not None and installation.delivery == Delivery.MANAGED:
        told = await managed.differing(reach, installation, revision)
        found = [one.as_dict() for one in told]
    if revision is not None and installation.delivery == Delivery.HOSTED:
        nodes = await reach.db(_nodes, installation, revision)
        found = [one.as_dict() for one in nodes]
    # What an operation did meanwhile is newer than what was compared.
    rows = Installation.objects.filter(
        pk=installation.pk, state=installation.state, operation=installation.operation_id
    )
    await reach.db(rows.update, drift=found, drift_at=timezone.now())
    return found


async def _rotated(reach: Reach, kube: Kube, objects: Sequence[Json]) -> list[apply.Difference]:
    """Secrets that hold another key than the credential has now; the keys are never told."""
    return [
        apply.Difference(apply.name_of(obj), f"data.{name}", "***", "***")
        for obj in objects
        if apply.sealed(obj)
        for name in apply.other_keys(
            await apply.find(kube, obj), await reach.db(apply.unsealed, obj)
        )
    ]


def _nodes(installation: Installation, revision: Revision) -> list[apply.Difference]:
    return hosted_nodes.differing(installation.cluster, revision.values)


async def reconcile_drift(ctx: Context, key: str) -> Outcome:
    """Compare an installation at rest. Who does not answer is asked again at its next turn."""
    pk = int(key.partition(":")[2])
    rows = Installation.objects.select_related("cluster").filter(pk=pk, cluster__paused=False)
    row = await ctx.db(rows.filter(state=Installation.State.INSTALLED).first)
    if row is None:
        return Outcome()
    before = list(row.drift)
    try:
        found = await look(ctx, row)
    except (KubeError, ProviderError, NoVendor):
        return Outcome()
    if found != before:
        await ctx.announce("installations", pk)
    return Outcome()
