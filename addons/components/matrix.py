"""Clusters against components: which version stands where, and how far it is behind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.contrib.auth.models import Group
from django.utils.translation import gettext as _

from addons.components import manage
from addons.components.base import compare
from addons.components.catalogue import catalogue
from addons.models import Cluster, Installation

OK, BEHIND, UNSUPPORTED, ABSENT = "ok", "behind", "unsupported", ""


@dataclass(frozen=True, slots=True)
class Cell:
    """A component in a cluster.

    `newest` is the newest version that the cluster may have (empty: none), `latest` the
    catalogue's. `skew`: ok, behind (of `newest`), unsupported (the catalogue does not know the
    version, or the cluster is not one for it; `why` says so) or empty where it is not installed.
    """

    component: str
    installation: Installation | None
    installed: str
    newest: str
    latest: str
    skew: str
    state: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    cluster: Cluster
    cells: Mapping[str, Cell]


def matrix(team: Group) -> list[Row]:
    """A row per cluster of the team, a cell per component of the catalogue, both in order."""
    return matrix_of(Cluster.objects.filter(team=team))


def matrix_of(clusters: Iterable[Cluster]) -> list[Row]:
    """The same for any clusters, in their order, with one query for what is installed."""
    wanted = list(clusters)
    rows = Installation.objects.filter(cluster__in=wanted).select_related("operation")
    there = {(row.cluster_id, row.component): row for row in rows}
    return [
        Row(
            cluster,
            {
                name: _cell(cluster, manage.offer(cluster, one, there.get((cluster.pk, name))))
                for name, one in catalogue().items()
            },
        )
        for cluster in wanted
    ]


def _cell(cluster: Cluster, offer: manage.Offer) -> Cell:
    row = offer.installed
    skew, why = _skew(cluster, offer)
    return Cell(
        component=offer.component.name,
        installation=row,
        installed=row.version if row else "",
        newest=offer.newest.version if offer.newest else "",
        latest=offer.latest.version,
        skew=skew,
        state=row.state if row else "",
        why=why,
    )


def _skew(cluster: Cluster, offer: manage.Offer) -> tuple[str, str]:
    row = offer.installed
    if row is None or not row.version:
        return ABSENT, offer.why
    known = offer.component.version(row.version)
    if known is None:
        return UNSUPPORTED, _("The catalogue has no such version.")
    why = manage.why_not(cluster, offer.component, known)
    if why:
        return UNSUPPORTED, why
    newer = offer.newest and compare(row.version, offer.newest.version) < 0
    return (BEHIND if newer else OK), ""
