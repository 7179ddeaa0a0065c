"""One component brought to one version on many clusters, wave by wave.

`start`, `pause`, `resume`, `retry` and `cancel` are what people do; they raise
`addons.components.manage.ComponentError`. The queue drives the rest: one key per upgrade on a
shard of its own, `fleet:<id>`. A look reads what became of the operations, asks
`addons.components.waves.decide`, and begins the upgrades whose turn it is: the operation and its
member's row are one commit, so that a crash is another look and nothing is begun twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.contrib.auth.models import Group
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from addons.announce import announce
from addons.components import manage, release
from addons.components.base import Component, Version, compare
from addons.components.manage import ComponentError
from addons.components.matrix import matrix
from addons.components.waves import Move, Rule, Wave, becomes, decide, plan, waves
from addons.models import FleetMember, FleetUpgrade, Installation
from addons.runtime.contract import Context, Outcome
from addons.runtime.nudge import poke
from addons.runtime.resync import fleet_key
from addons.sentences import stored

__all__ = ["cancel", "eligible", "matrix", "pause", "resume", "retry", "start", "waves_of"]

State = FleetUpgrade.State
OPEN = (State.RUNNING, State.PAUSED)
_STOPPED = gettext_noop("%(names)s failed; the waves after wave %(wave)s did not begin.")
_FAILED = gettext_noop("Every wave had its turn; %(names)s failed.")
# Clusters that a sentence names before it breaks off.
_NAMED = 5
_THERE = gettext_noop("It had this version already.")
_WAITS = gettext_noop("It waits: %(why)s")
_NEVER = gettext_noop("The fleet upgrade was cancelled before its turn.")
_CANCELLED = gettext_noop("Its operation was cancelled.")


# --- what people do -----------------------------------------------------------------------------


def eligible(team: Group, component: str, version: str) -> list[Installation]:
    """The team's installations that have an older version and may have this one, by cluster."""
    wanted, target = _wanted(component, version)
    rows = Installation.objects.filter(cluster__team=team, component=component)
    found = rows.select_related("cluster").order_by("cluster__name")
    return [row for row in found if _older(row, target) and not _why_not(row, wanted, target)]


def _older(row: Installation, target: Version) -> bool:
    return bool(row.version) and compare(row.version, target.version) < 0


def _wanted(name: str, version: str) -> tuple[Component, Version]:
    try:
        component = release.component_of(name)
        return component, release.version_of(component, version)
    except release.Unknown as error:
        raise ComponentError("unknown", _(str(error))) from error


def _why_not(row: Installation, component: Component, target: Version) -> str:
    """Why the installation cannot be brought to the version; empty: it can."""
    if not row.version:
        return _("Its installation never finished.")
    if compare(row.version, target.version) > 0:
        return _("It has the newer version %(version)s.") % {"version": row.version}
    return manage.why_not(row.cluster, component, target)


def left_out(
    installations: Iterable[Installation], component: str, version: str
) -> list[tuple[Installation, str]]:
    """Those that cannot be brought to the version, each with the reason."""
    wanted, target = _wanted(component, version)
    told = [(row, _why_not(row, wanted, target) or _newest(row, target)) for row in installations]
    return [(row, why) for row, why in told if why]


def _newest(row: Installation, target: Version) -> str:
    return "" if _older(row, target) else _("It has this version already.")


def start(
    team: Group,
    component: str,
    version: str,
    installations: Iterable[Installation],
    *,
    batch: int = 10,
    pause_seconds: int = 0,
    canary: Installation | None = None,
    stop_on_failure: bool = True,
    actor: str,
) -> FleetUpgrade:
    """Queue the upgrade; the canary (the first when none is named) goes alone, before the waves.

    Raises `ComponentError`: unknown component or version, an installation that is not the team's
    or cannot have the version, one that another open fleet upgrade has (busy).
    """
    wanted, target = _wanted(component, version)
    chosen = _ordered(installations, canary)
    _may_go(team, chosen, wanted, target)
    if batch < 1 or pause_seconds < 0:
        raise ComponentError(
            "invalid", _("A wave has one cluster or more; a pause is not negative.")
        )
    with transaction.atomic():
        Group.objects.select_for_update().get(pk=team.pk)
        _free(chosen)
        made = FleetUpgrade.objects.create(
            team=team,
            component=component,
            version=target.version,
            batch=batch,
            pause_seconds=pause_seconds,
            stop_on_failure=stop_on_failure,
            actor=actor,
        )
        FleetMember.objects.bulk_create(
            FleetMember(upgrade=made, installation=row, wave=wave)
            for row, wave in zip(chosen, plan(len(chosen), batch), strict=True)
        )
        _queue(made)
    return made


def _ordered(
    installations: Iterable[Installation], canary: Installation | None
) -> list[Installation]:
    first = [canary] if canary else []
    return list({row.pk: row for row in (*first, *installations)}.values())


def _may_go(
    team: Group, rows: Sequence[Installation], component: Component, target: Version
) -> None:
    if not rows:
        raise ComponentError("invalid", _("No cluster was chosen."))
    reasons = []
    for row in rows:
        if row.cluster.team_id != team.pk or row.component != component.name:
            raise ComponentError(
                "invalid", _("An installation is not the team's, or of another component.")
            )
        why = _why_not(row, component, target)
        if why:
            reasons.append(f"{row.cluster.slug}: {why}")
    if reasons:
        raise ComponentError(
            "incompatible",
            _("%(version)s cannot go everywhere. %(why)s")
            % {"version": target.version, "why": " ".join(reasons)},
            _("Leave these clusters out."),
        )


def _free(rows: Sequence[Installation]) -> None:
    taken = FleetMember.objects.filter(
        installation__in=rows, upgrade__state__in=OPEN, state__in=["waiting", "running"]
    ).select_related("installation__cluster")
    other = taken.first()
    if other is not None:
        raise ComponentError(
            "busy",
            _("Fleet upgrade %(pk)s has cluster %(cluster)s.")
            % {"pk": other.upgrade_id, "cluster": other.installation.cluster.slug},
            _("Wait until it ends, or cancel it."),
        )


def _queue(upgrade: FleetUpgrade) -> None:
    poke(fleet_key(upgrade.pk), fleet_key(upgrade.pk))
    transaction.on_commit(lambda: announce("fleet_upgrades", [upgrade.pk]))


def _go(upgrade: FleetUpgrade, before: Sequence[str], after: str, refusal: str) -> None:
    """Change the state by compare-and-swap; in a transaction."""
    row = FleetUpgrade.objects.filter(pk=upgrade.pk, state__in=before)
    if not row.update(state=after, ended_at=None, reason=""):
        raise ComponentError("unsupported", refusal)
    upgrade.refresh_from_db()
    _queue(upgrade)


def pause(upgrade: FleetUpgrade) -> None:
    """Begin nothing more for now; what runs goes on."""
    with transaction.atomic():
        _go(
            upgrade, [State.RUNNING], State.PAUSED, _("Only a running fleet upgrade can be paused.")
        )


def resume(upgrade: FleetUpgrade, *, failed: str = "retry") -> None:
    """Go on after a pause or a stop; clusters that failed are tried again.

    With `failed="leave"` they are left as they are, and the waves after them have their turn.
    """
    if failed not in {"retry", "leave"}:
        raise ComponentError("invalid", _("Failed clusters are tried again or left."))
    with transaction.atomic():
        _go(
            upgrade,
            [State.PAUSED, State.STOPPED],
            State.RUNNING,
            _("Only a paused or stopped fleet upgrade can go on."),
        )
        if failed == "retry":
            _again(upgrade)
            return
        upgrade.members.filter(state=FleetMember.State.FAILED).update(
            state=FleetMember.State.SKIPPED
        )


def retry(upgrade: FleetUpgrade) -> None:
    """Try the clusters that failed once more, and go on. Raises when none failed."""
    if not upgrade.members.filter(state=FleetMember.State.FAILED).exists():
        raise ComponentError("unsupported", _("No cluster failed."))
    with transaction.atomic():
        _go(
            upgrade,
            [*OPEN, State.STOPPED],
            State.RUNNING,
            _("A cancelled fleet upgrade does not go on; start another."),
        )
        _again(upgrade)


def _again(upgrade: FleetUpgrade) -> None:
    upgrade.members.filter(state=FleetMember.State.FAILED).update(
        state=FleetMember.State.WAITING, detail="", ended_at=None
    )


def cancel(upgrade: FleetUpgrade) -> None:
    """Begin nothing more, for good; what runs goes on to its end."""
    with transaction.atomic():
        _go(
            upgrade,
            [*OPEN, State.STOPPED],
            State.CANCELLED,
            _("The fleet upgrade has ended already."),
        )
        upgrade.members.filter(state=FleetMember.State.WAITING).update(
            state=FleetMember.State.SKIPPED, detail=_NEVER
        )


def waves_of(upgrade: FleetUpgrade) -> list[Wave]:
    return waves(_rule(upgrade), list(upgrade.members.all()))


def _rule(upgrade: FleetUpgrade) -> Rule:
    pause_of = timedelta(seconds=upgrade.pause_seconds)
    return Rule(upgrade.state, pause_of, upgrade.stop_on_failure)


# --- a worker's look ----------------------------------------------------------------------------


async def reconcile_fleet(ctx: Context, key: str) -> Outcome:
    """Read what became of the operations, then make the next move."""
    pk = int(key.partition(":")[2])
    move = await ctx.db(_look, pk, ctx.now())
    if move is None:
        return Outcome()
    for member in move.begin:
        ctx.lease.check()
        await ctx.db(_begin, pk, member, ctx.now())
    await ctx.announce("fleet_upgrades", pk)
    return Outcome(requeue_after=move.look_after)


def _look(pk: int, now: datetime) -> Move | None:
    """The next move; its state is on the row already. None: there is no such upgrade."""
    with transaction.atomic():
        upgrade = FleetUpgrade.objects.select_for_update().filter(pk=pk).first()
        if upgrade is None:
            return None
        members = list(upgrade.members.select_related("operation", "installation__cluster"))
        for member in members:
            _follow(member, now)
        move = decide(_rule(upgrade), members, now)
        if move.state is not None:
            _ended(upgrade, members, move.state, now)
        elif upgrade.state == State.CANCELLED and move.look_after is None:
            FleetUpgrade.objects.filter(pk=pk, ended_at=None).update(ended_at=now)
    return move


def _follow(member: FleetMember, now: datetime) -> None:
    operation = member.operation
    state = becomes(member.state, operation.state if operation else None)
    if operation is None or state == member.state:
        return
    member.state = state
    over = state != FleetMember.State.RUNNING
    member.ended_at = (operation.ended_at or now) if over else None
    failed = state == FleetMember.State.FAILED
    member.detail = (operation.error or _CANCELLED) if failed else ""
    member.save(update_fields=["state", "ended_at", "detail"])


def _ended(
    upgrade: FleetUpgrade, members: Sequence[FleetMember], state: State, now: datetime
) -> None:
    upgrade.state, upgrade.ended_at, upgrade.reason = state, now, ""
    failed = [one for one in members if one.state == FleetMember.State.FAILED]
    if failed:
        text = _STOPPED if upgrade.stop_on_failure else _FAILED
        slugs = [one.installation.cluster.slug for one in failed]
        names = ", ".join(slugs[:_NAMED]) + (" …" if len(slugs) > _NAMED else "")
        upgrade.reason = stored(text, names=names, wave=max(one.wave for one in failed))
    upgrade.save(update_fields=["state", "ended_at", "reason"])


def _begin(pk: int, member_pk: int, now: datetime) -> None:
    """Start the member's operation, unless the upgrade was paused or ended meanwhile."""
    with transaction.atomic():
        upgrade = FleetUpgrade.objects.select_for_update().get(pk=pk)
        members = upgrade.members.select_related("installation__cluster", "operation")
        member = members.filter(pk=member_pk, state=FleetMember.State.WAITING).first()
        if upgrade.state != State.RUNNING or member is None:
            return
        _start(upgrade, member, now)
        member.save(update_fields=["state", "detail", "operation", "started_at", "ended_at"])


def _start(upgrade: FleetUpgrade, member: FleetMember, now: datetime) -> None:
    row = member.installation
    if row.version == upgrade.version and row.state == Installation.State.INSTALLED:
        member.state, member.detail = FleetMember.State.DONE, _THERE
        member.started_at, member.ended_at = member.started_at or now, now
        return
    try:
        member.operation = manage.start(
            row.cluster,
            row.component,
            action="upgrade",
            version=upgrade.version,
            actor=upgrade.actor,
            team=upgrade.team,
            # The operation before, if any, makes another try another operation.
            key=f"fleet-{upgrade.pk}-{member.pk}-{member.operation_id or 0}",
        )
    except ComponentError as error:
        if error.code == "busy":
            member.detail = stored(_WAITS, why=error.message)
            return
        member.state, member.detail = FleetMember.State.FAILED, error.message
        member.started_at, member.ended_at = member.started_at or now, now
        return
    member.state, member.detail = FleetMember.State.RUNNING, ""
    member.started_at = now
