"""RAM grants for add-ons: a user of its own, a policy with what the add-on needs, a key.

Sources: ACK One user guide, "Use ECI in registered clusters" and "onectl" (names of user and
policy); RAM user guide, the system policies AliyunECIFullAccess, AliyunVPCReadOnlyAccess and
AliyunAccFullAccess (what the policy holds).

`grant`, `rotate` and `revoke` start operations (`addons.components.ram_steps`); what failed half
way goes on with a retry or the same call. The secret of a key goes into the vault and into the
Secret of clusters (`addons.components.secret`), nowhere else. `query` asks cloud and clusters.

    GrantError   `code`, `message` and `fix`; texts are stored sentences
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_noop as _

from addons import operations
from addons.components import grants
from addons.components.grants import GrantError
from addons.components.ram_steps import running_on
from addons.models import Cluster, Operation
from addons.runtime.loop import runtime
from addons.sentences import stored
from providers import registry
from providers.models import CloudAccount, RamGrant
from providers.vendor import POLICY_PREFIX, USER_PREFIX

__all__ = [
    "GrantError",
    "Status",
    "grant",
    "policy_document",
    "query",
    "revoke",
    "rotate",
    "target_of",
]

_SECONDS = 150.0
NETWORK_NOTE = _(
    "Limit the key to the networks of your clusters: in the RAM console, the AccessKey's network"
    " access policy."
)


@dataclass(frozen=True, slots=True)
class Key:
    id: str
    active: bool

    @property
    def masked(self) -> str:
        return grants.masked(self.id)


@dataclass(frozen=True, slots=True)
class Status:
    """What the cloud and the clusters say now. `clusters`: slug -> whether it holds the key;
    None: it did not answer. `granted`: the policy is attached and the key works."""

    grant: RamGrant
    granted: bool
    attached: bool
    keys: tuple[Key, ...]
    clusters: Mapping[str, bool | None]
    note: str = NETWORK_NOTE


def policy_document(addon: str) -> Mapping[str, Any]:
    """What the add-on's user may do. Raises `GrantError` for an add-on that needs no key."""
    return grants.document(addon)


def _new_user() -> str:
    return f"{USER_PREFIX}{secrets.token_hex(5)}"


def grant(
    account: CloudAccount,
    addon: str,
    *,
    actor: str,
    now: datetime,
    cluster: Cluster | None = None,
    replace: bool = False,
    new_user: Callable[[], str] = _new_user,
) -> Operation:
    """The user with policy and key; with `cluster` also its Secret. Repeating changes nothing.

    A Secret that holds a key which is not ours is left alone, unless `replace`.
    """
    grants.document(addon)
    if not registry.has_users(account.provider):
        raise GrantError(
            "NoUsers",
            _("This credential's cloud has no RAM users that could be granted."),
            _("Choose an AccessKey of Alibaba Cloud."),
        )
    if cluster is not None and cluster.team_id != account.team_id:
        raise GrantError(
            "OtherTeam",
            stored(_("%(name)s belongs to another team than the credential."), name=cluster.name),
            _("Choose a cluster and a credential of one team: whoever sees the grant sees both."),
        )
    with _alone(account, addon, "grant-ram-user"):
        row = _wanted(account, addon, actor, now, new_user)
        pk = cluster.pk if cluster else None
        given = {"cluster": pk, "replace": replace}
        return _start("grant-ram-user", row, actor, given, cluster)


def _wanted(
    account: CloudAccount, addon: str, actor: str, now: datetime, new_user: Callable[[], str]
) -> RamGrant:
    """The row of the grant; one that was revoked begins anew."""
    row, _made = RamGrant.objects.get_or_create(
        account=account,
        addon=addon,
        defaults={
            "user": new_user(),
            "policy": f"{POLICY_PREFIX}{addon}",
            "actor": actor,
            "created_at": now,
        },
    )
    if row.state == RamGrant.State.REVOKED:
        row.state, row.user = RamGrant.State.GRANTING, new_user()
        row.actor, row.created_at = actor, now
        row.access_key_id = row.sealed_secret = row.old_key_id = ""
        row.deliveries, row.revoked_at = [], None
        row.save()
    return row


def target_of(row: RamGrant) -> str:
    """How operations name the grant."""
    return f"{row.account.name}/{row.addon}"


@contextmanager
def _alone(account: CloudAccount, addon: str, kind: str) -> Iterator[None]:
    """One operation at a time on a grant; the same one again is no other."""
    with transaction.atomic():
        CloudAccount.objects.select_for_update().get(pk=account.pk)
        other = running_on(f"{account.name}/{addon}", account.team_id)
        if other is not None and other.kind != kind:
            raise GrantError(
                "Busy",
                stored(_("Operation %(pk)s is at it."), pk=other.pk),
                _("Wait until it ends, or cancel it."),
            )
        yield


def _start(
    kind: str,
    row: RamGrant,
    actor: str,
    given: Mapping[str, Any],
    cluster: Cluster | None = None,
) -> Operation:
    return operations.start(
        kind,
        target=target_of(row),
        cluster=cluster,
        team=row.account.team,
        actor=actor,
        arguments={"grant": row.pk, "account": row.account_id, **given},
    )


def query(account: CloudAccount, addon: str) -> Status | None:
    """How it stands now; None: nothing was granted for the add-on."""
    row = RamGrant.objects.select_related("account").filter(account=account, addon=addon).first()
    if row is None or row.state == RamGrant.State.REVOKED:
        return None
    attached, keys, clusters = runtime().run(grants.looked(runtime(), row), timeout=_SECONDS)
    works = any(key.id == row.access_key_id and key.active for key in keys)
    told = tuple(Key(key.id, key.active) for key in keys)
    return Status(row, attached and works, attached, told, clusters)


def rotate(row: RamGrant, *, actor: str) -> Operation:
    """A new key in every cluster that has the old one; the old one disabled after that."""
    if row.state != RamGrant.State.GRANTED:
        raise GrantError(
            "NotGranted", _("The add-on is not granted yet."), _("Grant it first, then rotate.")
        )
    with _alone(row.account, row.addon, "rotate-ram-user"):
        return _start("rotate-ram-user", row, actor, {})


def revoke(row: RamGrant, *, actor: str) -> Operation:
    """Secrets, keys, policy and user go, in this order."""
    with _alone(row.account, row.addon, "revoke-ram-user"):
        return _start("revoke-ram-user", row, actor, {})
