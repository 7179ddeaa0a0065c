"""The demo's own keys, environment and processes."""

from __future__ import annotations

import base64
import hashlib
import secrets
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from honcho.environ import parse_procfile

# A unix socket's path may have at most 107 bytes.
_SOCKET_LIMIT = 100


def _kept(path: Path, make: str) -> str:
    """A secret made once and kept in a file that only its owner may read."""
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(make)
    return path.read_text().strip()


def _redis_socket(directory: Path) -> Path:
    socket = directory / "redis.sock"
    if len(str(socket)) <= _SOCKET_LIMIT:
        return socket
    name = hashlib.sha256(str(directory).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"spillway-{name}" / "redis.sock"


def environment(directory: Path, port: int) -> dict[str, str]:
    """Environment of every process of the demo; secrets are made at the first start."""
    directory.mkdir(parents=True, exist_ok=True)
    _kept(directory / "password", secrets.token_urlsafe(12))
    vault = "demo:" + base64.b64encode(secrets.token_bytes(32)).decode()
    return {
        "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
        "PYTHONUNBUFFERED": "1",
        "PORT": str(port),
        "SPILLWAY_DATA_DIR": str(directory / "data"),
        "SPILLWAY_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "SPILLWAY_SECRET_KEY": _kept(directory / "secret-key", secrets.token_urlsafe(50)),
        "SPILLWAY_VAULT_KEYS": _kept(directory / "vault-key", vault),
        # The demo's world lives on this machine; a real console refuses such addresses.
        "SPILLWAY_DIAL_ALLOW": "127.0.0.0/8",
        # The demo's clouds show a bill while its hour runs; a real one takes a day.
        "SPILLWAY_BILL_SECONDS": "60",
        "REDIS_URL": f"unix://{_redis_socket(directory)}",
    }


def procfile(path: Path) -> Iterator[tuple[str, str]]:
    yield from parse_procfile(path.read_text()).processes.items()


def respawn(name: str, command: str) -> tuple[str, dict[str, str]]:
    """A process that is started again when it dies, and the variable that holds its command."""
    variable = f"DEMO_{name.upper()}"
    return f"exec {sys.executable} -m sandbox.demo.respawn {name} {variable}", {variable: command}
