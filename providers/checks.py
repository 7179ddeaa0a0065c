"""Start-up checks: without good vault keys nothing starts."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Error

from providers import vault

_HINT = (
    "Set SPILLWAY_VAULT_KEYS to id:key, where key is the base64 of 32 random bytes: "
    "python -c 'import base64,secrets;print(base64.b64encode(secrets.token_bytes(32)).decode())'"
)


def vault_keys(**_: Any) -> list[CheckMessage]:
    try:
        keys = vault.keys()
    except vault.NoKeys as error:
        return [Error(f"Secrets cannot be sealed: {error}.", hint=_HINT, id="providers.E001")]
    return [
        Error(f"The vault key {key_id!r} is a default.", hint=_HINT, id="providers.E002")
        for key_id, key in keys.items()
        if _default(key)
    ]


def _default(key: bytes) -> bool:
    """All bytes zero, or a text that people put where a key should be."""
    text = key.strip(b"\0").lower()
    return not text or any(
        word in text for word in (b"changeme", b"change-me", b"secret", b"default")
    )
