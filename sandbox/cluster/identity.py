"""What makes a cluster itself across restarts: its authority, signing key and secret."""

import json
import secrets
from dataclasses import dataclass
from pathlib import Path

from sandbox.cluster import pki

FILE = "identity.json"


@dataclass(frozen=True, slots=True)
class Identity:
    """The certificate authority, the ServiceAccount signing key, the static tokens' secret."""

    authority: pki.Pair
    signing_key: bytes
    secret: bytes

    @classmethod
    def load_or_make(cls, folder: Path | None) -> "Identity":
        """Read the identity kept in ``folder``, or make one and keep it there."""
        path = folder / FILE if folder else None
        if path and path.exists():
            return cls._read(path)
        made = cls(pki.new_authority(), pki.new_key(), secrets.token_bytes(32))
        if path:
            made._write(path)
        return made

    @classmethod
    def _read(cls, path: Path) -> "Identity":
        found = json.loads(path.read_text())
        pair = pki.Pair(found["certificate"].encode(), found["key"].encode())
        return cls(pair, found["signing_key"].encode(), bytes.fromhex(found["secret"]))

    def _write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        body = {
            "certificate": self.authority.certificate.decode(),
            "key": self.authority.key.decode(),
            "signing_key": self.signing_key.decode(),
            "secret": self.secret.hex(),
        }
        part = path.with_suffix(".part")
        part.write_text(json.dumps(body))
        part.chmod(0o600)
        part.replace(path)
