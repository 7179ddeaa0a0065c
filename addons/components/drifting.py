"""Drift: where the cluster differs from the deployed revision, as the API server tells."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from addons.components import apply
from addons.components.base import Delivery
from addons.components.checks import Reach
from addons.components.release import deployed
from addons.models import Installation, Revision


async def look(reach: Reach, installation: Installation) -> list[dict[str, Any]]:
    """Ask the cluster, keep what it says on the row. Only in-cluster deliveries can drift."""
    revision: Revision | None = await reach.db(deployed, installation)
    found: list[dict[str, Any]] = []
    if revision is not None and installation.delivery == Delivery.IN_CLUSTER:
        kube = await reach.kube(installation.cluster_id)
        differing = await apply.compare(kube, list(revision.objects_applied))
        found = [one.as_dict() for one in differing]
    rows = Installation.objects.filter(pk=installation.pk)
    await reach.db(rows.update, drift=found, drift_at=timezone.now())
    return found
