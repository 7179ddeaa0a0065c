"""Secrets at rest: envelope encryption, AES-256-GCM twice.

Each value has a data key of its own, which the first key of `settings.VAULT_KEYS` wraps; the key's
id is in the blob, so that older keys still open what they sealed and `rotate` can move it to the
first. The value is bound to its purpose (table, field and owner), so that a blob copied to another
row does not open.

    VaultError
    ├── NoKeys        VAULT_KEYS is missing or malformed
    ├── UnknownKey    sealed with a key that is not configured any more
    └── NotAuthentic  changed, cut, or sealed for another purpose
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Mapping
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

from kube.secret import Secret

_VERSION = "v1"
_NONCE = 12
_KEY = 32


class VaultError(Exception):
    pass


class NoKeys(VaultError):
    pass


class UnknownKey(VaultError):
    pass


class NotAuthentic(VaultError):
    pass


# The sealed columns of every room: model label -> fields. `register` adds to it.
SEALED: dict[str, tuple[str, ...]] = {
    "providers.CloudAccount": ("sealed_secret", "sealed_token", "sealed_cipher"),
    "providers.Instance": ("sealed_request",),
    "providers.RamGrant": ("sealed_secret",),
}


def register(model: str, *fields: str) -> None:
    """Tell the rotation about sealed columns (`addons.Cluster`, ...); from `AppConfig.ready`."""
    SEALED[model] = fields


def purpose(table: str, field: str, owner: str) -> str:
    """What a value is bound to; `owner` is known before the row has an id and never changes."""
    return f"{table}.{field}:{owner}"


@lru_cache(maxsize=4)
def _parsed(entries: tuple[str, ...]) -> dict[str, bytes]:
    keys: dict[str, bytes] = {}
    for entry in entries:
        key_id, _, text = entry.partition(":")
        try:
            raw = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError) as error:
            raise NoKeys(f"the vault key {key_id!r} is not base64") from error
        if len(raw) != _KEY or not key_id.isalnum() or key_id in keys:
            raise NoKeys(
                f"the vault key {key_id!r} needs a unique alphanumeric id and {_KEY} bytes"
            )
        keys[key_id] = raw
    if not keys:
        raise NoKeys("VAULT_KEYS is empty")
    return keys


def keys() -> Mapping[str, bytes]:
    """Key id -> key; the first one seals. Raises `NoKeys`."""
    return _parsed(tuple(settings.VAULT_KEYS))


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode()


def _encrypt(key: bytes, value: bytes, bound: str) -> str:
    nonce = secrets.token_bytes(_NONCE)
    return _b64(nonce + AESGCM(key).encrypt(nonce, value, bound.encode()))


def _decrypt(key: bytes, text: str, bound: str) -> bytes:
    try:
        raw = base64.urlsafe_b64decode(text)
        return AESGCM(key).decrypt(raw[:_NONCE], raw[_NONCE:], bound.encode())
    except (InvalidTag, binascii.Error, ValueError) as error:
        raise NotAuthentic("the sealed value was changed or belongs elsewhere") from error


def seal(value: Secret, bound: str) -> str:
    """`bound` is a `purpose`. The blob is ASCII: version.key id.wrapped data key.value."""
    key_id, key = next(iter(keys().items()))
    data_key = secrets.token_bytes(_KEY)
    wrapped = _encrypt(key, data_key, f"{_VERSION}.{key_id}")
    return ".".join((_VERSION, key_id, wrapped, _encrypt(data_key, value.reveal().encode(), bound)))


def _opened(blob: str) -> tuple[str, bytes, str]:
    """Key id, data key and the encrypted value of a blob."""
    parts = blob.split(".")
    if len(parts) != 4 or parts[0] != _VERSION:
        raise NotAuthentic("this is no sealed value")
    _, key_id, wrapped, body = parts
    key = keys().get(key_id)
    if key is None:
        raise UnknownKey(f"the value was sealed with the key {key_id!r}, which is not configured")
    return key_id, _decrypt(key, wrapped, f"{_VERSION}.{key_id}"), body


def unseal(blob: str, bound: str) -> Secret:
    """The one function that decrypts. An empty blob is the empty secret."""
    if not blob:
        return Secret("")
    _, data_key, body = _opened(blob)
    return Secret(_decrypt(data_key, body, bound).decode())


def rewrap(blob: str) -> str:
    """The same value under the first key; the blob itself when it already is."""
    if not blob:
        return blob
    current, key = next(iter(keys().items()))
    key_id, data_key, body = _opened(blob)
    if key_id == current:
        return blob
    return ".".join((_VERSION, current, _encrypt(key, data_key, f"{_VERSION}.{current}"), body))
