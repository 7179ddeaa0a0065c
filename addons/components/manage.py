"""Components of clusters, as people and programs handle them: pages, REST, fleets, command line.

All functions are synchronous and may be called from any thread but the loop's own; what asks a
cluster takes seconds. Texts that come back are in the reader's language.

    ComponentError   `code` says what kind: unknown, incompatible, invalid, busy, installed,
                     not-installed, unsupported, unreachable; `fix` what to do about it
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import Group
from django.db import transaction
from django.utils.translation import gettext as _

from addons import operations
from addons.announce import announce
from addons.components import drifting, judge, offered, planning, release
from addons.components import values as value_rules
from addons.components.base import Component, Delivery, Version, within
from addons.components.catalogue import catalogue
from addons.components.hosted_nodes import nodes_of
from addons.components.intent import (
    ComponentError,
    Meant,
    asked,
    current_version,
    default_delivery,
    delivery_why_not,
    know_vendor,
    meant,
    why_not,
)
from addons.components.life import running_on, state_of
from addons.components.planning import Plan
from addons.models import Cluster, Installation, Operation, Revision
from addons.operations import KINDS
from addons.runtime.loop import runtime

__all__ = [
    "ComponentError",
    "Offer",
    "Plan",
    "catalogue",
    "default_delivery",
    "delivery_why_not",
    "drift",
    "history",
    "know_vendor",
    "offer",
    "offers",
    "plan",
    "start",
    "why_not",
]


@dataclass(frozen=True, slots=True)
class Offer:
    """A component as this cluster may have it. `newest` is the newest version that fits."""

    cluster: Cluster
    component: Component
    installed: Installation | None
    latest: Version
    compatible: bool
    why: str = ""
    newest: Version | None = None

    @property
    def nodes(self) -> tuple[str, ...]:
        """Virtual nodes of ours that people added one by one, where nothing is installed."""
        if self.installed or Delivery.HOSTED not in self.component.deliveries:
            return ()
        return tuple(node.name for node in nodes_of(self.cluster))

    @property
    def upgradable(self) -> bool:
        row, newest = self.installed, self.newest
        return bool(row and newest and row.version and within(newest.version, f">{row.version}"))


def offers(cluster: Cluster) -> list[Offer]:
    """Every component of the catalogue, those that cannot be here with the reason."""
    rows = {row.component: row for row in cluster.installations.select_related("operation")}
    return [offer(cluster, one, rows.get(one.name)) for one in catalogue().values()]


def offer(cluster: Cluster, component: Component, row: Installation | None) -> Offer:
    """One component as the cluster may have it, `row` being what is there of it."""
    delivery = row.delivery if row else default_delivery(cluster, component)
    component = offered.here(cluster, component, delivery)
    why = why_not(cluster, component, component.latest)
    fitting = [v for v in component.versions if not why_not(cluster, component, v)]
    newest = offered.newest(cluster, component, delivery, fitting) if fitting else None
    return Offer(
        cluster, component, row, component.latest, newest is not None, "" if newest else why, newest
    )


def history(installation: Installation) -> list[Revision]:
    """Newest first."""
    return list(installation.revisions.select_related("operation"))


def drift(installation: Installation) -> list[dict[str, Any]]:
    """Fields that differ from the deployed revision, asked now and kept on the row."""
    found: list[dict[str, Any]] = asked(runtime(), drifting.look(runtime(), installation))
    return found


def plan(
    cluster: Cluster,
    component: str,
    *,
    action: str,
    version: str = "",
    values: Mapping[str, Any] | None = None,
    delivery: str = "",
    revision: int | None = None,
) -> Plan:
    """What `start` would do with the same arguments. Raises `ComponentError`."""
    intended = meant(
        cluster,
        component,
        action=action,
        version=version,
        values=values,
        delivery=delivery,
        revision=revision,
        runtime=runtime(),
    )
    current = current_version(intended.component, intended.row)
    before = dict(intended.row.values) if intended.row else {}
    made = Plan(
        action=action,
        component=intended.component,
        version=intended.version,
        delivery=intended.delivery,
        checks=(),
        values_before=before,
        values_after=intended.values,
        rows=tuple(value_rules.three_way(current, intended.version, before, intended.values)),
        auto_rollback=planning.auto_rollback(intended, action),
    )
    whole: Plan = asked(runtime(), planning.filled(runtime(), made, cluster, intended))
    return planning.told(whole)


def start(
    cluster: Cluster,
    component: str,
    *,
    action: str,
    version: str = "",
    values: Mapping[str, Any] | None = None,
    delivery: str = "",
    revision: int | None = None,
    instances: str = "delete",
    canary_image: str = "",
    actor: str,
    team: Group,
    key: str = "",
) -> Operation:
    """The operation that does it; with the same `key` the same one, whatever became of it.

    `instances` is `delete` or `leave` (uninstall: they go on, billed, on the orphan list).
    `canary_image` is the image of its canary pod, empty: the setting's. Raises `ComponentError`:
    busy while another operation runs on the component.
    """
    known = _by_key(cluster, component, key)
    if known is not None:
        return known
    intended = meant(
        cluster,
        component,
        action=action,
        version=version,
        values=values,
        delivery=delivery,
        revision=revision,
        runtime=runtime(),
    )
    _valid(intended, action)
    if instances not in {"delete", "leave"}:
        raise ComponentError("invalid", _("Instances are deleted or left."))
    with transaction.atomic():
        Cluster.objects.select_for_update().get(pk=cluster.pk)
        known = _by_key(cluster, component, key)
        if known is not None:
            return known
        row = _row(cluster, intended)
        _not_busy(row)
        arguments = _arguments(intended, row, action, instances=instances, key=key)
        arguments["canary_image"] = canary_image
        operation = operations.start(
            f"{action}-component",
            target=component,
            cluster=cluster,
            team=team,
            actor=actor,
            arguments=arguments,
        )
        Installation.objects.filter(pk=row.pk).update(state=state_of(action), operation=operation)
        transaction.on_commit(lambda: announce("installations", [row.pk]))
    return operation


def _by_key(cluster: Cluster, component: str, key: str) -> Operation | None:
    if not key:
        return None
    kinds = [kind for kind in KINDS if kind.endswith("-component")]
    return Operation.objects.filter(
        cluster=cluster, target=component, kind__in=kinds, arguments__key=key
    ).first()


def _valid(intended: Meant, action: str) -> None:
    row, revision = intended.row, intended.revision
    if row and revision and not release.can_return_to(intended.component, revision, row):
        raise ComponentError(
            "invalid",
            _("What others installed had parts that could not be read back, such as a key."),
            _("Configure it with all that its version needs."),
        )
    if action not in {"install", "upgrade", "configure"}:
        return
    wanted = release.release_of(intended.component, intended.version, intended.values, intended.row)
    found = judge.wrong(intended.version.schema, wanted.effective)
    if found:
        text = " ".join(one.message for one in found)
        raise ComponentError("invalid", text, _("Correct the parameters."))


def _row(cluster: Cluster, intended: Meant) -> Installation:
    """The installation's row, made for a first install."""
    found, component = intended.found, intended.component
    row, _new = Installation.objects.get_or_create(
        cluster=cluster,
        component=component.name,
        defaults={
            "delivery": intended.delivery,
            "release": found.release if found else component.release or component.name,
            "namespace": found.namespace if found else component.namespace,
            "adopted": found is not None,
        },
    )
    if not row.version and row.delivery != intended.delivery:
        row.delivery = intended.delivery
        row.save(update_fields=["delivery"])
    return row


def _not_busy(row: Installation) -> None:
    other = running_on(row)
    if other is not None:
        raise ComponentError(
            "busy",
            _("Operation %(pk)s is at it: %(title)s.")
            % {"pk": other.pk, "title": operations.title(other)},
            _("Wait until it ends, or cancel it."),
            other,
        )


def _arguments(
    intended: Meant, row: Installation, action: str, *, instances: str, key: str
) -> dict[str, Any]:
    return {
        "installation": row.pk,
        "component": intended.component.name,
        "action": action,
        "delivery": intended.delivery,
        "version": intended.version.version,
        "values": intended.values,
        "revision": intended.revision.number if intended.revision else None,
        "note": str(intended.revision.number) if intended.revision else "",
        "instances": instances,
        "key": key,
        "auto_rollback": planning.auto_rollback(intended, action),
        # What came no further than its checks has nothing in the cluster: others' may be there.
        "untouched": not row.version and not row.revisions.exists(),
        "was": {"state": row.state, "mark": row.mark, "version": row.version},
    }
