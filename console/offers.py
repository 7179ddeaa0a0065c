"""What pages and REST say of components: a component in words, what a cluster may do with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import Http404
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from addons.components.base import Component, Requirements, Version, compare
from addons.components.catalogue import catalogue, say
from addons.components.manage import Offer
from addons.models import Installation
from console.live.installed import status, tone

GROUPS = {
    "core": gettext_lazy("Core virtual node"),
    "scheduling": gettext_lazy("Scheduling"),
    "platform": gettext_lazy("Platform"),
}
DELIVERIES = {
    "hosted": gettext_lazy("Hosted"),
    "in_cluster": gettext_lazy("In the cluster"),
    "managed": gettext_lazy("By the cloud"),
}
DELIVERY_HELP = {
    "hosted": gettext_lazy("Spillway's workers are the kubelet; only Nodes and Leases are there."),
    "in_cluster": gettext_lazy("Manifests are applied by server-side apply and kept as revisions."),
    "managed": gettext_lazy("The cloud's own add-on API installs it; Spillway asks and watches."),
}
VENDORS = {"alibaba": "Alibaba Cloud", "kingsoft": "Kingsoft Cloud", "spillway": "Spillway"}
GLYPHS = {"core": "cloud", "scheduling": "route", "platform": "settings"}
GATES = "featureGates"


def found_component(name: str) -> Component:
    """Raises `Http404` for what the catalogue does not have."""
    component = catalogue().get(name)
    if component is None:
        raise Http404(_("The catalogue has no such component."))
    return component


def needs(requires: Requirements) -> list[str]:
    """What a version asks for, one sentence each."""
    said = []
    if requires.kubernetes:
        said.append(_("Kubernetes %(range)s") % {"range": requires.kubernetes})
    for name, wanted in requires.components.items():
        said.append(f"{name} {wanted}".strip())
    for service in requires.services:
        text = _("the service %(service)s, activated and authorised")
        said.append(text % {"service": service.upper()})
    if requires.provider:
        text = _("a region where %(provider)s is offered")
        said.append(text % {"provider": requires.provider.upper()})
    return said


def has_gates(component: Component) -> bool:
    return GATES in (component.latest.schema.get("properties") or {})


@dataclass(frozen=True, slots=True)
class Card:
    """A component in one cluster as the catalogue shows it; `action` is the one that is next."""

    component: Component
    installed: Installation | None
    latest: str
    compatible: bool
    why: str
    upgradable: bool = False
    # Virtual nodes that were added one by one: it is there, and nobody installed it.
    nodes: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        return say(self.component.title)

    @property
    def summary(self) -> str:
        return say(self.component.summary)

    @property
    def group(self) -> str:
        return str(self.component.group)

    @property
    def glyph(self) -> str:
        return GLYPHS[self.group]

    @property
    def vendor(self) -> str:
        return VENDORS.get(self.component.vendor, self.component.vendor)

    @property
    def status(self) -> str:
        if self.installed:
            return status(self.installed, self.component)
        return _("Recognised") if self.nodes else ""

    @property
    def tone(self) -> str:
        if self.installed:
            return tone(self.installed, self.component)
        return "ok" if self.nodes else "mute"

    @property
    def action(self) -> str:
        """install, adopt, upgrade, or nothing that has to be done."""
        row = self.installed
        if self.nodes:
            return "adopt"
        if row is None or (not row.version and row.state == Installation.State.FAILED):
            return "install" if self.compatible else ""
        settled = row.state in {Installation.State.INSTALLED, Installation.State.FAILED}
        return "upgrade" if settled and self.upgradable else ""


def card(offer: Offer) -> Card:
    newest = (offer.newest or offer.latest).version
    return Card(
        offer.component,
        offer.installed,
        newest,
        offer.compatible,
        offer.why,
        offer.upgradable,
        offer.nodes,
    )


def grouped(cards: Sequence[Card]) -> list[tuple[str, list[Card]]]:
    rows = [(str(label), [c for c in cards if c.group == code]) for code, label in GROUPS.items()]
    return [(label, found) for label, found in rows if found]


def newer(component: Component, version: str) -> list[Version]:
    """Versions above this one, newest first."""
    return [one for one in component.versions if compare(one.version, version) > 0]


def requirements_shape(requires: Requirements) -> dict[str, Any]:
    return {
        "kubernetes": requires.kubernetes,
        "components": dict(requires.components),
        "services": list(requires.services),
        "provider": requires.provider,
    }


def component_shape(component: Component) -> dict[str, Any]:
    """As REST lists it."""
    return {
        "name": component.name,
        "title": say(component.title),
        "summary": say(component.summary),
        "group": str(component.group),
        "vendor": component.vendor,
        "system": component.system,
        "deliveries": [str(one) for one in component.deliveries],
        "providers": list(component.providers),
        "kinds": list(component.kinds),
        "conflicts": list(component.conflicts),
        "latest": component.latest.version,
        "permissions": [{"what": p.what, "why": say(p.why)} for p in component.permissions],
        "documentation": component.documentation,
        "source": component.source,
        "dated": component.dated,
    }


def version_shape(version: Version, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "version": version.version,
        "released": version.released,
        "notes": say(version.notes),
        "requires": requirements_shape(version.requires),
        "breaking": version.breaking,
        "renamed": dict(version.renamed),
        "images": list(version.images),
        "schema": dict(schema),
    }
