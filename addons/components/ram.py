"""RAM grants for add-ons: a user of its own, a policy with what the add-on needs, a key.

Sources: ACK One user guide, "Use ECI in registered clusters" and "onectl" (names of user and
policy); RAM user guide, the system policies AliyunECIFullAccess, AliyunVPCReadOnlyAccess and
AliyunAccFullAccess (what the policy holds).

Every stage is safe to repeat: what failed half way goes on with the same call. The secret of a key
goes into the vault and into the Secret of clusters (`addons.components.secret`), nowhere else.
All functions are synchronous and call clouds and clusters: never inside a transaction.

    GrantError   `code`, `message` and `fix`; texts are stored sentences
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext_noop as _

from addons.components import grants
from addons.components.grants import GrantError
from addons.models import Cluster
from addons.runtime.loop import runtime
from providers import registry
from providers.models import CloudAccount, RamGrant

__all__ = [
    "GrantError",
    "Status",
    "deliver",
    "grant",
    "policy_document",
    "query",
    "revoke",
    "rotate",
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
        return f"{self.id[:4]}••••{self.id[-4:]}"


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
    return f"ack-one-user-{secrets.token_hex(5)}"


def grant(
    account: CloudAccount,
    addon: str,
    *,
    actor: str,
    now: datetime,
    cluster: Cluster | None = None,
    new_user: Callable[[], str] = _new_user,
) -> RamGrant:
    """The user with policy and key; with `cluster` also its Secret. Repeating changes nothing."""
    grants.document(addon)
    if not registry.has_users(account.provider):
        raise GrantError(
            "NoUsers",
            _("This credential's cloud has no RAM users that could be granted."),
            _("Choose an AccessKey of Alibaba Cloud."),
        )
    row, _made = RamGrant.objects.get_or_create(
        account=account,
        addon=addon,
        defaults={
            "user": new_user(),
            "policy": f"{grants.POLICY_PREFIX}{addon}",
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
    runtime().run(grants.granted(runtime(), row), timeout=_SECONDS)
    if cluster is not None:
        deliver(row, cluster, now=now)
    return row


def deliver(row: RamGrant, cluster: Cluster, *, now: datetime, replace: bool = False) -> RamGrant:
    """Write the Secret into the cluster. Refuses to put it in the place of a key that is not ours,
    unless `replace`."""
    if row.state != RamGrant.State.GRANTED:
        raise GrantError(
            "NotGranted", _("The add-on is not granted yet."), _("Grant it first, then deliver.")
        )
    runtime().run(
        grants.delivered(runtime(), row, cluster, now=now, replace=replace), timeout=_SECONDS
    )
    return row


def query(account: CloudAccount, addon: str) -> Status | None:
    """How it stands now; None: nothing was granted for the add-on."""
    row = RamGrant.objects.select_related("account").filter(account=account, addon=addon).first()
    if row is None or row.state == RamGrant.State.REVOKED:
        return None
    attached, keys, clusters = runtime().run(grants.looked(runtime(), row), timeout=_SECONDS)
    works = any(key.id == row.access_key_id and key.active for key in keys)
    told = tuple(Key(key.id, key.active) for key in keys)
    return Status(row, attached and works, attached, told, clusters)


def rotate(row: RamGrant, *, now: datetime) -> RamGrant:
    """A new key in every cluster that has the old one; the old one disabled after that."""
    runtime().run(grants.rotated(runtime(), row, now=now), timeout=_SECONDS)
    return row


def revoke(row: RamGrant, *, now: datetime) -> RamGrant:
    """Secrets, keys, policy and user go, in this order."""
    runtime().run(grants.revoked(runtime(), row, now=now), timeout=_SECONDS)
    return row
