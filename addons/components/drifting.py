"""Drift: where the cluster differs from the deployed revision, as API server or vendor tells."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from addons.components import apply, managed
from addons.components.base import Delivery
from addons.components.checks import Reach
from addons.components.release import deployed
from addons.models import Installation, Revision


async def look(reach: Reach, installation: Installation) -> list[dict[str, Any]]:
    """Ask the cluster, or the vendor that manages it, and keep what it says on the row."""
    revision: Revision | None = await reach.db(deployed, installation)
    found: list[dict[str, Any]] = []
    if revision is not None and installation.delivery == Delivery.IN_CLUSTER:
        kube = await reach.kube(installation.cluster_id)
        differing = await apply.compare(kube, list(revision.objects_applied))
        found = [one.as_dict() for one in differing]
    if revision is not None and installation.delivery == Delivery.MANAGED:
        told = await managed.differing(reach, installation, revision)
        found = [one.as_dict() for one in told]
    rows = Installation.objects.filter(pk=installation.pk)
    await reach.db(rows.update, drift=found, drift_at=timezone.now())
    return found
