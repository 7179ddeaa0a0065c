"""What is checked before a virtual node is registered; only what the cloud's powers can tell.

Each check raises `StepFailed` with the cause and the fix.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext_noop as _

from addons.models import Operation, VirtualNode
from addons.nodes import spec
from addons.operations import StepFailed
from addons.runtime.contract import Context
from addons.sentences import stored
from kube import NODES
from kube import errors as kube_errors
from providers import registry
from providers.base import (
    Catalogue,
    Dialect,
    Field,
    FieldKind,
    Provider,
    Quota,
    Quotas,
    SeveralGroups,
)
from providers.models import CloudAccount

Placements = Sequence[Mapping[str, str]]


async def preflight(ctx: Context, operation: Operation) -> str:
    """The step: the name, the accounts, the settings; then places and quota as the cloud tells."""
    await _name_is_free(ctx, operation)
    given = operation.arguments
    accounts = await ctx.db(_accounts, given)
    dialects = [registry.dialect(account.provider) for account in accounts]
    _go_together(accounts, dialects)
    check_settings(given.get("settings") or {}, dialects)
    _check_groups(given["security_group"], dialects[0])
    provider = await ctx.provider(accounts[0].pk, accounts[0].region)
    free = await _free_addresses(provider, given["placements"])
    quota = await provider.quota() if isinstance(provider, Quotas) else None
    if quota is not None and quota.cpu_used >= quota.cpu_max:
        raise StepFailed(
            stored(_("The vCPU quota of %(max)s is used up."), max=quota.cpu_max),
            _("Raise it by a ticket to the cloud."),
        )
    given["capacity"] = spec.capacity(quota)
    await ctx.db(operation.save, update_fields=["arguments"])
    return _found(free, quota)


def _accounts(given: Mapping[str, Any]) -> list[CloudAccount]:
    pks = [pk for pk in (given["account"], given.get("second_account")) if pk]
    return [CloudAccount.objects.get(pk=pk) for pk in pks]


def _found(free: int | None, quota: Quota | None) -> str:
    if quota is None:
        return "" if free is None else stored(_("%(free)s free addresses"), free=free)
    used = {"used": quota.cpu_used, "max": quota.cpu_max}
    if free is None:
        return stored(_("%(used)s of %(max)s vCPU used"), **used)
    return stored(_("%(free)s free addresses; %(used)s of %(max)s vCPU used"), free=free, **used)


async def _name_is_free(ctx: Context, operation: Operation) -> None:
    assert operation.cluster_id is not None
    ours = VirtualNode.objects.filter(cluster=operation.cluster_id or 0, name=operation.target)
    if await ctx.db(ours.exists):
        return
    kube = await ctx.kube(operation.cluster_id)
    try:
        await kube.get(NODES, operation.target)
    except kube_errors.NotFound:
        return
    raise StepFailed(
        stored(_("The cluster has a node named %(name)s already."), name=operation.target),
        _("Choose another name, or remove that node first."),
    )


def _go_together(accounts: Sequence[CloudAccount], dialects: Sequence[Dialect]) -> None:
    """One vendor's products, each once: a pod's labels choose between them."""
    if len(accounts) < 2:
        return
    first, second = dialects
    titles = {"first": first.title, "second": second.title}
    if first.vendor != second.vendor:
        raise StepFailed(
            stored(_("%(first)s and %(second)s cannot serve one virtual node."), **titles),
            _("Choose a second credential of the same vendor, or add another virtual node."),
        )
    if first.name == second.name:
        raise StepFailed(
            stored(_("Both credentials are for %(first)s."), **titles),
            _("Choose a second credential for another product of the vendor."),
        )
    if accounts[0].region != accounts[1].region and accounts[1].region:
        raise StepFailed(
            stored(
                _("The credentials are for two regions, %(first)s and %(second)s."),
                first=accounts[0].region,
                second=accounts[1].region,
            ),
            _("Choose credentials of one region."),
        )


def check_settings(given: Mapping[str, str], dialects: Sequence[Dialect]) -> None:
    """Every setting is one that a dialect knows, with a value that it takes."""
    fields = {field.name: field for dialect in dialects for field in dialect.node_settings}
    for name in sorted(given.keys() - fields.keys()):
        raise StepFailed(
            stored(_("There is no setting %(name)s."), name=name),
            stored(_("Those are: %(names)s."), names=", ".join(fields) or "-"),
        )
    for name, field in fields.items():
        text = given.get(name, "")
        if not text and field.required and not field.default:
            raise StepFailed(stored(_("The setting %(name)s is needed."), name=name), field.help)
        if text and not _fits(field, text):
            raise StepFailed(
                stored(_("%(value)s is no value for the setting %(name)s."), name=name, value=text),
                field.help or stored(_("It must match %(pattern)s."), pattern=_pattern(field)),
            )


def _fits(field: Field, text: str) -> bool:
    if field.kind is FieldKind.CHOICE and text not in field.choices:
        return False
    return re.fullmatch(_pattern(field), text) is not None


def _pattern(field: Field) -> str:
    """The field's own, or what its kind takes."""
    if field.pattern:
        return field.pattern
    return "true|false" if field.kind is FieldKind.FLAG else r"[^\x00-\x1f]*"


def _check_groups(text: str, dialect: Dialect) -> None:
    count = len([part for part in text.split(",") if part.strip()])
    most = dialect.security_groups_max if isinstance(dialect, SeveralGroups) else 1
    if count > most:
        raise StepFailed(
            stored(
                _("%(count)s security groups are too many: %(title)s takes %(most)s."),
                count=count,
                title=dialect.title,
                most=most,
            ),
            _("Leave some out."),
        )


async def _free_addresses(provider: Provider, placements: Placements) -> int | None:
    """None when the cloud does not tell. Raises `StepFailed` for a place that is none."""
    if not isinstance(provider, Catalogue) or not placements:
        return None
    known = {subnet.id: subnet for subnet in await provider.subnets()}
    for placement in placements:
        found = known.get(placement["subnet"])
        if found is None:
            raise StepFailed(
                stored(_("The subnet %(id)s is not there."), id=placement["subnet"]),
                _("Choose one of this region that the key may see."),
            )
        if found.zone != placement["zone"]:
            raise StepFailed(
                stored(_("The subnet %(id)s lies in %(zone)s."), id=found.id, zone=found.zone),
                _("Choose the zone of the subnet."),
            )
    free = sum(known[item["subnet"]].free_ips for item in placements)
    if free == 0:
        raise StepFailed(
            _("The subnets have no free address."), _("Add a subnet with free addresses.")
        )
    return free
