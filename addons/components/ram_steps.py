"""The steps of granting, rotating and revoking a RAM user; each is safe to repeat.

What the cloud or a cluster refuses for the moment is waited for; what it refuses for good ends the
operation with the fix that `grants` says.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from addons.components import grants
from addons.components.grants import GrantError
from addons.models import Cluster, Operation
from addons.operations import RUNNING, NotYet, Refused, StepFailed, Steps
from addons.runtime.contract import Context
from addons.sentences import stored
from kube import errors as kube_errors
from kube.errors import KubeError
from providers.errors import Throttled, Unavailable, UnknownOutcome
from providers.models import RamGrant

KINDS = ("grant-ram-user", "rotate-ram-user", "revoke-ram-user")
_CLOUD = (Throttled, Unavailable, UnknownOutcome)
_FOR_GOOD = (kube_errors.Forbidden, kube_errors.Unauthorized, kube_errors.Invalid)
_SECONDS = 2.0


def running_on(target: str, team: int) -> Operation | None:
    """The operation that is under way on the grant."""
    return Operation.objects.filter(
        kind__in=KINDS, target=target, team=team, state__in=RUNNING
    ).first()


@asynccontextmanager
async def _step(ctx: Context, operation: Operation) -> AsyncIterator[RamGrant]:
    """The grant; refusals as an operation's own."""
    ctx.lease.check()
    row: RamGrant = await ctx.db(_row, operation)
    try:
        yield row
    except GrantError as refusal:
        if _passes(refusal):
            raise NotYet(refusal.message, _SECONDS) from refusal
        raise StepFailed(refusal.message, refusal.fix) from refusal


def _row(operation: Operation) -> RamGrant:
    rows = RamGrant.objects.select_related("account")
    row = rows.filter(pk=operation.arguments["grant"]).first()
    gone = row is None or row.state == RamGrant.State.REVOKED
    if row is None or (gone and operation.kind != "revoke-ram-user"):
        raise StepFailed(gettext_noop("It was revoked meanwhile."), gettext_noop("Grant it again."))
    return row


def _passes(refusal: GrantError) -> bool:
    cause = refusal.__cause__
    if refusal.code == "Busy":
        return True
    later = isinstance(cause, KubeError) and not isinstance(cause, _FOR_GOOD)
    return later or isinstance(cause, _CLOUD)


async def user(ctx: Context, operation: Operation) -> str:
    """A cluster that holds somebody else's key is told before anything is made."""
    async with _step(ctx, operation) as row:
        given = operation.arguments
        if given.get("cluster") and not given.get("replace"):
            await grants.free(ctx, row, await _named(ctx, operation))
        await grants.allowed(ctx, row)
    return row.user


async def key(ctx: Context, operation: Operation) -> str:
    async with _step(ctx, operation) as row:
        await grants.keyed(ctx, row)
    return grants.masked(row.access_key_id)


async def secret(ctx: Context, operation: Operation) -> str:
    """The cluster that was named gets the key."""
    replace = operation.arguments["replace"]
    async with _step(ctx, operation) as row:
        cluster = await _named(ctx, operation)
        await grants.delivered(ctx, row, cluster, now=ctx.now(), replace=replace)
    return cluster.name


async def _named(ctx: Context, operation: Operation) -> Cluster:
    rows = Cluster.objects.filter(pk=operation.arguments["cluster"])
    cluster: Cluster | None = await ctx.db(rows.first)
    if cluster is None:
        raise StepFailed(gettext_noop("The cluster was forgotten meanwhile."))
    return cluster


async def new_key(ctx: Context, operation: Operation) -> str:
    async with _step(ctx, operation) as row:
        await grants.renewed(ctx, row, now=ctx.now())
    return grants.masked(row.access_key_id)


async def secrets(ctx: Context, operation: Operation) -> str:
    """Every cluster that has the old key gets the new one."""
    async with _step(ctx, operation) as row:
        reached = await grants.redelivered(ctx, row, now=ctx.now())
    return ", ".join(reached)


async def disable(ctx: Context, operation: Operation) -> str:
    async with _step(ctx, operation) as row:
        await grants.retired(ctx, row)
    return ""


async def take_back(ctx: Context, operation: Operation) -> str:
    async with _step(ctx, operation) as row:
        taken = await grants.taken_back(ctx, row)
    return ", ".join(taken)


async def delete(ctx: Context, operation: Operation) -> str:
    async with _step(ctx, operation) as row:
        user = row.user
        await grants.deleted(ctx, row, now=ctx.now())
    return stored(gettext_noop("%(user)s is gone"), user=user)


GRANT: Steps = (("ram-user", user), ("ram-key", key))
GRANT_TO_CLUSTER: Steps = (*GRANT, ("ram-secret", secret))
ROTATE: Steps = (("ram-key", new_key), ("ram-secret", secrets), ("ram-disable", disable))
REVOKE: Steps = (("ram-take-back", take_back), ("ram-delete", delete))


def grant_steps(arguments: dict[str, object]) -> Steps:
    return GRANT_TO_CLUSTER if arguments.get("cluster") else GRANT


class Grants:
    """A grant is worked on by one operation at a time, retried ones too."""

    def ended(self, operation: Operation, now: datetime) -> None:
        return None

    def resumed(self, operation: Operation) -> None:
        other = Operation.objects.filter(
            kind__in=KINDS, target=operation.target, team=operation.team_id, state__in=RUNNING
        ).exclude(pk=operation.pk)
        if other.exists():
            raise Refused(_("Another operation is at this grant; wait until it ends."))


LIFE = Grants()
