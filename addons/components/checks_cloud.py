"""What the clouds say about an intended change: the vendor's add-on API, the account, the network.

Each function is a `addons.components.checks.CheckFunction`; `bad` blocks, and says what mends it.
What a cloud cannot tell is a warning, never a guess.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import wraps
from typing import Any

from django.utils.translation import gettext_noop as _

from addons.components import gates, grants, vendors
from addons.components import secret as addon_secret
from addons.components.base import Delivery, within
from addons.components.checks import Check, CheckFunction, Question, Reach
from addons.components.managed import ACTIVATE_ACS, fix_of
from addons.components.vendors.names import config_of, unplaced, vendor_name
from addons.models import Cluster
from addons.sentences import stored
from providers import registry
from providers.base import Catalogue, Quotas, Subnet, Use
from providers.errors import AccountTrouble, NotFound, ProviderError
from providers.models import CloudAccount
from providers.vendor import Activation, ManagedCluster, OfferedAddon

_PREPARES = frozenset({"install", "upgrade", "configure", "rollback"})
_FEW_ADDRESSES = 16
_VENDOR = _("The cloud's add-on API")
_ACTIVATION = _("Activated services")
_REGION = _("Region")
_QUOTA = _("Quota")
_SUBNETS = _("Subnets")
# Values that name subnets, as a comma separated list.
_SUBNET_VALUES = ("vSwitchIds", "ECI_VSWITCH", "KCI_SUBNET_ID", "vswitch_ids")
_SHARE = 0.9
# Without these no instance is made, found again or ended; the rest is missed later, or never.
_ESSENTIAL = re.compile(r"(Create|Describe|Delete)ContainerGroups?")


def _asked(code: str, title: str) -> Callable[[CheckFunction], CheckFunction]:
    """A cloud that does not answer now is a warning: the change itself may still work."""

    def around(check: CheckFunction) -> CheckFunction:
        @wraps(check)
        async def asked(reach: Reach, question: Question) -> Sequence[Check]:
            try:
                return await check(reach, question)
            except AccountTrouble as refusal:
                told = stored("%(error)s", error=refusal)
                return [Check(code, "bad", title, told, fix_of(refusal))]
            except ProviderError as error:
                told = stored(_("The cloud could not be asked: %(error)s"), error=error)
                return [Check(code, "warn", title, told, _("Look again when it answers."))]

        return asked

    return around


# --- the vendor's add-on API ----------------------------------------------------------------------


@_asked("vendor", _VENDOR)
async def vendor(reach: Reach, question: Question) -> Sequence[Check]:
    """The vendor knows the cluster, reaches it, and offers the component there."""
    if question.delivery != Delivery.MANAGED:
        return []
    try:
        async with vendors.vendor_of(reach, question.cluster) as found:
            cluster = await found.cluster()
            return [
                *_without_place(question, found.account),
                await _offered(found, cluster, question, _VENDOR),
            ]
    except vendors.NoVendor as missing:
        return [Check("vendor", "bad", _VENDOR, missing.message, missing.fix)]


def _without_place(question: Question, account: CloudAccount) -> Iterator[Check]:
    """Values that the vendor's add-on would not get; its keys are of the account anyway."""
    usual = {"ECI_REGION": question.cluster.region, "credential": account.pk}
    usual |= question.version.defaults()
    lost = unplaced(account.provider, question.component.name, question.values, usual)
    if lost and question.action in _PREPARES:
        detail = stored(
            _("The cloud's add-on has no such settings: %(keys)s."), keys=", ".join(lost)
        )
        fix = _("Leave them out, or choose another way of delivery.")
        yield Check("settings", "bad", _VENDOR, detail, fix)


async def _offered(
    found: vendors.Vendor, cluster: ManagedCluster, question: Question, title: str
) -> Check:
    if not cluster.connected:
        detail = stored(
            _("The cloud says that %(name)s is %(state)s."), name=cluster.name, state=cluster.state
        )
        fix = _("Look at the agent in the cluster (ack-cluster-agent in kube-system).")
        return Check("connected", "bad", title, detail, fix)
    if question.component.name == gates.COMPONENT and not cluster.control_plane:
        detail = stored(_("Clusters of kind %(kind)s have no such API."), kind=cluster.kind)
        return Check("control-plane", "bad", title, detail, gates.MANUAL)
    if registry.dialect(found.account.provider).vendor != question.component.vendor:
        detail = stored(_("%(name)s belongs to another cloud."), name=cluster.name)
        fix = _("Choose another way of delivery.")
        return Check("offered", "bad", title, detail, fix)
    name = vendor_name(found.account.provider, question.component.name)
    wanted = question.version.version if question.component.name != gates.COMPONENT else ""
    try:
        offered = await found.api.offered(cluster, name, version=wanted)
    except NotFound:
        detail = stored(
            _("The cloud does not offer %(name)s %(version)s to this cluster."),
            name=name,
            version=wanted,
        )
        fix = _("Choose another version, or another way of delivery.")
        return Check("offered", "bad", title, detail, fix)
    if not offered.certain:
        told = {"name": name, "version": wanted}
        text = _("Whether the cloud offers %(name)s %(version)s here cannot be told.")
        fix = _("If it does not, it refuses the request and nothing is changed.")
        return Check("offered", "warn", title, stored(text, **told), fix)
    return _schema_check(found, cluster, question, offered) or Check(
        "vendor",
        "ok",
        title,
        stored(_("%(name)s is %(state)s"), name=cluster.id, state=cluster.state),
    )


def _schema_check(
    found: vendors.Vendor, cluster: ManagedCluster, question: Question, offered: OfferedAddon
) -> Check | None:
    """Settings that the vendor's own schema does not name and that are not as they would be."""
    usual = question.version.defaults().items()
    values = {key: value for key, value in question.values.items() if (key, value) not in usual}
    config = config_of(found.account.provider, question.component.name, values)
    known = {key.lower() for key in offered.schema.get("properties") or ()}
    lost = sorted(key for key in config if known and key.lower() not in known)
    if not lost or question.action not in _PREPARES:
        return None
    told = {"keys": ", ".join(lost), "name": cluster.id}
    detail = stored(
        _("The cloud's add-on in %(name)s does not name these settings: %(keys)s."), **told
    )
    state = "bad" if offered.schema.get("additionalProperties") is False else "warn"
    fix = _("Leave them out, or set them in the cluster.")
    return Check("settings", state, _VENDOR, detail, fix)


@_asked("activation", _ACTIVATION)
async def activation(reach: Reach, question: Question) -> Sequence[Check]:
    """Services that the version needs are opened for the account; those that a newer one serves
    and this does not are named."""
    if question.action not in _PREPARES:
        return []
    services = question.version.requires.serves(question.cluster.version)
    if not services:
        return list(_not_served(question))
    try:
        async with vendors.vendor_of(reach, question.cluster) as found:
            api = found.api
            if not isinstance(api, Activation):
                return []
            told = {name: await api.activated(name) for name in services}
    except vendors.NoVendor:
        told = dict.fromkeys(services, None)
    return [_activated(name, state, _ACTIVATION) for name, state in told.items()]


def _not_served(question: Question) -> Iterator[Check]:
    has = question.cluster.version or "0"
    for service in question.version.requires.services:
        told = {"name": service.upper(), "needs": question.version.requires.services_kubernetes}
        detail = stored(_("%(name)s is served on Kubernetes %(needs)s; not here."), **told)
        yield Check(service, "warn", _ACTIVATION, detail, _("Upgrade the cluster for that."))
    fitting = [one for one in question.component.versions if within(has, one.requires.kubernetes)]
    # Newest first: the last that is found is the first version that serves it.
    serves = {name: one.version for one in fitting for name in one.requires.serves(has)}
    for service, version in serves.items():
        told = {"name": service.upper(), "version": question.version.version}
        detail = stored(_("%(version)s does not serve %(name)s."), **told)
        fix = stored(_("For that, choose %(version)s or newer."), version=version)
        yield Check(service, "warn", _ACTIVATION, detail, fix)


def _activated(service: str, told: bool | None, title: str) -> Check:
    upper = service.upper()
    if told:
        return Check(service, "ok", title, stored(_("%(name)s is activated"), name=upper))
    if told is None:
        detail = stored(_("Whether %(name)s is activated could not be told."), name=upper)
        return Check(service, "warn", title, detail, ACTIVATE_ACS)
    detail = stored(_("%(name)s is not activated or not authorised."), name=upper)
    return Check(service, "bad", title, detail, ACTIVATE_ACS)


# --- the account ----------------------------------------------------------------------------------


def account_of(question: Question) -> CloudAccount | None:
    """Whose instances will be paid: the credential of the values, else the cluster's, else one of
    the team for that cloud and region."""
    rows = CloudAccount.objects.filter(team=question.cluster.team_id)
    named = question.values.get("credential")
    if isinstance(named, int):
        return rows.filter(pk=named).first()
    wanted = question.version.requires.provider
    own = question.cluster.account
    if own is not None and wanted in ("", own.provider):
        return own
    if not wanted:
        return None
    same = sorted(rows.filter(provider=wanted), key=lambda a: a.region != question.cluster.region)
    return same[0] if same else None


def _region(cluster: Cluster, account: CloudAccount, values: Mapping[str, Any]) -> str:
    named = values.get("KCI_REGION") or values.get("ECI_REGION")
    return str(named or cluster.region or account.region)


async def _cloud(reach: Reach, question: Question, *, at_home: bool = False) -> tuple[object, str]:
    """The client of the cloud that will run instances, None without one, and their region;
    `at_home`: the client of the account's own region."""
    if question.action not in _PREPARES or not question.version.requires.provider:
        return None, ""
    paying = await reach.db(account_of, question)
    if paying is None:
        return None, ""
    name = _region(question.cluster, paying, question.values)
    asked = paying.region if at_home else name
    return await reach.provider(paying.pk, asked), name


async def account(reach: Reach, question: Question) -> Sequence[Check]:
    """The key's state and what it may not do, as the last verification found."""
    if question.action not in _PREPARES or not question.version.requires.provider:
        return []
    title = _("The credential")
    found = await reach.db(account_of, question)
    if found is None:
        detail = stored(
            _("The team has no credential for %(name)s."), name=question.version.requires.provider
        )
        fix = _("Add one, so that instances, quota and cost can be seen here.")
        return [Check("account", "warn", title, detail, fix)]
    if found.trouble:
        detail = stored("%(code)s: %(m)s", code=found.trouble, m=found.trouble_message)
        return [Check("account", "bad", title, detail, _("Mend the credential, then verify it."))]
    uses = {Use.PODS, Use.ADDONS} if question.delivery == Delivery.MANAGED else {Use.PODS}
    tried = [entry for entry in found.capabilities if entry.get("use", Use.PODS) in uses]
    lacking = [entry for entry in tried if not entry["ok"]]
    if lacking:
        names = ", ".join(entry["grant"] or entry["action"] for entry in lacking)
        state = "bad" if any(_ESSENTIAL.fullmatch(e["action"]) for e in lacking) else "warn"
        detail = stored(_("The key may not: %(actions)s."), actions=names)
        return [Check("permissions", state, title, detail, _("Grant that to it, then verify it."))]
    return [Check("account", "ok", title, stored("%(name)s", name=found.name))]


@_asked("region", _REGION)
async def region(reach: Reach, question: Question) -> Sequence[Check]:
    """The cloud offers its instances in the cluster's region; asked where the account is at home,
    since a region without the cloud has nobody to answer."""
    provider, here = await _cloud(reach, question, at_home=True)
    if not isinstance(provider, Catalogue):
        return []
    offered = await provider.regions()
    if here in offered:
        return [Check("region", "ok", _REGION, stored("%(name)s", name=here))]
    detail = stored(
        _("%(cloud)s is not offered in %(name)s."),
        cloud=question.version.requires.provider.upper(),
        name=here or "-",
    )
    fix = stored(_("It is offered in: %(names)s."), names=", ".join(sorted(offered)))
    return [Check("region", "bad", _REGION, detail, fix)]


@_asked("quota", _QUOTA)
async def quota(reach: Reach, question: Question) -> Sequence[Check]:
    """The account's quota has room."""
    provider, _here = await _cloud(reach, question)
    if not isinstance(provider, Quotas):
        return []
    found, title = await provider.quota(), _QUOTA
    told = {"used": found.cpu_used, "max": found.cpu_max}
    detail = stored(_("%(used)s of %(max)s vCPU used"), **told)
    fix = _("Raise it by a ticket to the cloud.")
    if found.cpu_used >= found.cpu_max:
        return [Check("quota", "bad", title, detail, fix)]
    if float(found.cpu_used) > _SHARE * float(found.cpu_max):
        return [Check("quota", "warn", title, detail, fix)]
    return [Check("quota", "ok", title, detail)]


async def addon_key(reach: Reach, question: Question) -> Sequence[Check]:
    """The Secret that the add-on works with, where it works with one."""
    if question.action not in _PREPARES or not _works_with_secret(question):
        return []
    title = _("The add-on's key")
    found = await addon_secret.key_id_in(await reach.kube(question.cluster.pk))
    if found:
        detail = stored(_("The cluster holds the key %(key)s."), key=f"{found[:4]}••••{found[-4:]}")
        return [Check("addon-key", "ok", title, detail)]
    detail = stored(_("kube-system has no Secret %(name)s."), name=addon_secret.NAME)
    fix = _("Grant the add-on a RAM user and hand its key to this cluster, then try again.")
    return [Check("addon-key", "bad", title, detail, fix)]


def _works_with_secret(question: Question) -> bool:
    if question.component.name not in grants.POLICIES:
        return False
    if question.delivery == Delivery.IN_CLUSTER:
        return not question.values.get("credential")
    registered = question.cluster.vendor_facts.get("kind") == "ack-registered"
    return question.delivery == Delivery.MANAGED and registered


# --- the network ----------------------------------------------------------------------------------


@_asked("subnets", _SUBNETS)
async def subnets(reach: Reach, question: Question) -> Sequence[Check]:
    """The subnets are there and have addresses: each instance takes one."""
    provider, _here = await _cloud(reach, question)
    if not isinstance(provider, Catalogue):
        return []
    wanted = list(dict.fromkeys(_wanted_subnets(question)))
    if not wanted:
        return []
    known = {subnet.id: subnet for subnet in await provider.subnets()}
    return [_subnet(name, known.get(name), _SUBNETS) for name in wanted]


async def zones(reach: Reach, question: Question) -> list[str]:
    """Where the subnets that it will use are; empty when no cloud tells."""
    try:
        provider, _here = await _cloud(reach, question)
        wanted = set(_wanted_subnets(question))
        known = await provider.subnets() if wanted and isinstance(provider, Catalogue) else ()
    except ProviderError:
        # The checks say what is wrong with the cloud.
        return []
    return [subnet.zone for subnet in known if subnet.id in wanted]


def _wanted_subnets(question: Question) -> Iterator[str]:
    for key in _SUBNET_VALUES:
        yield from filter(None, str(question.values.get(key) or "").replace(" ", "").split(","))
    for placement in question.values.get("placements") or ():
        if isinstance(placement, Mapping) and placement.get("subnet"):
            yield str(placement["subnet"])
    facts = question.cluster.vendor_facts
    named = any(question.values.get(key) for key in (*_SUBNET_VALUES, "placements"))
    if question.delivery == Delivery.MANAGED and not named:
        yield from facts.get("subnets") or ()


def _subnet(name: str, found: Subnet | None, title: str) -> Check:
    if found is None:
        detail = stored(_("The subnet %(id)s is not there."), id=name)
        fix = _("Choose one of this region that the key may see.")
        return Check("subnet", "bad", title, detail, fix)
    detail = stored(
        _("%(id)s in %(zone)s: %(n)s free addresses"), id=name, zone=found.zone, n=found.free_ips
    )
    if found.free_ips <= 0:
        return Check("subnet", "bad", title, detail, _("Add a subnet with free addresses."))
    state = "warn" if found.free_ips < _FEW_ADDRESSES else "ok"
    return Check("subnet", state, title, detail)
