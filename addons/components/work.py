"""What a step works with: its installation, release and revisions, read anew each time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_noop as _

from addons.components import release as releases
from addons.components.base import Delivery, Json, Release
from addons.components.kit import Kit
from addons.components.kits import kit_of
from addons.models import Installation, Operation, Revision
from addons.operations import StepFailed


@dataclass(frozen=True, slots=True)
class Work:
    """`wanted` is what the operation wants; `revision` its own, `previous` the deployed one.

    `takes_over`: fields that others own become ours; `moves`: their entries too, with what we do
    not apply (`ownership`), which only values that are whole may do: a key may be among it.
    """

    operation: Operation
    installation: Installation
    wanted: Release
    kit: Kit
    revision: Revision | None
    previous: Revision | None
    takes_over: bool = False
    moves: bool = False

    @property
    def cluster_id(self) -> int:
        return self.installation.cluster_id

    @property
    def objects(self) -> list[Json]:
        """To be applied: those of the revision once there is one."""
        if self.revision is not None:
            return list(self.revision.objects_applied)
        return self.rendered

    @property
    def rendered(self) -> list[Json]:
        in_cluster = self.installation.delivery == Delivery.IN_CLUSTER
        return releases.labelled(self.wanted) if in_cluster else []

    @property
    def release_before(self) -> Release | None:
        """The release of our last success, while the catalogue knows its version."""
        if self.previous is None:
            return None
        version = self.wanted.component.version(self.previous.version)
        values, row = self.previous.values, self.installation
        known = self.wanted.component
        return releases.release_of(known, version, values, row) if version else None

    @property
    def before(self) -> list[Json]:
        """What stands in the cluster by our last success."""
        return list(self.previous.objects_applied) if self.previous else []


def load(operation: Operation) -> Work:
    """Raises `StepFailed` when the installation or its catalogue entry went."""
    given: Mapping[str, Any] = operation.arguments
    rows = Installation.objects.select_related("cluster", "cluster__account")
    installation = rows.filter(pk=given["installation"]).first()
    if installation is None:
        raise StepFailed(_("The installation is gone."))
    try:
        component = releases.component_at(installation)
        version = releases.version_of(component, given["version"])
    except releases.Unknown as error:
        raise StepFailed(
            str(error.args[0]), _("Import the catalogue file that has it, then retry.")
        ) from error
    wanted = releases.release_of(component, version, given["values"], installation)
    takes_over = releases.takes_over(installation, given["action"])
    return Work(
        operation=operation,
        installation=installation,
        wanted=wanted,
        kit=kit_of(component.name),
        revision=installation.revisions.filter(operation=operation).first(),
        previous=releases.deployed(installation),
        takes_over=takes_over,
        moves=takes_over and releases.whole(wanted),
    )


def keep(operation: Operation, **values: Any) -> None:
    """Remember facts of an operation from step to step."""
    operation.arguments = {**operation.arguments, **values}
    operation.save(update_fields=["arguments"])


def begin_revision(work: Work, now: datetime, objects: list[Json]) -> Revision:
    """The operation's own revision, pending; the same one on every pass."""
    with transaction.atomic():
        Installation.objects.select_for_update().get(pk=work.installation.pk)
        known = work.installation.revisions.filter(operation=work.operation).first()
        if known is not None:
            Revision.objects.filter(pk=known.pk).update(status=Revision.Status.PENDING)
            return known
        newest = work.installation.revisions.order_by("-number").first()
        last = max(newest.number if newest else 0, int(work.operation.arguments.get("after", 0)))
        return Revision.objects.create(
            installation=work.installation,
            number=last + 1,
            action=work.operation.arguments["action"],
            version=work.wanted.version.version,
            values=work.wanted.values,
            objects_applied=objects,
            actor=work.operation.actor,
            note=work.operation.arguments.get("note", ""),
            operation=work.operation,
            created_at=now,
        )


def renumber(work: Work, last: int) -> int:
    """The operation's own revision after `last` and every other; its new number."""
    assert work.revision is not None
    with transaction.atomic():
        Installation.objects.select_for_update().get(pk=work.installation.pk)
        newest = work.installation.revisions.order_by("-number")[0].number
        work.revision.number = max(newest, last) + 1
        work.revision.save(update_fields=["number"])
    return work.revision.number


def finish(work: Work) -> None:
    """The revision is what stands in the cluster now, and the row says so."""
    assert work.revision is not None
    with transaction.atomic():
        others = work.installation.revisions.filter(status=Revision.Status.DEPLOYED)
        others.exclude(pk=work.revision.pk).update(status=Revision.Status.SUPERSEDED)
        Revision.objects.filter(pk=work.revision.pk).update(status=Revision.Status.DEPLOYED)
        Installation.objects.filter(pk=work.installation.pk).update(
            version=work.wanted.version.version,
            values=work.wanted.values,
            state=Installation.State.INSTALLED,
            mark="",
            drift=[],
            drift_at=None,
        )
