"""Long actions as named steps, each safe to repeat: a crash in the middle is another pass.

A kind of operation is a list of steps; a step is an async function that does its work or raises

    StepFailed   it cannot be done: the operation ends failed, the person reads error and fix
    NotYet       look again in `seconds`; after the step's deadline that is a failure too

Anything a cluster or a cloud refuses for the moment counts as `NotYet`; what our identity may not
do in the cluster does not pass by waiting and counts as `StepFailed`. The queue drives it: one
key per operation, one step per look, under the lease of its cluster.

A kind may have a `Life`, told in the same transaction when one of its operations ends or goes on.
A cancelled operation stops before its next step, but never before one that `UNSAFE` names: there
the cluster would be left between two states.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from django.contrib.auth.models import Group
from django.db import transaction
from django.utils import timezone
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop

from addons.announce import announce
from addons.clusters import refused
from addons.models import Cluster, Operation, Step
from addons.runtime.contract import Context, Outcome
from addons.runtime.nudge import poke
from addons.runtime.resync import operation_shard
from addons.sentences import read_in_english
from kube.errors import Forbidden, KubeError, Unauthorized
from providers.errors import ProviderError

State = Operation.State
RUNNING = (State.QUEUED, State.RUNNING)
DEADLINE = timedelta(minutes=10)
LOG_LINES = 500
_TOO_LONG = gettext_noop("It was waited for ten minutes. Mend it, then retry.")


class StepFailed(Exception):
    def __init__(self, error: str, fix: str = "") -> None:
        super().__init__(error)
        self.error = error
        self.fix = fix


class NotYet(Exception):
    def __init__(self, detail: str, seconds: float = 1.0) -> None:
        super().__init__(detail)
        self.detail = detail
        self.seconds = seconds


class Refused(Exception):
    """The operation may not be cancelled or retried as it stands now."""


StepFunction = Callable[[Context, Operation], Awaitable[str]]

Steps = Sequence[tuple[str, StepFunction]]


class Life(Protocol):
    """What a kind does about its operations; called inside their transactions, no I/O."""

    def ended(self, operation: Operation, now: datetime) -> None: ...

    def resumed(self, operation: Operation) -> None:
        """Before a retry. Raises `Refused` when it may not be."""


_COMPONENTS = (
    *("install-component", "upgrade-component", "configure-component", "rollback-component"),
    *("uninstall-component", "adopt-component", "repair-component"),
)
_RAM = ("grant-ram-user", "rotate-ram-user", "revoke-ram-user")
# kind -> dotted path of its steps, or of a function from the operation's arguments to them
KINDS = {
    "add-node": "addons.nodes.install.ADD",
    "remove-node": "addons.nodes.install.REMOVE",
    **dict.fromkeys(_COMPONENTS, "addons.components.steps.steps_for"),
    "grant-ram-user": "addons.components.ram_steps.grant_steps",
    "rotate-ram-user": "addons.components.ram_steps.ROTATE",
    "revoke-ram-user": "addons.components.ram_steps.REVOKE",
}
LIVES = {
    **dict.fromkeys(_COMPONENTS, "addons.components.life.LIFE"),
    **dict.fromkeys(_RAM, "addons.components.ram_steps.LIFE"),
}
# A cancel does not stop before these: what the step before has begun must be brought to an end.
UNSAFE = frozenset({"apply", "delete", "unregister", "proof", "record", "forget"})
_TITLES = {
    "add-node": gettext_lazy("Add virtual node %(target)s"),
    "remove-node": gettext_lazy("Remove virtual node %(target)s"),
    "install-component": gettext_lazy("Install %(target)s"),
    "upgrade-component": gettext_lazy("Upgrade %(target)s"),
    "configure-component": gettext_lazy("Configure %(target)s"),
    "rollback-component": gettext_lazy("Roll back %(target)s"),
    "uninstall-component": gettext_lazy("Uninstall %(target)s"),
    "adopt-component": gettext_lazy("Adopt %(target)s"),
    "repair-component": gettext_lazy("Repair %(target)s"),
    "grant-ram-user": gettext_lazy("Grant a RAM user %(target)s"),
    "rotate-ram-user": gettext_lazy("Rotate the RAM key %(target)s"),
    "revoke-ram-user": gettext_lazy("Revoke the RAM user %(target)s"),
}
_STEP_TITLES = {
    "preflight": gettext_lazy("Preflight checks"),
    "register": gettext_lazy("Register the node"),
    "ready": gettext_lazy("Wait until it is Ready"),
    "cordon": gettext_lazy("Cordon the node"),
    "drain": gettext_lazy("End its pods and instances"),
    "unregister": gettext_lazy("Delete the Node and its Lease"),
    "forget": gettext_lazy("Forget the node"),
    "recognise": gettext_lazy("Recognise what is there"),
    "snapshot": gettext_lazy("Keep what is there as a revision"),
    "rbac-and-crds": gettext_lazy("Apply RBAC and CRDs"),
    "apply": gettext_lazy("Apply the objects"),
    "rollout": gettext_lazy("Wait for the rollout"),
    "nodes-ready": gettext_lazy("Wait until its nodes are Ready"),
    "canary": gettext_lazy("Run a canary pod and remove it"),
    "record": gettext_lazy("Record the result"),
    "instances": gettext_lazy("Delete its instances"),
    "delete": gettext_lazy("Delete its objects"),
    "proof": gettext_lazy("Prove that nothing is left"),
    "ask": gettext_lazy("Ask the cloud"),
    "poll": gettext_lazy("Wait for the cloud"),
    "read-back": gettext_lazy("Read back what the cloud has"),
    "ram-user": gettext_lazy("Make the user with its policy"),
    "ram-key": gettext_lazy("Make a key and wait until the cloud takes it"),
    "ram-secret": gettext_lazy("Hand clusters the key as a Secret"),
    "ram-disable": gettext_lazy("Disable the old key"),
    "ram-take-back": gettext_lazy("Delete the Secrets in clusters"),
    "ram-delete": gettext_lazy("Delete keys, policy and user"),
}


def title(operation: Operation) -> str:
    return str(_TITLES[operation.kind]) % {"target": operation.target}


def kind_title(kind: str) -> str:
    """What operations of the kind do, whatever their target."""
    return (str(_TITLES[kind]) % {"target": ""}).strip() if kind in _TITLES else kind


def step_title(name: str) -> str:
    return str(_STEP_TITLES.get(name, name))


def steps_of(kind: str, arguments: Mapping[str, Any]) -> Steps:
    found: Steps | Callable[[Mapping[str, Any]], Steps] = import_string(KINDS[kind])
    return found(arguments) if callable(found) else found


def _life(kind: str) -> Life | None:
    path = LIVES.get(kind)
    if path is None:
        return None
    found: Life = import_string(path)
    return found


def start(
    kind: str,
    *,
    target: str,
    cluster: Cluster | None,
    team: Group,
    actor: str,
    arguments: Mapping[str, Any],
) -> Operation:
    """Queue an operation; the one that is under way for the same target wins.

    Without a cluster it concerns the team alone.
    """
    with transaction.atomic():
        _locked(cluster, team)
        known = Operation.objects.filter(
            kind=kind, cluster=cluster, team=team, target=target, state__in=RUNNING
        ).first()
        if known:
            return known
        operation = Operation.objects.create(
            kind=kind,
            target=target,
            cluster=cluster,
            team=team,
            actor=actor,
            arguments=dict(arguments),
        )
        Step.objects.bulk_create(
            Step(operation=operation, index=index, name=name)
            for index, (name, _function) in enumerate(steps_of(kind, arguments))
        )
        _queue(operation)
    return operation


def _locked(cluster: Cluster | None, team: Group) -> None:
    if cluster is None:
        Group.objects.select_for_update().get(pk=team.pk)
    else:
        Cluster.objects.select_for_update().get(pk=cluster.pk)


def _queue(operation: Operation) -> None:
    poke(operation_shard(operation), f"operation:{operation.pk}")
    transaction.on_commit(lambda: announce("operations", [operation.pk]))


def cancel(operation: Operation) -> None:
    """It stops at the next safe point. Raises `Refused` when it has ended."""
    if not Operation.objects.filter(pk=operation.pk, state__in=RUNNING).update(cancel_asked=True):
        raise Refused(_("The operation has ended already."))
    _queue(operation)


def retry(operation: Operation) -> None:
    """Go on from the step that failed. Raises `Refused` when nothing failed."""
    with transaction.atomic():
        again = Operation.objects.filter(
            pk=operation.pk, state__in=[State.FAILED, State.CANCELLED]
        ).update(state=State.QUEUED, error="", fix="", ended_at=None, cancel_asked=False)
        if not again:
            raise Refused(_("Only a failed or cancelled operation can go on."))
        life = _life(operation.kind)
        if life is not None:
            operation.refresh_from_db()
            life.resumed(operation)
        Step.objects.filter(operation=operation).exclude(state=Step.State.DONE).update(
            state=Step.State.WAITING, started_at=None, ended_at=None, detail=""
        )
        _queue(operation)


@dataclass(frozen=True, slots=True)
class Look:
    """The operation and its first open step; None: nothing is left to do."""

    operation: Operation
    step: Step | None


def _begin(pk: int, now: datetime) -> Look | None:
    """What to do next; None when the operation has ended."""
    operation = (
        Operation.objects.select_related("cluster", "team").filter(pk=pk, state__in=RUNNING).first()
    )
    if operation is None:
        return None
    step = operation.steps.exclude(state=Step.State.DONE).first()
    if operation.cancel_asked and (step is None or step.name not in UNSAFE):
        _end(operation, State.CANCELLED, now)
        return None
    if operation.state == State.QUEUED:
        operation.state = State.RUNNING
        operation.started_at = operation.started_at or now
        operation.save(update_fields=["state", "started_at"])
    if step is None:
        _end(operation, State.SUCCEEDED, now)
        return None
    if step.state != Step.State.RUNNING:
        step.state, step.started_at = Step.State.RUNNING, now
        step.save(update_fields=["state", "started_at"])
        log(operation, f"{step.name}: started", now)
    return Look(operation, step)


def log(operation: Operation, text: str, now: datetime, level: str = "info") -> None:
    """Append a line, unless it says what the last one said."""
    entry = {"at": now.isoformat(timespec="milliseconds"), "text": text, "level": level}
    if operation.log and operation.log[-1]["text"] == text:
        return
    operation.log = [*operation.log, entry][-LOG_LINES:]
    operation.save(update_fields=["log"])


def _end(
    operation: Operation, state: Operation.State, now: datetime, error: str = "", fix: str = ""
) -> None:
    operation.state, operation.ended_at = state, now
    operation.error, operation.fix = error, fix
    with transaction.atomic():
        operation.save(update_fields=["state", "ended_at", "error", "fix"])
        life = _life(operation.kind)
        if life is not None:
            life.ended(operation, now)
    log(operation, f"{state.value}{': ' + read_in_english(error) if error else ''}", now)


def _done(look: Look, detail: str, now: datetime) -> None:
    step = look.step
    assert step is not None
    step.state, step.ended_at, step.detail = Step.State.DONE, now, detail
    step.save(update_fields=["state", "ended_at", "detail"])
    log(look.operation, f"{step.name}: {read_in_english(detail) or 'done'}", now)
    if not look.operation.steps.exclude(state=Step.State.DONE).exists():
        _end(look.operation, State.SUCCEEDED, now)


def _waits(look: Look, detail: str, now: datetime) -> bool:
    """Note why the step is not done; False when its time is over."""
    step = look.step
    assert step is not None
    step.detail = detail
    step.save(update_fields=["detail"])
    log(look.operation, f"{step.name}: {read_in_english(detail)}", now, "warn")
    if step.started_at and now - step.started_at > DEADLINE:
        _fail(look, StepFailed(detail, _TOO_LONG), now)
        return False
    return True


def _fail(look: Look, failure: StepFailed, now: datetime) -> None:
    step = look.step
    assert step is not None
    step.state, step.ended_at, step.detail = Step.State.FAILED, now, failure.error
    step.save(update_fields=["state", "ended_at", "detail"])
    _end(look.operation, State.FAILED, now, failure.error, failure.fix)


async def reconcile_operation(ctx: Context, key: str) -> Outcome:
    """One step of one operation."""
    pk = int(key.partition(":")[2])
    look = await ctx.db(_begin, pk, ctx.now())
    await ctx.announce("operations", pk)
    if look is None or look.step is None:
        return Outcome()
    function = dict(steps_of(look.operation.kind, look.operation.arguments))[look.step.name]
    outcome = await _run(ctx, look, function)
    await ctx.announce("operations", pk)
    return outcome


async def _run(ctx: Context, look: Look, function: StepFunction) -> Outcome:
    try:
        detail = await function(ctx, look.operation)
    except StepFailed as failure:
        await ctx.db(_fail, look, failure, timezone.now())
        return Outcome()
    except NotYet as wait:
        going_on = await ctx.db(_waits, look, wait.detail, ctx.now())
        return Outcome(requeue_after=wait.seconds) if going_on else Outcome()
    except (Forbidden, Unauthorized) as error:
        await ctx.db(_fail, look, StepFailed(*refused.told(error)), ctx.now())
        return Outcome()
    except (KubeError, ProviderError) as error:
        going_on = await ctx.db(_waits, look, str(error), ctx.now())
        return Outcome(requeue_after=2.0, failed=True) if going_on else Outcome()
    await ctx.db(_done, look, detail, ctx.now())
    return Outcome(requeue_after=0.0)
