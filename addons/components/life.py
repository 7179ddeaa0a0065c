"""What the end of an operation means for its installation: done, half done, or taken back."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from addons import operations
from addons.announce import announce
from addons.components.steps.obstacles import AGAIN, NOTE
from addons.models import Installation, Operation, Revision, Step
from addons.operations import RUNNING, Refused
from addons.sentences import stored

# Steps that change the cluster or the cloud: from their start on, a failure leaves a mark.
TOUCHING = frozenset({"rbac-and-crds", "apply", "ask", "cordon", "instances", "delete"})
# What an operation remembers of what it began and saw.
_PASSING = frozenset({"canary", "children", "managed", "restart", NOTE})
# A retry of these applies once more: a key may have been changed, an object deleted meanwhile.
_STANDS_ON_APPLIED = frozenset({"rollout", "nodes-ready", "canary"})
_APPLYING = ("rbac-and-crds", "apply", "rollout")
_STATE = {"install": Installation.State.INSTALLING, "uninstall": Installation.State.UNINSTALLING}


def state_of(action: str) -> Installation.State:
    """What an installation is while an operation of this action runs."""
    return _STATE.get(action, Installation.State.CHANGING)


def touched(operation: Operation) -> bool:
    begun = operation.steps.exclude(state=Step.State.WAITING)
    return begun.filter(name__in=TOUCHING).exists()


class Components:
    """The `addons.operations.Life` of the operations on components."""

    def ended(self, operation: Operation, now: datetime) -> None:
        pk = operation.arguments.get("installation")
        row = Installation.objects.filter(pk=pk).first()
        if row is not None and operation.state != Operation.State.SUCCEEDED:
            self._stopped(operation, row)
        transaction.on_commit(lambda: announce("installations", [pk] if pk else []))

    def _stopped(self, operation: Operation, row: Installation) -> None:
        pending = row.revisions.filter(operation=operation, status=Revision.Status.PENDING)
        pending.update(status=Revision.Status.FAILED, note=operation.error)
        if not touched(operation):
            self._untouched(row, operation)
            return
        row.state = Installation.State.FAILED
        row.mark = operation.error or _stopped_before(operation)
        row.save(update_fields=["state", "mark"])
        if operation.state == Operation.State.FAILED:
            self._take_back(operation, row)

    def _untouched(self, row: Installation, operation: Operation) -> None:
        """It is as it was before; only of a first install there is nothing."""
        was = operation.arguments.get("was") or {}
        row.state = Installation.State.INSTALLED if row.version else Installation.State.FAILED
        row.mark = str(was.get("mark", ""))
        if was.get("state") == Installation.State.FAILED:
            row.state = Installation.State.FAILED
        if not row.version:
            row.mark = gettext_noop("Nothing was changed in the cluster.")
        row.save(update_fields=["state", "mark"])

    def _take_back(self, operation: Operation, row: Installation) -> None:
        """The rollback that was announced when the operation was started."""
        target = operation.arguments.get("auto_rollback")
        revision = row.revisions.filter(number=target).first() if target else None
        if revision is None or operation.team is None or operation.cluster is None:
            return
        from_here = operations.start(
            "rollback-component",
            target=row.component,
            cluster=operation.cluster,
            team=operation.team,
            actor=operation.actor,
            arguments={
                "installation": row.pk,
                "action": "rollback",
                "component": row.component,
                "delivery": row.delivery,
                "version": revision.version,
                "values": revision.values,
                "revision": revision.number,
                "canary_image": operation.arguments.get("canary_image", ""),
                "after_operation": operation.pk,
                "was": {"state": row.state, "mark": row.mark},
            },
        )
        Installation.objects.filter(pk=row.pk).update(
            operation=from_here, state=Installation.State.CHANGING
        )

    def resumed(self, operation: Operation) -> None:
        row = Installation.objects.filter(pk=operation.arguments.get("installation")).first()
        if row is None:
            raise Refused(_("The installation is gone; start anew."))
        other = running_on(row)
        if other is not None and other.pk != operation.pk:
            raise Refused(
                _("Operation %(pk)s is at it: %(title)s.")
                % {"pk": other.pk, "title": operations.title(other)}
            )
        Installation.objects.filter(pk=row.pk).update(
            state=state_of(operation.arguments["action"]), operation=operation
        )
        if _overtaken(operation):
            self._from_the_start(operation, row)
        self._try_again(operation)

    def _from_the_start(self, operation: Operation, row: Installation) -> None:
        """What it did is no longer there: all steps anew, and a revision of its own."""
        row.revisions.filter(operation=operation).update(operation=None)
        operation.steps.update(state=Step.State.WAITING)
        kept = {key: value for key, value in operation.arguments.items() if key not in _PASSING}
        operation.arguments = kept
        operation.save(update_fields=["arguments"])

    def _try_again(self, operation: Operation) -> None:
        """What it began goes on too, what it applied is applied anew, a canary is sent again."""
        failed = operation.steps.exclude(state=Step.State.DONE).first()
        if failed is not None and failed.name in _STANDS_ON_APPLIED:
            operation.steps.filter(name__in=_APPLYING).update(state=Step.State.WAITING)
        given = {**operation.arguments, NOTE: AGAIN, "restart": None}
        if given.get("canary", "").startswith("failed"):
            given["canary"] = ""
        operation.arguments = given
        operation.save(update_fields=["arguments"])
        begun = (operation.arguments.get("children") or {}).values()
        ended = (Operation.State.FAILED, Operation.State.CANCELLED)
        for child in Operation.objects.filter(pk__in=begun, state__in=ended):
            operations.retry(child)


def _overtaken(operation: Operation) -> bool:
    """Whether another operation changed the component since, as its own rollback does."""
    later = Operation.objects.filter(
        cluster=operation.cluster_id,
        target=operation.target,
        kind__endswith="-component",
        pk__gt=operation.pk,
    )
    return any(touched(other) for other in later)


def running_on(row: Installation) -> Operation | None:
    """The operation that is under way on this component."""
    return Operation.objects.filter(
        cluster=row.cluster_id,
        target=row.component,
        kind__endswith="-component",
        state__in=RUNNING,
    ).first()


def _stopped_before(operation: Operation) -> str:
    step = operation.steps.exclude(state=Step.State.DONE).first()
    return stored(
        gettext_noop("It was cancelled before the step %(step)s."), step=step.name if step else "-"
    )


LIFE = Components()
