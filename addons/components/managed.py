"""The managed delivery: the vendor's own add-on API changes the cluster; we ask, wait, read back.

The vendors' calls are not idempotent, so a request is noted before it is made, and whoever finds
a note without an answer looks first: the add-on as it is now, then the changes under way in the
cluster. What was asked stands in `Operation.arguments["managed"]`:

    {"asked_at": when, "task": the vendor's task id, "accepted": whether it was taken}

`STEPS` are the steps of each action, safe to repeat; a failed task forgets its note, so that a
retry asks again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.utils.translation import gettext_noop as _

from addons.components import gates
from addons.components.base import Json
from addons.components.vendors import NoVendor, Vendor, vendor_of
from addons.components.vendors.names import config_of, vendor_name
from addons.models import Cluster, Installation, Operation, Revision
from addons.operations import NotYet, StepFailed, StepFunction
from addons.runtime.contract import Context
from addons.sentences import stored
from providers import errors
from providers.vendor import AddonState, InstalledAddon, TaskState

POLL_SECONDS = 2.0
# How long a request without an answer may take to show.
SHOWS_AFTER = timedelta(seconds=15)
_STUCK = _("Look at the component in the cloud's own console, mend the cause, then retry.")
_BUSY = _("the cloud is still changing components of this cluster")


@dataclass(frozen=True, slots=True)
class Wish:
    """What the add-on shall be. `config` is the vendor's, as far as we set it; `before` what we
    had set; `name` is the vendor's name; `gone`: it shall not be there. An empty `version` stays
    as it is."""

    name: str
    version: str = ""
    config: Json = field(default_factory=dict)
    before: Json = field(default_factory=dict)
    gone: bool = False

    def merged(self, there: InstalledAddon) -> Json:
        """The whole configuration to write: others' values stay, what we took back goes."""
        return gates.merged(there.config, wanted=self.config, before=self.before)

    def same_version(self, there: InstalledAddon) -> bool:
        return there.version == self.version or not self.version

    def not_taken(self, there: InstalledAddon) -> list[str]:
        """Keys that the vendor does not hold as they were asked."""
        return gates.different(self.merged(there), there.config)

    def fulfilled(self, there: InstalledAddon | None) -> bool:
        if there is None or self.gone:
            return there is None and self.gone
        ready = there.state is AddonState.READY
        return ready and self.same_version(there) and not self.not_taken(there)


def _wish(operation: Operation, vendor: Vendor) -> Wish:
    given, component, provider = operation.arguments, operation.target, vendor.account.provider
    name = vendor_name(provider, component)
    before = config_of(provider, component, _deployed(operation))
    gone = operation.kind == "uninstall-component"
    if gone:
        # A part of the control plane stays; what we set in it is taken back.
        return Wish(name, before=before, gone=component != gates.COMPONENT)
    config = config_of(provider, component, given.get("values") or {})
    fixed = component == gates.COMPONENT or operation.kind == "configure-component"
    version = "" if fixed else str(given.get("version") or "")
    return Wish(name, version, config, before)


def _deployed(operation: Operation) -> Mapping[str, Any]:
    """The values of the revision that stands there now."""
    rows = Installation.objects.filter(cluster=operation.cluster_id or 0)
    installation = rows.filter(component=operation.target).first()
    if installation is None:
        return {}
    revision = installation.revisions.filter(status=Revision.Status.DEPLOYED).first()
    values: Mapping[str, Any] = revision.values if revision else {}
    return values


# --- steps ---------------------------------------------------------------------------------------


async def ask(ctx: Context, operation: Operation) -> str:
    """Ask the vendor once; done when the vendor took it, or when it is so already."""
    cluster = await _cluster(ctx, operation)
    try:
        async with vendor_of(ctx, cluster) as vendor:
            wish = await ctx.db(_wish, operation, vendor)
            return await _ask(ctx, operation, vendor, wish)
    except NoVendor as missing:
        raise StepFailed(missing.message, missing.fix) from missing


async def settle(ctx: Context, operation: Operation) -> str:
    """Wait until the vendor is done and the add-on is what was asked; read it back."""
    cluster = await _cluster(ctx, operation)
    try:
        async with vendor_of(ctx, cluster) as vendor:
            wish = await ctx.db(_wish, operation, vendor)
            if not _note(operation).get("accepted"):
                await _ask(ctx, operation, vendor, wish)
            await _task_is_over(ctx, operation, vendor)
            return await _read_back(ctx, operation, vendor, wish)
    except NoVendor as missing:
        raise StepFailed(missing.message, missing.fix) from missing


_ACTIONS = ("install", "upgrade", "configure", "rollback", "repair", "uninstall")
STEPS: Mapping[str, tuple[tuple[str, StepFunction], ...]] = dict.fromkeys(
    _ACTIONS, (("apply", ask), ("rollout", settle))
)


async def read_back(reach: Any, cluster: Cluster, component: str) -> InstalledAddon | None:
    """What the vendor has of a component now; None: not installed. For adopt and drift.

    Raises `NoVendor`, or `ProviderError` when the cloud did not answer.
    """
    async with vendor_of(reach, cluster) as vendor:
        name = vendor_name(vendor.account.provider, component)
        return await _there(vendor, name)


# --- asking --------------------------------------------------------------------------------------


async def _cluster(ctx: Context, operation: Operation) -> Cluster:
    rows = Cluster.objects.select_related("account").filter(pk=operation.cluster_id or 0)
    cluster = await ctx.db(rows.first)
    if cluster is None:
        raise StepFailed(_("The cluster was forgotten meanwhile."))
    return cluster


def _note(operation: Operation) -> Json:
    kept: Json = operation.arguments.get("managed") or {}
    return kept


async def _keep(ctx: Context, operation: Operation, **values: Any) -> None:
    """Replace the note; committed before whatever comes next."""
    operation.arguments = {**operation.arguments, "managed": values}
    await ctx.db(operation.save, update_fields=["arguments"])


async def _there(vendor: Vendor, name: str) -> InstalledAddon | None:
    try:
        return await vendor.api.addon(vendor.cluster_id, name)
    except errors.NotFound:
        return None


async def _ask(ctx: Context, operation: Operation, vendor: Vendor, wish: Wish) -> str:
    if _note(operation).get("accepted"):
        return ""
    there = await _there(vendor, wish.name)
    if wish.fulfilled(there):
        await _keep(ctx, operation, accepted=True)
        return _("it is so already")
    if there is not None and there.state in (AddonState.CHANGING, AddonState.DELETING):
        raise NotYet(_BUSY, POLL_SECONDS)
    await _look_for_lost(ctx, operation, vendor)
    await _keep(ctx, operation, asked_at=ctx.now().isoformat())
    ctx.lease.check()
    try:
        task = await _request(vendor, wish, there)
    except errors.UnknownOutcome as lost:
        raise NotYet(stored("%(error)s", error=lost), POLL_SECONDS) from lost
    except (errors.InvalidSpec, errors.AccountTrouble, errors.QuotaExceeded) as refusal:
        await _keep(ctx, operation)
        raise StepFailed(stored("%(error)s", error=refusal), fix_of(refusal)) from refusal
    except (errors.Busy, errors.Throttled):
        await _keep(ctx, operation)
        raise
    now = ctx.now().isoformat()
    await _keep(ctx, operation, accepted=True, task=task, asked_at=now)
    return stored(_("asked for, task %(task)s"), task=task) if task else _("asked for")


async def _look_for_lost(ctx: Context, operation: Operation, vendor: Vendor) -> None:
    """A request without an answer gets its time to show before it is made again."""
    asked = _note(operation).get("asked_at")
    if not asked:
        return
    if await vendor.api.busy(vendor.cluster_id):
        raise NotYet(_BUSY, POLL_SECONDS)
    if ctx.now() - datetime.fromisoformat(asked) < SHOWS_AFTER:
        raise NotYet(_("the cloud's answer was lost; looking whether it took the request"), 1.0)


async def _request(vendor: Vendor, wish: Wish, there: InstalledAddon | None) -> str:
    api, cluster_id = vendor.api, vendor.cluster_id
    if wish.gone:
        return await api.uninstall(cluster_id, wish.name)
    if there is None:
        return await api.install(cluster_id, wish.name, version=wish.version, config=wish.config)
    config = wish.merged(there)
    if wish.same_version(there):
        return await api.configure(cluster_id, wish.name, config)
    return await api.upgrade(
        cluster_id, wish.name, current=there.version, version=wish.version, config=config
    )


def fix_of(refusal: errors.ProviderError) -> str:
    """What helps against a refusal of the vendor's API."""
    if isinstance(refusal, errors.QuotaExceeded):
        return _("Raise the quota by a ticket to the cloud, then retry.")
    if isinstance(refusal, errors.InvalidSpec):
        return _("Change the version or the values, then start again.")
    if "acs" in f"{refusal.code} {refusal.message}".lower():
        return _(
            "Open the Container Compute Service console with the account's owner, activate the"
            " service and authorise its roles, then retry."
        )
    return _("Give the key the permission that the message names, or activate the service.")


# --- waiting -------------------------------------------------------------------------------------


async def _task_is_over(ctx: Context, operation: Operation, vendor: Vendor) -> None:
    task_id = _note(operation).get("task")
    if not task_id:
        return
    task = await vendor.api.task(task_id)
    if task.state is TaskState.RUNNING:
        line = " · ".join(filter(None, (task.stage, *task.events[-1:])))
        raise NotYet(line or _("the cloud is at it"), POLL_SECONDS)
    if task.state is TaskState.FAILED:
        await _keep(ctx, operation)
        told = {"code": task.code, "message": task.message or task.stage, "task": task.id}
        text = _("The cloud's task %(task)s failed: %(code)s %(message)s")
        raise StepFailed(stored(text, **told), _STUCK)


async def _read_back(ctx: Context, operation: Operation, vendor: Vendor, wish: Wish) -> str:
    there = await _there(vendor, wish.name)
    if wish.gone:
        if there is not None:
            raise NotYet(_("the cloud still lists it"), POLL_SECONDS)
        return _("the cloud does not list it any more")
    if there is None:
        raise NotYet(_("the cloud does not list it yet"), POLL_SECONDS)
    if there.state is AddonState.FAILED:
        await _keep(ctx, operation)
        raise StepFailed(stored(_("The cloud calls it %(state)s."), state=there.told), _STUCK)
    if there.state is not AddonState.READY or not wish.same_version(there):
        text = _("version %(version)s, %(state)s")
        raise NotYet(stored(text, version=there.version, state=there.told), POLL_SECONDS)
    missing = wish.not_taken(there)
    if missing:
        _not_taken(operation, missing, ctx.now())
    return stored(_("version %(version)s, as the cloud tells"), version=there.version)


def _not_taken(operation: Operation, missing: Sequence[str], now: datetime) -> None:
    """A configuration may take its time to show; what never shows was not taken."""
    keys = {"keys": ", ".join(missing)}
    asked = _note(operation).get("asked_at")
    if asked and now - datetime.fromisoformat(asked) < SHOWS_AFTER:
        text = _("the cloud does not show these values yet: %(keys)s")
        raise NotYet(stored(text, **keys), POLL_SECONDS)
    text = _("The cloud took the request and does not hold these values: %(keys)s")
    raise StepFailed(stored(text, **keys), _("Leave them out, or set them in its console."))
