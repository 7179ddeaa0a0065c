"""What groups, kinds and keys of a statement are called, and what is inside of what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from django.urls import reverse
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from console.billing import groups
from console.billing.asked import Asked

GROUP_TITLES: Mapping[str, Any] = {
    "namespace": gettext_lazy("Namespace"),
    "workload": gettext_lazy("Workload"),
    "cluster": gettext_lazy("Cluster"),
    "provider": gettext_lazy("Provider"),
    "account": gettext_lazy("Credential"),
    "region": gettext_lazy("Region"),
    "zone": gettext_lazy("Zone"),
    "node": gettext_lazy("Virtual node"),
    "tier": gettext_lazy("Compute class"),
    "type": gettext_lazy("Machine type"),
    "spot": gettext_lazy("Spot"),
    "kind": gettext_lazy("Kind of use"),
    "team": gettext_lazy("Team"),
    "day": gettext_lazy("Day"),
    "pod": gettext_lazy("Pod"),
}
KINDS: Mapping[str, Any] = {
    "running": pgettext_lazy("kind of use", "Running"),
    "starting": gettext_lazy("Starting, before the first container ran"),
    "failed": gettext_lazy("Failed before any container ran"),
    "orphan": gettext_lazy("Orphan, no pod owned it"),
}
SHORT_KINDS: Mapping[str, Any] = {
    "running": pgettext_lazy("kind of use", "Running"),
    "starting": pgettext_lazy("kind of use", "Starting"),
    "failed": pgettext_lazy("kind of use", "Failed"),
    "orphan": pgettext_lazy("kind of use", "Orphan"),
}
# What a row leads to; a workload leads to its pods, and those to their lines.
INSIDE = {
    "team": "cluster",
    "cluster": "namespace",
    "namespace": "workload",
    "workload": "pod",
    "provider": "region",
    "account": "region",
    "region": "zone",
    "zone": "node",
    "node": "namespace",
    "day": "namespace",
    "pod": "",
}
NONE = "–"


def group_title(name: str) -> str:
    if name.startswith(groups.LABEL):
        return name.removeprefix(groups.LABEL)
    return str(GROUP_TITLES.get(name, name))


def key_title(name: str, key: str, titles: Mapping[tuple[str, str], str]) -> str:
    """A key as people read it; what has none says so."""
    if name == "kind":
        return str(KINDS.get(key, key))
    if name == "spot":
        return _("Spot") if key == groups.YES else _("Not spot")
    if name == "provider":
        return key.upper()
    if name == "day":
        return day_title(date.fromisoformat(key))
    if not key:
        return _("(none)") if name != "tier" else _("General")
    return titles.get((name, key), key)


def day_title(day: date) -> str:
    return date_format(day, "D, Y-m-d")


def inside(asked: Asked, name: str, key: str) -> str:
    """Where a click on the row of `key` leads: the same question, narrowed to it."""
    if name == "day":
        day = date.fromisoformat(key)
        return asked.link(period="", start=day, end=day + timedelta(days=1), group=("namespace",))
    narrowed = replace(asked, where=asked.narrowed(name, key))
    into = INSIDE.get(name, "namespace")
    if not into:
        return reverse("billing-lines") + narrowed.link()
    if into in asked.where:
        into = "workload" if "workload" not in asked.where else "pod"
    return narrowed.link(group=(into,))
