"""A PostgreSQL server of the test run: a data directory under /tmp, a socket in it, no network."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

INSTALLED = Path("/usr/lib/postgresql")


def binaries() -> Path | None:
    """The newest installed version's; None: there is none."""
    found = [path.parent for path in INSTALLED.glob("*/bin/initdb")]
    return max(found, key=lambda path: int(path.parent.name)) if found else None


class Postgres:
    """`url` is for DATABASE_URL. Runs as nobody when we are root, whom PostgreSQL refuses."""

    def __init__(self, bin_dir: Path) -> None:
        self._bin = bin_dir
        self._directory = Path(tempfile.mkdtemp(prefix="sp-pg-", dir="/tmp"))
        self.url = f"postgres://postgres@{quote(str(self._directory), safe='')}/spillway"
        self._who: dict[str, Any] = {}
        if os.getuid() == 0:
            shutil.chown(self._directory, "nobody", "nogroup")
            self._who = {"user": "nobody", "group": "nogroup", "extra_groups": []}

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [str(self._bin / program), *arguments],
            check=True,
            capture_output=True,
            timeout=60,
            cwd=self._directory,
            **self._who,
        )

    def start(self) -> None:
        data, log = str(self._directory / "data"), str(self._directory / "log")
        auth = ("--username", "postgres", "--auth", "trust", "--no-sync")
        self._run("initdb", "--pgdata", data, "--encoding", "UTF8", *auth)
        options = (
            f"-c listen_addresses='' -c unix_socket_directories={self._directory} -c fsync=off"
        )
        self._run("pg_ctl", "start", "--pgdata", data, "--wait", "--log", log, "-o", options)

    def stop(self) -> None:
        data = str(self._directory / "data")
        self._run("pg_ctl", "stop", "--pgdata", data, "--mode", "immediate")
        shutil.rmtree(self._directory, ignore_errors=True)
