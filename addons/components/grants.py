"""The stages of a RAM grant: user, policy, key, Secrets; each is safe to repeat.

`ASKED` in the place of a key's id says that a key was asked for and its answer is not known: keys
of the user that nobody here knows are then deleted before another one is asked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from django.utils.translation import gettext_noop as _

from addons.components import secret as addon_secret
from addons.components.vendors import Reach
from addons.models import Cluster
from addons.sentences import stored
from kube.errors import KubeError
from kube.secret import Secret
from providers import registry, vault
from providers.errors import AccountTrouble, NotFound, ProviderError, QuotaExceeded
from providers.models import RamGrant
from providers.vendor import AccessKey, RamUsers

ASKED = "?"
KEYS_PER_USER = 2
_PAUSE = 0.5
_PATIENCE = 45.0


class GrantError(Exception):
    def __init__(self, code: str, message: str, fix: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.fix = fix


def _linked_role(*services: str) -> Mapping[str, Any]:
    return {
        "Effect": "Allow",
        "Action": "ram:CreateServiceLinkedRole",
        "Resource": "*",
        "Condition": {"StringEquals": {"ram:ServiceName": list(services)}},
    }


_VIRTUAL_NODE = (
    *("eci:*", "acc:*", "ecs:DescribeSecurityGroups"),
    *("vpc:Describe*", "vpc:List*", "vpc:Get*"),
)
POLICIES: dict[str, Mapping[str, Any]] = {
    "ack-virtual-node": {
        "Version": "1",
        "Statement": [
            {"Effect": "Allow", "Action": list(_VIRTUAL_NODE), "Resource": "*"},
            _linked_role("eci.aliyuncs.com", "vnode.eci.aliyuncs.com", "acs.aliyuncs.com"),
        ],
    }
}


def document(addon: str) -> Mapping[str, Any]:
    if addon not in POLICIES:
        raise GrantError(
            "NoPolicy",
            stored(_("The add-on %(addon)s needs no RAM user."), addon=addon),
            stored(_("Those that do: %(names)s."), names=", ".join(POLICIES)),
        )
    return POLICIES[addon]


def _purpose(row: RamGrant) -> str:
    return vault.purpose("providers.RamGrant", "sealed_secret", f"{row.user}/{row.access_key_id}")


def masked(key_id: str) -> str:
    """The id of a key as people may see it; empty without one."""
    return f"{key_id[:4]}••••{key_id[-4:]}" if len(key_id) > 8 else ""


def secret_of(row: RamGrant) -> Secret:
    return vault.unseal(row.sealed_secret, _purpose(row))


@asynccontextmanager
async def _users(reach: Reach, row: RamGrant) -> AsyncIterator[RamUsers]:
    """The cloud's users; its refusals as `GrantError`."""
    api = await reach.db(lambda: registry.users(row.account))
    try:
        yield api
    except AccountTrouble as refusal:
        fix = _("Give the key the permissions of AliyunRAMFullAccess, or those the message names.")
        raise GrantError(refusal.code, stored("%(error)s", error=refusal), fix) from refusal
    except QuotaExceeded as full:
        fix = _("Delete users or keys that nobody needs in the RAM console, then try again.")
        raise GrantError(full.code, stored("%(error)s", error=full), fix) from full
    except ProviderError as error:
        fix = _("Try again: what is done already stays.")
        raise GrantError(error.code, stored("%(error)s", error=error), fix) from error
    finally:
        await api.aclose()


async def _save(reach: Reach, row: RamGrant, **values: Any) -> None:
    for field, value in values.items():
        setattr(row, field, value)
    await reach.db(row.save, update_fields=[*values])


# --- grant ---------------------------------------------------------------------------------------


async def allowed(reach: Reach, row: RamGrant) -> None:
    """The user with the add-on's policy."""
    async with _users(reach, row) as ram:
        await ram.ensure_user(row.user, comment=f"Spillway: {row.addon}")
        await ram.ensure_policy(row.policy, document(row.addon))
        await ram.attach(row.policy, row.user)


async def keyed(reach: Reach, row: RamGrant) -> None:
    """A key of the user, which the cloud takes."""
    async with _users(reach, row) as ram:
        if row.access_key_id in ("", ASKED):
            await _forget_unknown(ram, row)
            await reach.db(_claim, row)
            await _keep_key(reach, row, await ram.create_key(row.user))
        await _accepted(ram, row)
    await _save(reach, row, state=RamGrant.State.GRANTED)


def _claim(row: RamGrant) -> None:
    """Say that a key is asked for, unless somebody else did so meanwhile."""
    rows = RamGrant.objects.filter(pk=row.pk, access_key_id=row.access_key_id)
    if not rows.update(access_key_id=ASKED):
        fix = _("Look again in a moment.")
        raise GrantError("Busy", _("Somebody else is granting it now."), fix)
    row.access_key_id = ASKED


async def _forget_unknown(ram: RamUsers, row: RamGrant) -> None:
    """Keys whose answers were lost: nobody has their secrets."""
    if ASKED not in (row.access_key_id, row.old_key_id):
        return
    for key in await ram.keys(row.user):
        if key.id not in (row.access_key_id, row.old_key_id):
            await ram.delete_key(row.user, key.id)


async def _keep_key(reach: Reach, row: RamGrant, key: AccessKey, **values: Any) -> None:
    row.access_key_id = key.id
    sealed = vault.seal(key.secret, _purpose(row))
    await _save(reach, row, access_key_id=key.id, sealed_secret=sealed, **values)


async def _accepted(ram: RamUsers, row: RamGrant) -> None:
    """Wait until the cloud takes the key: a new one is known everywhere after seconds."""
    key = AccessKey(row.access_key_id, True, secret_of(row))
    ends = asyncio.get_running_loop().time() + _PATIENCE
    while True:
        try:
            await ram.who(key)
        except AccountTrouble:
            if asyncio.get_running_loop().time() >= ends:
                raise
            await asyncio.sleep(_PAUSE)
        else:
            return


# --- clusters ------------------------------------------------------------------------------------


async def delivered(
    reach: Reach, row: RamGrant, cluster: Cluster, *, now: datetime, replace: bool = False
) -> None:
    """The Secret holds our key; whoever works with it is restarted when it was another one."""
    try:
        await _deliver(reach, row, cluster, now=now, replace=replace)
    except KubeError as error:
        raise _refusal(cluster, error) from error


async def free(reach: Reach, row: RamGrant, cluster: Cluster) -> None:
    """The cluster holds no key but ours: looked at before anything is made for it."""
    try:
        await _held(await reach.kube(cluster.pk), row, cluster)
    except KubeError as error:
        raise _refusal(cluster, error) from error


def _refusal(cluster: Cluster, error: KubeError) -> GrantError:
    fix = _("Mend the cluster's connection or its permission on Secrets, then try again.")
    told = stored("%(name)s: %(error)s", name=cluster.name, error=error)
    return GrantError("ClusterRefused", told, fix)


async def _held(kube: Any, row: RamGrant, cluster: Cluster) -> str:
    """The key that the cluster holds, which is ours; empty: it has none."""
    there: str = await addon_secret.key_id_in(kube)
    ours = {row.access_key_id, row.old_key_id, *_delivered_keys(row, cluster)}
    if there and there not in ours:
        raise GrantError(
            "OtherKey",
            stored(_("%(name)s has a Secret with a key that is not ours."), name=cluster.name),
            _("Keep that key, or say that it is to be replaced."),
        )
    return there


async def _deliver(
    reach: Reach, row: RamGrant, cluster: Cluster, *, now: datetime, replace: bool
) -> None:
    kube = await reach.kube(cluster.pk)
    look = addon_secret.key_id_in(kube) if replace else _held(kube, row, cluster)
    there = await look
    await addon_secret.write(kube, row.access_key_id, secret_of(row))
    if await addon_secret.key_id_in(kube) != row.access_key_id:
        fix = _("Look who else writes the Secret, then try again.")
        raise GrantError("NotHeld", _("The cluster does not hold the key."), fix)
    entry = {
        "cluster": cluster.uid,
        "namespace": addon_secret.NAMESPACE,
        "name": addon_secret.NAME,
        "key": row.access_key_id,
        "at": now.isoformat(),
    }
    others = [one for one in row.deliveries if one["cluster"] != cluster.uid]
    await _save(reach, row, deliveries=[*others, entry])
    if there and there != row.access_key_id:
        names = await addon_secret.restart_users(kube, now)
        await _restarted(kube, names, cluster)


def _delivered_keys(row: RamGrant, cluster: Cluster) -> list[str]:
    return [one["key"] for one in row.deliveries if one["cluster"] == cluster.uid]


async def _restarted(kube: Any, names: list[str], cluster: Cluster) -> None:
    ends = asyncio.get_running_loop().time() + _PATIENCE
    while waits := await addon_secret.restarting(kube, names):
        if asyncio.get_running_loop().time() >= ends:
            text = _("%(name)s: %(deployments)s did not come up with the new key.")
            told = stored(text, name=cluster.name, deployments=", ".join(waits))
            fix = _("Look at its pods; the old key still works. Then rotate again.")
            raise GrantError("NotRolledOut", told, fix)
        await asyncio.sleep(_PAUSE)


async def _clusters(reach: Reach, row: RamGrant) -> Sequence[Cluster]:
    uids = [one["cluster"] for one in row.deliveries]
    return await reach.db(lambda: list(Cluster.objects.filter(uid__in=uids)))


async def looked(
    reach: Reach, row: RamGrant
) -> tuple[bool, Sequence[AccessKey], dict[str, bool | None]]:
    """Whether the policy is attached, the user's keys, and which clusters hold ours."""
    async with _users(reach, row) as ram:
        attached = row.policy in await ram.attached(row.user)
        keys = await ram.keys(row.user)
    held: dict[str, bool | None] = {}
    for cluster in await _clusters(reach, row):
        try:
            kube = await reach.kube(cluster.pk)
            held[cluster.slug] = await addon_secret.key_id_in(kube) == row.access_key_id
        except KubeError:
            held[cluster.slug] = None
    return attached, keys, held


# --- rotate and revoke ---------------------------------------------------------------------------


async def renewed(reach: Reach, row: RamGrant, *, now: datetime) -> None:
    """A new key, unless a rotation that was left half way has made it already."""
    async with _users(reach, row) as ram:
        if row.old_key_id in ("", ASKED) or not await _active(ram, row, row.old_key_id):
            await _replace_key(reach, ram, row, now)
        await _accepted(ram, row)


async def redelivered(reach: Reach, row: RamGrant, *, now: datetime) -> list[str]:
    """The key in every cluster that was given one before; their names."""
    clusters = await _clusters(reach, row)
    for cluster in clusters:
        await delivered(reach, row, cluster, now=now)
    return [cluster.name for cluster in clusters]


async def retired(reach: Reach, row: RamGrant) -> None:
    """The old key is disabled."""
    async with _users(reach, row) as ram:
        await ram.set_key(row.user, row.old_key_id, active=False)


async def _active(ram: RamUsers, row: RamGrant, key_id: str) -> bool:
    return any(key.id == key_id and key.active for key in await ram.keys(row.user))


async def _replace_key(reach: Reach, ram: RamUsers, row: RamGrant, now: datetime) -> None:
    """The disabled key of the last rotation makes room for the new one."""
    await _forget_unknown(ram, row)
    if row.old_key_id not in ("", ASKED):
        await ram.delete_key(row.user, row.old_key_id)
    if len(await ram.keys(row.user)) >= KEYS_PER_USER:
        fix = _("Delete the key that is not ours in the RAM console, then rotate again.")
        raise GrantError("TwoKeys", _("The user has two keys, and one is not ours."), fix)
    old = row.access_key_id
    await _save(reach, row, old_key_id=ASKED)
    made = await ram.create_key(row.user)
    await _keep_key(reach, row, made, old_key_id=old, rotated_at=now)


async def taken_back(reach: Reach, row: RamGrant) -> list[str]:
    """The Secrets go from every cluster; their names."""
    clusters = await _clusters(reach, row)
    for cluster in clusters:
        try:
            kube = await reach.kube(cluster.pk)
            await addon_secret.remove(kube, row.access_key_id)
        except KubeError as error:
            told = stored("%(name)s: %(error)s", name=cluster.name, error=error)
            fix = _("Mend the cluster's connection or forget the cluster, then revoke again.")
            raise GrantError("ClusterRefused", told, fix) from error
    return [cluster.name for cluster in clusters]


async def deleted(reach: Reach, row: RamGrant, *, now: datetime) -> None:
    """Keys, policy and user go; the row stays as a record."""
    async with _users(reach, row) as ram:
        for key in await _keys(ram, row):
            await ram.delete_key(row.user, key.id)
        await ram.detach(row.policy, row.user)
        await ram.delete_user(row.user)
        await ram.delete_policy(row.policy)
    gone = {"access_key_id": "", "sealed_secret": "", "old_key_id": "", "deliveries": []}
    await _save(reach, row, state=RamGrant.State.REVOKED, revoked_at=now, **gone)


async def _keys(ram: RamUsers, row: RamGrant) -> Sequence[AccessKey]:
    """Every key of the user; none when the user is gone already."""
    try:
        return await ram.keys(row.user)
    except NotFound:
        return ()
