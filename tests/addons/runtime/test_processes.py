"""Real worker and beat processes that are killed, and a Redis that comes back empty."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
from django.conf import settings

from addons.models import Operation
from addons.runtime import net
from tests.addons import cast
from tests.conftest import RedisServer, wait_until

pytestmark = [pytest.mark.chaos, pytest.mark.django_db(transaction=True)]


@contextmanager
def process(server: RedisServer, log: Path, *args: str) -> Iterator[subprocess.Popen[bytes]]:
    environment = os.environ | {
        "REDIS_URL": server.url,
        "DATABASE_URL": f"sqlite:///{settings.DATABASES['default']['NAME']}",
        "SPILLWAY_LEASE_SECONDS": "4",
        "SPILLWAY_DATA_DIR": str(log.parent),
    }
    with log.open("ab") as output:
        made = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "console", *args],
            env=environment,
            cwd=settings.BASE_DIR,
            stdout=output,
            stderr=output,
        )
    try:
        yield made
    finally:
        made.kill()
        made.wait()


def worker(server: RedisServer, log: Path) -> Any:
    options = ("--pool", "threads", "--without-mingle", "--without-gossip", "-n", "w@here")
    return process(server, log, "worker", *options)


def queued() -> Operation:
    """An operation without steps: a worker that looks at it ends it."""
    return Operation.objects.create(
        team=cast.team(), kind="add-node", target="x", actor="alice", cluster=cast.cluster()
    )


def ended(operation: Operation) -> bool:
    operation.refresh_from_db()
    return operation.ended_at is not None


def test_a_worker_finishes_what_it_finds_and_proves_that_it_consumes(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    operation = queued()
    with worker(redis_server, tmp_path / "log"):
        wait_until(lambda: ended(operation), seconds=30)
        with redis.Redis.from_url(redis_server.url) as client:
            wait_until(lambda: client.exists(net.alive_name("w@here")), seconds=20)


def test_a_worker_survives_a_redis_that_dies_and_returns_empty(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    with worker(redis_server, tmp_path / "log") as running:
        first = queued()
        wait_until(lambda: ended(first), seconds=90)
        redis_server.stop()
        second = queued()
        redis_server.start()
        wait_until(lambda: ended(second), seconds=90)
        assert running.poll() is None


def test_the_work_of_a_killed_worker_is_taken_over(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    with worker(redis_server, tmp_path / "log") as running:
        first = queued()
        wait_until(lambda: ended(first), seconds=90)
        running.kill()
        running.wait()
        second = queued()
    with worker(redis_server, tmp_path / "log"):
        wait_until(lambda: ended(second), seconds=30)
