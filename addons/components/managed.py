"""The managed delivery: the vendor's own add-on API changes the cluster; we ask, wait, read back.

The vendors' calls are not idempotent, so a request is noted before it is made, and whoever finds
a note without an answer looks first: the add-on as it is now, then the changes under way in the
cluster.

`STEPS` are the steps of each action, safe to repeat; a failed task forgets its note, so that a
retry asks again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from django.utils.translation import gettext_noop as _

from addons.components import asking, gates, offered
from addons.components.apply import Difference
from addons.components.asking import add, keep, note_of
from addons.components.base import Json
from addons.components.catalogue import catalogue
from addons.components.kit import Recognised
from addons.components.steps import common, removal
from addons.components.steps.canary import canary
from addons.components.vendors import NoVendor, Reach, Vendor, vendor_of
from addons.components.vendors.names import config_of, respelled, values_of, vendor_name
from addons.components.work import Work
from addons.models import Cluster, Installation, Operation, Revision
from addons.operations import NotYet, StepFailed, Steps
from addons.runtime.contract import Context
from addons.sentences import stored
from providers import errors
from providers.vendor import AddonState, InstalledAddon

ACTIVATE_ACS = _(
    "Open the Container Compute Service console as the account's owner, activate the service and"
    " authorise its roles, then try again."
)
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
        return gates.merged(there.config or {}, wanted=self.config, before=self.before)

    def same_version(self, there: InstalledAddon) -> bool:
        return there.version == self.version or not self.version

    def not_taken(self, there: InstalledAddon) -> list[str]:
        """Keys that the vendor does not hold as they were asked, as far as it tells."""
        if there.config is None:
            return []
        return gates.different(self.merged(there), there.config)

    def fulfilled(self, there: InstalledAddon | None) -> bool:
        if there is None or self.gone:
            return there is None and self.gone
        if there.config is None and self.config != self.before:
            return False
        ready = there.state is AddonState.READY
        return ready and self.same_version(there) and not self.not_taken(there)


def _wish(work: Work, provider: str) -> Wish:
    component = work.installation.component
    name = vendor_name(provider, component)
    before = config_of(provider, component, work.previous.values if work.previous else {})
    action, part = work.operation.arguments["action"], component == gates.COMPONENT
    if action == "uninstall":
        # A part of the control plane stays; what we set in it is taken back.
        return Wish(name, before=before, gone=not part)
    config = config_of(provider, component, work.wanted.values)
    version = "" if part or action == "configure" else work.wanted.version.version
    return Wish(name, version, config, before)


# --- steps ---------------------------------------------------------------------------------------


async def ask(ctx: Context, operation: Operation) -> str:
    """Ask the vendor once; done when the vendor took it, or when it is so already."""
    async with _asking(ctx, operation) as (vendor, wish):
        return await _ask(ctx, operation, vendor, wish)


async def poll(ctx: Context, operation: Operation) -> str:
    """Wait until the vendor is done; asks again when its task failed and a person retried."""
    async with _asking(ctx, operation) as (vendor, wish):
        await _until_over(ctx, operation, vendor, wish)
        return await _settled(ctx, operation, vendor, wish)


async def _until_over(ctx: Context, operation: Operation, vendor: Vendor, wish: Wish) -> None:
    if not note_of(operation).get("accepted"):
        await _ask(ctx, operation, vendor, wish)
    there = await _there(vendor, wish.name)
    await asking.find_task(ctx, operation, vendor, there, wish.fulfilled)
    await asking.task_is_over(ctx, operation, vendor)


async def read_back(ctx: Context, operation: Operation) -> str:
    """What was asked is what the vendor holds now."""
    async with _asking(ctx, operation) as (vendor, wish):
        await _until_over(ctx, operation, vendor, wish)
        there = await _there(vendor, wish.name)
        if there is None:
            raise NotYet(_("the cloud does not list it yet"), asking.POLL_SECONDS)
        missing = wish.not_taken(there)
        if missing:
            more = await asking.more_may_show(ctx, operation, vendor)
            if not more and note_of(operation).get("guessed"):
                await keep(ctx, operation)
                more = True
            _not_taken(missing, wait=more)
        text = _("version %(version)s, as the cloud tells")
        return stored(text, version=there.version)


async def recognise_managed(ctx: Context, operation: Operation) -> str:
    """What is adopted is there still, in the version that the operation was started for."""
    async with _asking(ctx, operation) as (vendor, wish):
        there = await _there(vendor, wish.name)
    if there is None:
        fix = _("Install it, instead of adopting it.")
        raise StepFailed(_("The cloud does not list it any more."), fix)
    if not wish.same_version(there):
        told = stored(_("Its version is %(version)s now."), version=there.version)
        raise StepFailed(told, _("Start the adoption anew."))
    return stored(_("recognised by %(evidence)s"), evidence=wish.name)


_BEGIN: Steps = (("preflight", common.preflight), ("snapshot", common.snapshot))
_CHANGE: Steps = (("ask", ask), ("poll", poll), ("read-back", read_back))
_END: Steps = (
    ("nodes-ready", common.nodes_ready),
    ("canary", canary),
    ("record", common.record),
)
STEPS: Mapping[str, Steps] = {
    **dict.fromkeys(("install", "upgrade", "configure", "rollback"), (*_BEGIN, *_CHANGE, *_END)),
    "repair": (*_BEGIN[1:], *_CHANGE, *_END[2:]),
    "adopt": (("recognise", recognise_managed), *_BEGIN[1:], *_END[2:]),
    "uninstall": (
        ("cordon", removal.cordon),
        ("drain", removal.drain),
        ("instances", removal.instances),
        ("ask", ask),
        ("poll", poll),
        ("unregister", removal.unregister),
        ("proof", removal.proof),
        ("forget", removal.forget),
    ),
}


async def recognised(reach: Reach, cluster: Cluster, component: str) -> Recognised | None:
    """What the vendor has of a component now; None: not installed. For adopt and drift.

    Raises `NoVendor`, or `ProviderError` when the cloud did not answer.
    """
    async with vendor_of(reach, cluster) as vendor:
        provider = vendor.account.provider
        name = vendor_name(provider, component)
        there = await _there(vendor, name)
    if there is None:
        return None
    part = component == gates.COMPONENT
    return Recognised(
        version=catalogue()[component].latest.version if part else there.version,
        values=values_of(provider, component, there.config or {}),
        namespace="kube-system",
        release=name,
        evidence=f"{vendor.cluster_id}/{name}",
    )


async def differing(
    reach: Reach, installation: Installation, revision: Revision
) -> list[Difference]:
    """Where the vendor holds something else than the revision that we had it make."""
    cluster = await reach.db(lambda: installation.cluster)
    async with vendor_of(reach, cluster) as vendor:
        provider, component = vendor.account.provider, installation.component
        name = vendor_name(provider, component)
        wish = Wish(name, config=config_of(provider, component, revision.values))
        if component != gates.COMPONENT:
            wish = replace(wish, version=revision.version)
        wish = await _spelled(vendor, wish)
        there = await _there(vendor, name)
        about = catalogue().get(component)
        if about is not None:
            await offered.refresh(reach, vendor, cluster, about, installation.version)
    if there is None:
        return [Difference(name, "", None, wish.version, "missing")]
    found = []
    if not wish.same_version(there):
        found.append(Difference(name, "version", there.version, wish.version))
    wanted = wish.merged(there)
    return found + [
        Difference(name, f"config.{key}", (there.config or {}).get(key), wanted.get(key))
        for key in wish.not_taken(there)
    ]


# --- asking --------------------------------------------------------------------------------------


@asynccontextmanager
async def _asking(ctx: Context, operation: Operation) -> AsyncIterator[tuple[Vendor, Wish]]:
    """The cluster's vendor and what is wished of it; without one the step fails."""
    work = await common.work_of(ctx, operation)
    try:
        async with vendor_of(ctx, work.installation.cluster) as vendor:
            wish = _wish(work, vendor.account.provider)
            yield vendor, await _spelled(vendor, wish)
    except NoVendor as missing:
        raise StepFailed(missing.message, missing.fix) from missing


async def _spelled(vendor: Vendor, wish: Wish) -> Wish:
    """The API server's parameters as the vendor's schema spells them; it is known nowhere else."""
    if wish.name != gates.COMPONENT:
        return wish
    found = await vendor.api.offered(await vendor.cluster(), wish.name)
    config, before = (respelled(each, found.schema) for each in (wish.config, wish.before))
    return replace(wish, config=config, before=before)


async def _there(vendor: Vendor, name: str) -> InstalledAddon | None:
    try:
        return await vendor.api.addon(vendor.cluster_id, name)
    except errors.NotFound:
        return None


async def _ask(ctx: Context, operation: Operation, vendor: Vendor, wish: Wish) -> str:
    if note_of(operation).get("accepted"):
        return ""
    there = await _there(vendor, wish.name)
    if wish.fulfilled(there):
        # Where our request made it so, its task is still to be found.
        await add(ctx, operation, accepted=True)
        return _("it is so already")
    if there is not None and there.state in (AddonState.CHANGING, AddonState.DELETING):
        raise NotYet(_BUSY, asking.POLL_SECONDS)
    if await _lost_one_is_found(ctx, operation, vendor):
        return _("the cloud took the request, though its answer was lost")
    known = await asking.known_tasks(vendor) if _configures(wish, there) else None
    await keep(ctx, operation, asked_at=ctx.now().isoformat(), known=known)
    ctx.lease.check()
    try:
        task = await _request(vendor, wish, there)
    except errors.UnknownOutcome as lost:
        raise NotYet(stored("%(error)s", error=lost), asking.POLL_SECONDS) from lost
    except (errors.InvalidSpec, errors.AccountTrouble, errors.QuotaExceeded) as refusal:
        await keep(ctx, operation)
        raise StepFailed(stored("%(error)s", error=refusal), fix_of(refusal)) from refusal
    except (errors.Busy, errors.Throttled):
        await keep(ctx, operation)
        raise
    noted = {"accepted": True, "task": task, "asked_at": ctx.now().isoformat()}
    await add(ctx, operation, **noted)
    return stored(_("asked for, task %(task)s"), task=task) if task else _("asked for")


async def _lost_one_is_found(ctx: Context, operation: Operation, vendor: Vendor) -> bool:
    """A request without an answer gets its time to show before it is made again."""
    if not note_of(operation).get("asked_at"):
        return False
    task = await asking.new_task(operation, vendor)
    if task:
        await add(ctx, operation, accepted=True, task=task, guessed=True)
        return True
    if await vendor.api.busy(vendor.cluster_id):
        raise NotYet(_BUSY, asking.POLL_SECONDS)
    if asking.waited(operation, "asked_at", ctx.now()) < asking.SHOWS_AFTER:
        raise NotYet(_("the cloud's answer was lost; looking whether it took the request"), 1.0)
    return False


def _configures(wish: Wish, there: InstalledAddon | None) -> bool:
    return there is not None and not wish.gone and wish.same_version(there)


async def _request(vendor: Vendor, wish: Wish, there: InstalledAddon | None) -> str | None:
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
        return ACTIVATE_ACS
    return _("Give the key the permission that the message names, or activate the service.")


# --- waiting -------------------------------------------------------------------------------------


async def _settled(ctx: Context, operation: Operation, vendor: Vendor, wish: Wish) -> str:
    there = await _there(vendor, wish.name)
    if wish.gone:
        if there is not None:
            raise NotYet(_("the cloud still lists it"), asking.POLL_SECONDS)
        return _("the cloud does not list it any more")
    if there is None:
        raise NotYet(_("the cloud does not list it yet"), asking.POLL_SECONDS)
    if there.state is AddonState.FAILED:
        if await asking.more_may_show(ctx, operation, vendor):
            raise NotYet(_("the cloud is at it"), asking.POLL_SECONDS)
        await keep(ctx, operation)
        raise StepFailed(stored(_("The cloud calls it %(state)s."), state=there.told), asking.STUCK)
    if there.state is not AddonState.READY or not wish.same_version(there):
        text = _("version %(version)s, %(state)s")
        raise NotYet(stored(text, version=there.version, state=there.told), asking.POLL_SECONDS)
    return stored(_("version %(version)s, as the cloud tells"), version=there.version)


def _not_taken(missing: Sequence[str], *, wait: bool) -> None:
    """A configuration may take its time to show; what never shows was not taken."""
    keys = {"keys": ", ".join(missing)}
    if wait:
        text = _("the cloud does not show these values yet: %(keys)s")
        raise NotYet(stored(text, **keys), asking.POLL_SECONDS)
    text = _("The cloud took the request and does not hold these values: %(keys)s")
    raise StepFailed(stored(text, **keys), _("Leave them out, or set them in its console."))
