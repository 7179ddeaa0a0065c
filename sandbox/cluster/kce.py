"""What the control plane of a KCE cluster does: it keeps fresh temporary keys in a ConfigMap.

``kube-system/user-temp-aksk`` has flat keys ``ak``, ``sk``, ``securityToken``, ``expired_at`` (UTC
without a zone) and ``cipher``: empty (the secret key is plain), ``RSA`` (PKCS#1 v1.5) or
``aes256+base64`` (CBC, the first 16 bytes of the key as IV, PKCS#7), both base64; after the public
Go library that Kingsoft's csi and virtual kubelet read it with.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import msgspec
from cryptography.hazmat.primitives import padding as blocks
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from sandbox.cluster.controllers.loop import Controller

if TYPE_CHECKING:
    from sandbox.cluster.cluster import Cluster
    from sandbox.cluster.controllers import Manager
    from sandbox.cluster.controllers.config import Config
    from sandbox.cluster.controllers.context import Context

NAME, NAMESPACE = "user-temp-aksk", "kube-system"
_FILE = "temporary-keys.json"


class Issued(Protocol):
    """A temporary key of the cloud; ``expires_at`` in Unix seconds."""

    @property
    def access_key_id(self) -> str: ...
    @property
    def access_key_secret(self) -> str: ...
    @property
    def token(self) -> str: ...
    @property
    def expires_at(self) -> float | None: ...


Issue = Callable[[float], Issued]


class Settings(msgspec.Struct, forbid_unknown_fields=True):
    """Keys live ``seconds`` and are replaced after ``every``; ``paused`` stops the replacing.

    ``private_key`` (PEM) and ``aes_key`` open the secret key, as the settings of a reader would.
    """

    seconds: float = 3600.0
    every: float = 1800.0
    cipher: Literal["", "none", "RSA", "aes256+base64"] = ""
    paused: bool = False
    private_key: str = ""
    aes_key: str = ""

    def conceal(self, secret: str) -> str:
        """Return the secret key as the ConfigMap carries it."""
        if self.cipher == "RSA":
            private = serialization.load_pem_private_key(self.private_key.encode(), None)
            assert isinstance(private, rsa.RSAPrivateKey)
            concealed = private.public_key().encrypt(secret.encode(), padding.PKCS1v15())
            return base64.b64encode(concealed).decode()
        if self.cipher == "aes256+base64":
            padder = blocks.PKCS7(128).padder()
            text = padder.update(secret.encode()) + padder.finalize()
            key = self.aes_key.encode()
            encryptor = Cipher(algorithms.AES(key), modes.CBC(key[:16])).encryptor()
            return base64.b64encode(encryptor.update(text) + encryptor.finalize()).decode()
        return secret


class ControlPlane:
    """The extension of one KCE cluster. ``issue`` makes a temporary key of the cloud account."""

    replaces: frozenset[str] = frozenset()

    def __init__(self, issue: Issue) -> None:
        self.issue = issue
        self.settings = Settings()
        self._path: Path | None = None
        self._keeper: KeyKeeper | None = None

    def configure(self, config: Config) -> Config:
        """Nothing else is different."""
        return config

    def install(self, cluster: Cluster) -> None:
        """Read the settings of the last run; make the keys of the ciphers once."""
        self._path = cluster.state_dir / _FILE if cluster.state_dir else None
        if self._path and self._path.exists():
            self.settings = msgspec.json.decode(self._path.read_bytes(), type=Settings)
            return
        private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.settings.private_key = private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        ).decode()
        self.settings.aes_key = secrets.token_hex(16)
        self._save()

    def loops(self, manager: Manager) -> list[Controller[Any]]:
        """Keep the ConfigMap."""
        self._keeper = KeyKeeper(manager.context, self)
        return [self._keeper]

    def change(self, changes: dict[str, Any]) -> Settings:
        """Change what is given and write a new key at once; raises msgspec.ValidationError."""
        merged = {**msgspec.to_builtins(self.settings), **changes}
        self.settings = msgspec.convert(merged, Settings)
        self._save()
        if self._keeper:
            self._keeper.renew()
        return self.settings

    def _save(self) -> None:
        if self._path:
            self._path.touch(mode=0o600)
            self._path.write_bytes(msgspec.json.encode(self.settings))


class KeyKeeper(Controller[str]):
    """The one key is the name of the ConfigMap; a deleted one comes back."""

    name = "temporary-keys"
    manager = "kce-control-plane"

    def __init__(self, context: Context, plane: ControlPlane) -> None:
        self._plane = plane
        self._due = 0.0
        super().__init__(context)

    def setup(self) -> None:
        self.maps = self.context.informer("configmaps")
        self.maps.on_change(self._on_map)
        self.queue.add(NAME)

    def _on_map(self, new: Any, old: Any) -> None:
        meta = (new or old)["metadata"]
        if new is None and (meta["namespace"], meta["name"]) == (NAMESPACE, NAME):
            self.renew()

    def renew(self) -> None:
        """Write a new key now."""
        self._due = 0.0
        self.queue.add(NAME)

    async def reconcile(self, key: str) -> float | None:
        """Write a key when the last one is due."""
        settings, now = self._plane.settings, self.context.now()
        there = self.maps.get((NAMESPACE, key)) is not None
        if there and (settings.paused or now < self._due):
            return None if settings.paused else self._due - now
        data = _data(self._plane.issue(settings.seconds), settings)
        if there:
            await self.client.patch("configmaps", key, NAMESPACE, {"data": data}, kind="merge")
        else:
            meta = {"name": key, "namespace": NAMESPACE}
            await self.client.create("configmaps", {"metadata": meta, "data": data})
        self._due = now + settings.every
        return settings.every


def _data(issued: Issued, settings: Settings) -> dict[str, str]:
    expires = datetime.fromtimestamp(int(issued.expires_at or 0), UTC)
    return {
        "ak": issued.access_key_id,
        "sk": settings.conceal(issued.access_key_secret),
        "securityToken": issued.token,
        "expired_at": expires.strftime("%Y-%m-%dT%H:%M:%S"),
        "cipher": settings.cipher,
    }
