"""`manage.py healthy web|watch|worker|beat`: for the health checks of containers.

Health is progress, not mere life: a worker that runs and takes no task is not healthy.
"""

from __future__ import annotations

import socket
import time
import urllib.error
import urllib.request
from typing import Any

import redis
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from addons.runtime.net import LOOK_SECONDS, alive_name
from addons.runtime.resync import DONE, LATE_SECONDS
from addons.watch.service import ALIVE_NAME

# How old the last proof may be, in seconds.
WORKER_SECONDS = 9 * LOOK_SECONDS
WATCH_SECONDS = 20.0


class Command(BaseCommand):
    help = "Exit 0 when the process of this kind makes progress, else 1 with the reason."
    # It runs every few seconds in every container.
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("kind", choices=["web", "watch", "worker", "beat"])
        parser.add_argument("--url", default="http://127.0.0.1:8000/readyz", help="of web")
        parser.add_argument(
            "--worker", default=f"celery@{socket.gethostname()}", help="node name of the worker"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        kind = options["kind"]
        if kind == "web":
            self._web(options["url"])
            return
        name, most = {
            "watch": (ALIVE_NAME, WATCH_SECONDS),
            "worker": (alive_name(options["worker"]), WORKER_SECONDS),
            "beat": (DONE, float(LATE_SECONDS)),
        }[kind]
        age = self._age(name)
        if age is None:
            raise CommandError(f"{kind}: no sign of progress under {name}.")
        if age > most:
            raise CommandError(f"{kind}: the last progress was {age:.0f} s ago, more than {most}.")
        self.stdout.write(f"{kind}: progress {age:.0f} s ago")

    def _age(self, name: str) -> float | None:
        try:
            with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=3) as client:
                value = client.get(name)
        except redis.RedisError as error:
            raise CommandError(f"Redis does not answer: {error}") from error
        return time.time() - float(value) if value else None

    def _web(self, url: str) -> None:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310
                self.stdout.write(f"web: {answer.read().decode()}")
        except urllib.error.HTTPError as error:
            raise CommandError(f"web: {error.code} {error.read().decode()}") from error
        except OSError as error:
            raise CommandError(f"web: {error}") from error
