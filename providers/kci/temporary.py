"""The temporary key that the control plane of a KCE cluster writes into a ConfigMap.

Source: repository kingsoftcloud/aksk-provider (its readers of ConfigMap `user-temp-aksk` in
kube-system: entries `ak`, `sk`, `securityToken`, `expired_at`, `cipher`; the time is UTC; only `sk`
is ciphered: `RSA` with PKCS #1 v1.5 and the private key as PEM, anything else as AES in CBC mode,
whose initial vector is the first 16 bytes of the key).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from datetime import UTC, datetime

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import padding as block_padding
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from kube.secret import Secret
from providers.base import NewKey
from providers.errors import InvalidSpec

_PLAIN = frozenset({"", "none"})
_BLOCK = 16


class BadEntry(InvalidSpec):
    """An entry of the ConfigMap that cannot be used; its value is not told."""

    def __init__(self, entry: str, why: str) -> None:
        super().__init__(f"entry {entry!r}: {why}", code="BadTemporaryKey")
        self.entry = entry


def parse(data: Mapping[str, str], cipher: Secret) -> NewKey:
    """The key in `data`. `cipher` is what its secret is opened with; unused when it is plain."""
    access_key = data.get("ak", "").strip()
    if not access_key:
        raise BadEntry("ak", "is missing")
    return NewKey(
        id=access_key,
        secret=_secret(data, cipher),
        token=Secret(data.get("securityToken", "").strip()),
        expires_at=_time(data.get("expired_at", "")),
    )


def _secret(data: Mapping[str, str], cipher: Secret) -> Secret:
    text = data.get("sk", "").strip()
    if not text:
        raise BadEntry("sk", "is missing")
    kind = data.get("cipher", "").strip().lower()
    if kind in _PLAIN:
        return Secret(text)
    if not cipher:
        raise BadEntry("cipher", f"the secret is ciphered ({kind}) and no key to open it is given")
    try:
        ciphered = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadEntry("sk", "is no base64 text") from error
    opened = _rsa(ciphered, cipher) if kind == "rsa" else _aes(ciphered, cipher)
    try:
        return Secret(opened.decode().strip())
    except UnicodeDecodeError as error:
        raise BadEntry("sk", "the key given does not open it") from error


def _rsa(ciphered: bytes, cipher: Secret) -> bytes:
    """The private key is PEM, or base64 of PEM."""
    text = cipher.reveal().strip()
    pem = text.encode()
    if not text.startswith("-----"):
        try:
            pem = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError) as error:
            raise BadEntry("cipher", "the key given is no PEM private key") from error
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise BadEntry("cipher", "the key given is no PEM private key") from error
    if not isinstance(key, RSAPrivateKey):
        raise BadEntry("cipher", "the key given is no RSA private key")
    try:
        return key.decrypt(ciphered, padding.PKCS1v15())
    except ValueError as error:
        raise BadEntry("sk", "the key given does not open it") from error


def _aes(ciphered: bytes, cipher: Secret) -> bytes:
    """The key is a text of 16, 24 or 32 bytes."""
    key = cipher.reveal().encode()
    if len(key) not in {16, 24, 32}:
        raise BadEntry("cipher", "the key given for AES is not 16, 24 or 32 bytes long")
    if not ciphered or len(ciphered) % _BLOCK:
        raise BadEntry("sk", "is not a whole number of AES blocks")
    opener = Cipher(algorithms.AES(key), modes.CBC(key[:_BLOCK])).decryptor()
    unpad = block_padding.PKCS7(_BLOCK * 8).unpadder()
    try:
        padded = opener.update(ciphered) + opener.finalize()
        return unpad.update(padded) + unpad.finalize()
    except ValueError as error:
        raise BadEntry("sk", "the key given does not open it") from error


def _time(text: str) -> datetime | None:
    """`YYYY-MM-DDTHH:MM:SS` in UTC; None when it is missing or cannot be read."""
    try:
        found = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except ValueError:
        return None
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
