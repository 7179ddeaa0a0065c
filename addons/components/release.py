"""From rows to a release: which component, version, values and kit an operation is about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_noop as _

from addons.components import judge, offered
from addons.components.base import Component, Delivery, Json, Release, Version
from addons.components.catalogue import catalogue
from addons.components.kits import rendered
from addons.models import Cluster, Installation, Revision

_CHANGES = frozenset({"install", "upgrade", "configure"})


class Unknown(Exception):
    """The catalogue has no such component or version; `args[0]` is a sentence."""


def component_of(name: str) -> Component:
    found = catalogue().get(name)
    if found is None:
        raise Unknown(_("The catalogue has no such component."))
    return found


def component_at(installation: Installation) -> Component:
    """As it may be where it is installed. Raises `Unknown`."""
    component = component_of(installation.component)
    if installation.delivery != Delivery.MANAGED:
        return component
    return offered.here(installation.cluster, component, installation.delivery)


def version_of(component: Component, version: str) -> Version:
    found = component.version(version)
    if found is None:
        raise Unknown(_("The catalogue has no such version."))
    return found


def release_of(
    component: Component,
    version: Version,
    values: Mapping[str, Any],
    installation: Installation | None = None,
) -> Release:
    return Release(
        component=component,
        version=version,
        values=dict(values),
        name=(installation.release if installation else "") or component.release or component.name,
        namespace=installation.namespace if installation else component.namespace,
    )


def installed(installation: Installation) -> Release:
    """What stands in the cluster now. Raises `Unknown` when the catalogue forgot its version."""
    component = component_at(installation)
    version = version_of(component, installation.version)
    return release_of(component, version, installation.values, installation)


def labelled(release: Release) -> list[Json]:
    """The objects to apply; each says who manages it and to which release it belongs.

    The pods' own labels stay as the vendor writes them.
    """
    marks = {
        "app.kubernetes.io/managed-by": "spillway",
        "app.kubernetes.io/instance": release.name,
    }
    result: list[Json] = []
    for obj in rendered(release):
        meta: dict[str, Any] = dict(obj["metadata"])  # type: ignore[call-overload]
        meta["labels"] = {**(meta.get("labels") or {}), **marks}
        result.append({**obj, "metadata": meta})
    return result


def deployed(installation: Installation) -> Revision | None:
    """The revision that stands in the cluster."""
    return installation.revisions.filter(status=Revision.Status.DEPLOYED).first()


def takes_over(installation: Installation | None, action: str) -> bool:
    """Whether fields that others own become ours: it takes back what was ours, or it is the first
    change of what others installed and we adopted."""
    if action in {"repair", "rollback"}:
        return True
    if installation is None or not installation.adopted or action not in _CHANGES:
        return False
    done = installation.revisions.filter(action__in=_CHANGES)
    came = (Revision.Status.DEPLOYED, Revision.Status.SUPERSEDED)
    return not done.filter(status__in=came).exists()


def whole(release: Release) -> bool:
    """Whether the values are all that the version needs: of what others installed some may not be
    read back, such as a key."""
    return not judge.wrong(release.version.schema, release.effective)


def can_return_to(component: Component, revision: Revision, installation: Installation) -> bool:
    """Whether a rollback would bring back what stood there. Not so for what was adopted with a key
    of its own, which we never had."""
    version = component.version(revision.version)
    if version is None or installation.delivery != Delivery.IN_CLUSTER:
        return version is not None
    return whole(release_of(component, version, revision.values, installation))


def installation_for(cluster: Cluster, component: str) -> Installation | None:
    return Installation.objects.filter(cluster=cluster, component=component).first()
