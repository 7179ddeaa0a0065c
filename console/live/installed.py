"""Rows of what is installed: a component in a cluster, and fleet upgrades of one component.

No live table shows them; REST lists them by the same filters and rows as topics have.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.urls import reverse
from django.utils.translation import gettext as _

from addons.components.base import Component, compare
from addons.components.catalogue import catalogue, say
from addons.models import FleetUpgrade, Installation
from addons.sentences import read
from console import filters
from console.live.rows import Row, iso
from console.live.topics import Topic

TONES = {
    "installing": "prog",
    "installed": "ok",
    "changing": "prog",
    "failed": "bad",
    "uninstalling": "prog",
}
_FLEET_TONES = {
    "running": "prog",
    "paused": "warn",
    "stopped": "bad",
    "succeeded": "ok",
    "cancelled": "mute",
}
_MEMBER_TONES = {
    "waiting": "mute",
    "running": "prog",
    "done": "ok",
    "failed": "bad",
    "skipped": "mute",
}


def behind(installation: Installation, component: Component | None) -> bool:
    """Whether the catalogue has a newer version than the one that is there."""
    if component is None or not installation.version:
        return False
    return compare(installation.version, component.latest.version) < 0


def tone(installation: Installation, component: Component | None) -> str:
    settled = installation.state == Installation.State.INSTALLED
    if settled and (installation.mark or installation.drift or behind(installation, component)):
        return "warn"
    return TONES[installation.state]


def status(installation: Installation, component: Component | None) -> str:
    """One word for the chip: its state, or what should be looked at."""
    if installation.state == Installation.State.INSTALLED:
        if installation.mark:
            return _("Half installed")
        if installation.drift:
            return _("Drifted")
        if behind(installation, component):
            return _("Upgrade available")
    return installation.get_state_display()


def installation_rows(found: Sequence[Installation], _now: datetime) -> list[Row]:
    known = catalogue()
    return [_installation(item, known.get(item.component)) for item in found]


def _installation(item: Installation, component: Component | None) -> Row:
    return {
        "id": item.pk,
        "component": item.component,
        "title": say(component.title) if component else item.component,
        "cluster": item.cluster.slug,
        "cluster_name": item.cluster.name,
        "delivery": item.delivery,
        "release": item.release,
        "namespace": item.namespace,
        "version": item.version,
        "latest": component.latest.version if component else "",
        "upgrade": behind(item, component),
        "state": item.state,
        "status": status(item, component),
        "tone": tone(item, component),
        "reason": read(item.mark),
        "adopted": item.adopted,
        "drifted": len(item.drift),
        "drift_at": iso(item.drift_at),
        "operation": item.operation_id,
        "created_at": iso(item.created_at),
        "url": reverse("component", args=[item.cluster.slug, item.component]),
    }


def fleet_rows(found: Sequence[FleetUpgrade], _now: datetime) -> list[Row]:
    return [_fleet(item) for item in found]


def _fleet(item: FleetUpgrade) -> Row:
    members = list(item.members.all())
    states = [member.state for member in members]
    return {
        "id": item.pk,
        "component": item.component,
        "version": item.version,
        "state": item.state,
        "status": item.get_state_display(),
        "tone": _FLEET_TONES[item.state],
        "reason": read(item.reason),
        "batch": item.batch,
        "pause_seconds": item.pause_seconds,
        "stop_on_failure": item.stop_on_failure,
        "waves": max((member.wave for member in members), default=-1) + 1,
        "clusters": len(members),
        "done": states.count("done"),
        "failed": states.count("failed"),
        "actor": item.actor,
        "created_at": iso(item.created_at),
        "ended_at": iso(item.ended_at),
        "url": reverse("fleet-upgrade", args=[item.pk]),
    }


def member_tone(state: str) -> str:
    return _MEMBER_TONES[state]


INSTALLATIONS = Topic(
    "installations",
    Installation,
    filters.InstallationFilter,
    ("component", "cluster__name", "pk"),
    ("cluster",),
    installation_rows,
)
FLEET_UPGRADES = Topic(
    "fleet_upgrades",
    FleetUpgrade,
    filters.FleetUpgradeFilter,
    ("-pk",),
    (),
    fleet_rows,
    prefetched=("members",),
)
