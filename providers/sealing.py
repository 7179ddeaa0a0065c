"""The secrets of a cloud account, sealed and opened. Each is bound to the key id it belongs to."""

from __future__ import annotations

from kube.secret import Secret
from providers import vault
from providers.models import CloudAccount

_TABLE = "providers.CloudAccount"


def seal_into(account: CloudAccount, *, key_id: str, secret: Secret, token: Secret) -> None:
    """Set the key on the row, unsaved."""
    account.access_key_id = key_id
    account.sealed_secret = vault.seal(secret, vault.purpose(_TABLE, "sealed_secret", key_id))
    account.sealed_token = (
        vault.seal(token, vault.purpose(_TABLE, "sealed_token", key_id)) if token else ""
    )


def secret_of(account: CloudAccount) -> Secret:
    bound = vault.purpose(_TABLE, "sealed_secret", account.access_key_id)
    return vault.unseal(account.sealed_secret, bound)


def token_of(account: CloudAccount) -> Secret:
    bound = vault.purpose(_TABLE, "sealed_token", account.access_key_id)
    return vault.unseal(account.sealed_token, bound)


def _source(account: CloudAccount) -> str:
    source = account.key_source
    return f"{source['cluster']}/{source['namespace']}/{source['name']}"


def seal_cipher(account: CloudAccount, cipher: Secret) -> None:
    """What the keys at `key_source` are ciphered with; on the row, unsaved."""
    account.sealed_cipher = (
        vault.seal(cipher, vault.purpose(_TABLE, "sealed_cipher", _source(account)))
        if cipher
        else ""
    )


def cipher_of(account: CloudAccount) -> Secret:
    """Empty when the keys are plain."""
    if not account.sealed_cipher:
        return Secret("")
    bound = vault.purpose(_TABLE, "sealed_cipher", _source(account))
    return vault.unseal(account.sealed_cipher, bound)
