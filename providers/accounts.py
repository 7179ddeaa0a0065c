"""Cloud accounts: add, verify, rotate, remove.

Clouds are called outside transactions: a key is tried first and saved afterwards. All functions are
synchronous; `probe` is the asynchronous part for callers on a loop.

    AccountError
    ├── KeyRefused    the cloud does not accept the key: `cause` is the cloud's error
    ├── OtherAccount  the new key belongs to another cloud account
    ├── Weaker        the new key may do less than the one it replaces: `lost` lists the actions
    ├── KeyChanged    somebody else changed the key meanwhile
    └── InUse         `users` says by whom
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import cast

from asgiref.sync import async_to_sync
from django.contrib.auth.models import Group
from django.db import models, transaction

from kube.secret import Secret
from providers import registry, sealing
from providers.base import NewKey, Verification, Verify
from providers.errors import AccountTrouble, ProviderError
from providers.models import CloudAccount, Instance, RamGrant

# `CloudAccount.trouble` of a followed key that nobody renewed.
KEY_STALE = "TemporaryKeyStale"
ENDED = "ended instances"


class AccountError(Exception):
    pass


class KeyRefused(AccountError):
    def __init__(self, cause: ProviderError) -> None:
        super().__init__(str(cause))
        self.cause = cause


class OtherAccount(AccountError):
    pass


class Weaker(AccountError):
    def __init__(self, lost: Sequence[str]) -> None:
        super().__init__(f"the new key may not call {', '.join(lost)}")
        self.lost = tuple(lost)


class KeyChanged(AccountError):
    pass


@dataclass(frozen=True, slots=True)
class User:
    """Rows of one kind that need the account; `names` are the first twenty."""

    kind: str
    count: int
    names: tuple[str, ...]


class InUse(AccountError):
    def __init__(self, users: Sequence[User]) -> None:
        super().__init__(", ".join(f"{user.count} {user.kind}" for user in users))
        self.users = tuple(users)


async def probe(account: CloudAccount) -> Verification:
    """Ask the cloud who the key is and which actions it may call. Raises `KeyRefused`."""
    client = registry.client(account, limited=False)
    try:
        return await cast("Verify", client).verify()
    except AccountTrouble as error:
        raise KeyRefused(error) from error
    finally:
        await client.aclose()


def add(
    *,
    team: Group,
    name: str,
    provider: str,
    region: str,
    key: NewKey,
    now: datetime,
    endpoint: str = "",
    source: Mapping[str, str] | None = None,
    cipher: Secret | None = None,
) -> CloudAccount:
    """A verified account, saved. Raises `KeyRefused`, or `ProviderError` when nobody answered.

    `source` and `cipher`: where the key is read again and again (`CloudAccount.key_source`).
    """
    account = CloudAccount(
        team=team, name=name, provider=provider, region=region, endpoint=endpoint
    )
    _put_key(account, key, now)
    if source:
        account.key_source = dict(source)
        sealing.seal_cipher(account, cipher or Secret(""))
    _put_verification(account, async_to_sync(probe)(account), now)
    account.save()
    return account


def verify(account: CloudAccount, *, now: datetime) -> CloudAccount:
    """Try the stored key again and save what it may do; a refused key is saved as trouble."""
    try:
        verification = async_to_sync(probe)(account)
    except KeyRefused as error:
        account.trouble = (error.cause.code or "KeyRefused")[:64]
        account.trouble_message = error.cause.message
        account.trouble_source = ""
        fields = ["trouble", "trouble_message", "trouble_source"]
        _save_if_same_key(account, fields, account.access_key_id)
        raise
    _put_verification(account, verification, now)
    _save_if_same_key(account, _VERIFIED, account.access_key_id)
    return account


def rotate(account: CloudAccount, key: NewKey, *, now: datetime) -> CloudAccount:
    """Put a new key in the place of the old one, after it was tried.

    The old key is not touched in the cloud: calls in flight finish with it, and every process takes
    the new one when it sees the new `rotated_at`. Disable the old key after that.
    """
    old_key, could = account.access_key_id, working(account)
    trial = CloudAccount.objects.get(pk=account.pk)
    _put_key(trial, key, now)
    verification = async_to_sync(probe)(trial)
    if account.account_id and verification.account_id != account.account_id:
        raise OtherAccount(f"the new key belongs to account {verification.account_id}")
    _put_verification(trial, verification, now)
    lost = sorted(could - working(trial))
    if lost:
        raise Weaker(lost)
    _save_if_same_key(trial, [*_KEY, *_VERIFIED], old_key)
    return trial


def follow(account_id: int, key: NewKey, *, now: datetime) -> bool:
    """Take a temporary key that was read at its source; whether it is a new one.

    A key whose end is not told is ignored, as aksk-provider does with updates. Nothing is asked of
    the cloud: the next call shows what the key is worth.
    """
    account = CloudAccount.objects.filter(pk=account_id).exclude(key_source={}).first()
    if account is None or key.expires_at is None or _holds(account, key):
        return False
    before = account.rotated_at
    _put_key(account, key, now)
    fields = list(_KEY)
    if account.trouble == KEY_STALE or "token" in account.trouble.lower():
        account.trouble = account.trouble_message = account.trouble_source = ""
        fields += ["trouble", "trouble_message", "trouble_source"]
    values = {field: getattr(account, field) for field in fields}
    held = CloudAccount.objects.filter(pk=account_id, rotated_at=before)
    return bool(held.update(**values))


def _holds(account: CloudAccount, key: NewKey) -> bool:
    if (account.access_key_id, account.expires_at) != (key.id, key.expires_at):
        return False
    token = sealing.token_of(account) if account.sealed_token else Secret("")
    ours = (sealing.secret_of(account).reveal(), token.reveal())
    return ours == (key.secret.reveal(), key.token.reveal())


def stale(account_id: int, *, now: datetime) -> bool:
    """The key is over and its source has no new one: trouble, unless there is some already."""
    rows = CloudAccount.objects.filter(pk=account_id, trouble="", expires_at__lte=now)
    message = "The temporary key has ended and its ConfigMap holds no new one."
    return bool(rows.update(trouble=KEY_STALE, trouble_message=message, trouble_source=""))


def working(account: CloudAccount) -> set[str]:
    """The actions that worked at the last verification."""
    return {entry["action"] for entry in account.capabilities if entry["ok"]}


def users(account: CloudAccount) -> list[User]:
    """Who needs the account: all protecting relations, the ledger split in open and closed."""
    found = []
    for relation in account._meta.get_fields(include_hidden=True):
        if not isinstance(relation, models.ManyToOneRel):
            continue
        if relation.on_delete is not models.PROTECT:
            continue
        model = relation.related_model
        rows = model._default_manager.filter(**{relation.field.name: account})
        if model is Instance:
            found.append(_user("running instances", rows.filter(state__in=Instance.OPEN)))
            found.append(_user(ENDED, rows.filter(state=Instance.State.CLOSED)))
        elif model is RamGrant:
            found.append(_user("RAM grants", rows.exclude(state=RamGrant.State.REVOKED)))
        else:
            found.append(_user(str(model._meta.verbose_name_plural), rows))
    return [user for user in found if user.count]


def _user(kind: str, rows: models.QuerySet[models.Model]) -> User:
    return User(kind, rows.count(), tuple(str(row) for row in rows[:20]))


def remove(account: CloudAccount, *, drop_history: bool = False) -> None:
    """Forget the account and its key. Raises `InUse` with the users.

    With `drop_history` the ledger's closed rows go too; otherwise they count as users, because what
    was paid would be forgotten with them. What has usage lines is never forgotten.
    """
    with transaction.atomic():
        left = [user for user in users(account) if not (drop_history and user.kind == ENDED)]
        if left:
            raise InUse(left)
        Instance.objects.filter(account=account, state=Instance.State.CLOSED).delete()
        RamGrant.objects.filter(account=account).delete()
        account.delete()


_KEY = [
    "access_key_id",
    "sealed_secret",
    "sealed_token",
    "expires_at",
    "rotated_at",
    "endpoint",
]
_VERIFIED = [
    "account_id",
    "identity",
    "capabilities",
    "verified_at",
    "verify_ms",
    "trouble",
    "trouble_message",
    "trouble_source",
]


def _put_key(account: CloudAccount, key: NewKey, now: datetime) -> None:
    sealing.seal_into(account, key_id=key.id, secret=key.secret, token=key.token)
    account.endpoint = key.endpoint or account.endpoint
    account.expires_at, account.rotated_at = key.expires_at, now


def _put_verification(account: CloudAccount, seen: Verification, now: datetime) -> None:
    account.account_id, account.identity = seen.account_id, seen.identity
    account.capabilities = [asdict(capability) for capability in seen.capabilities]
    account.verified_at, account.verify_ms = now, seen.latency_ms
    account.trouble = account.trouble_message = account.trouble_source = ""


def _save_if_same_key(account: CloudAccount, fields: list[str], key_id: str) -> None:
    values = {field: getattr(account, field) for field in fields}
    if not CloudAccount.objects.filter(pk=account.pk, access_key_id=key_id).update(**values):
        raise KeyChanged("the key was changed meanwhile; look again")
