"""Real parts for tests: a Redis of the session, a database file that threads can share, a world."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import current_app
from django.conf import settings
from hypothesis import HealthCheck
from hypothesis import settings as hypotheses

from addons.runtime.loop import Runtime
from addons.runtime.loop import runtime as own_runtime
from console.management.commands.redis import find_binary
from tests.postgres import Postgres, binaries

# How long an example takes says how busy the machine is, not what is wrong with it.
hypotheses.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypotheses.load_profile("busy")


def wait_until(condition: Callable[[], Any], *, seconds: float = 10.0) -> Any:
    """The first true value of the condition, looked at often; AssertionError after `seconds`."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, f"not true within {seconds} s"
        time.sleep(0.01)
    return value


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings: None) -> None:
    """A file instead of memory: worker threads and child processes see the same database."""
    database = settings.DATABASES["default"]
    if "sqlite" in database["ENGINE"]:
        name = str(Path(settings.DATA_DIR) / "test.sqlite3")
        database.setdefault("TEST", {})["NAME"] = name


@pytest.fixture(scope="session", autouse=True)
def own_runtime_ends(django_db_setup: None) -> Iterator[None]:
    """Whatever a test started by `runtime()` ends before the test database is dropped."""
    yield
    if own_runtime.cache_info().currsize:
        own_runtime().stop()
        own_runtime.cache_clear()


class RedisServer:
    """A Redis that tests may stop, kill and empty. `url` stays the same over restarts."""

    def __init__(self, directory: str) -> None:
        self.socket = f"{directory}/r.sock"
        self.url = f"unix://{self.socket}"
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            [
                *(find_binary(), "--port", "0", "--unixsocket", self.socket, "--save", ""),
                *("--appendonly", "no", "--dir", self._directory, "--loglevel", "warning"),
            ]
        )
        wait_until(self._answers)

    def _answers(self) -> bool:
        try:
            with redis.Redis.from_url(self.url) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def stop(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def empty(self) -> None:
        with redis.Redis.from_url(self.url) as client:
            client.flushall()
            client.script_flush()


@pytest.fixture(scope="session")
def redis_session() -> Iterator[RedisServer]:
    with tempfile.TemporaryDirectory(prefix="sp-redis-") as directory:
        server = RedisServer(directory)
        server.start()
        yield server
        server.stop()


@pytest.fixture
def redis_server(redis_session: RedisServer, settings: Any) -> RedisServer:
    """Empty, and the one that the settings name."""
    redis_session.empty()
    settings.REDIS_URL = redis_session.url
    return redis_session


class World:
    """The simulated world in a child process; `facts` is its world.json."""

    def __init__(self, directory: Path, clusters: str = "ack-hangzhou") -> None:
        self.directory = directory
        self.clusters = clusters
        self.process: subprocess.Popen[bytes] | None = None
        self.facts: dict[str, Any] = {}

    def start(self) -> None:
        file = self.directory / "world.json"
        file.unlink(missing_ok=True)
        log = (self.directory / "world.log").open("ab")
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "sandbox"),
                *("--state-dir", str(self.directory), "--ports", "random"),
                *("--clusters", self.clusters),
            ],
            stdout=log,
            stderr=log,
            cwd=settings.BASE_DIR,
        )
        log.close()
        wait_until(self._ready(file), seconds=30)
        self.facts = json.loads(file.read_text())

    def _ready(self, file: Path) -> Callable[[], bool]:
        def ready() -> bool:
            assert self.process is not None
            assert self.process.poll() is None, (self.directory / "world.log").read_text()[-2000:]
            return file.exists()

        return ready

    def stop(self) -> None:
        if self.process:
            self.process.terminate()
            self.process.wait(20)
            self.process = None

    @property
    def kubeconfig(self) -> str:
        return Path(self.facts["clusters"][0]["kubeconfig"]).read_text()


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    """One simulated cluster and cloud for the whole session; leave it as you found it."""
    with tempfile.TemporaryDirectory(prefix="sp-world-") as directory:
        made = World(Path(directory))
        made.start()
        yield made
        made.stop()


@pytest.fixture
async def redis_client(redis_server: RedisServer) -> AsyncIterator[redis.asyncio.Redis]:
    client = redis.asyncio.Redis.from_url(redis_server.url)
    yield client
    await client.aclose()


@pytest.fixture
def runtime(redis_server: RedisServer, transactional_db: None) -> Iterator[Runtime]:
    """A running loop with Redis and the database, nudges going to the same Redis."""
    current_app.conf.broker_url = settings.CELERY_BROKER_URL.replace(
        settings.CELERY_BROKER_URL.partition("?")[0],
        redis_server.url.replace("unix", "redis+socket"),
    )
    made = Runtime(redis_url=redis_server.url).start()
    yield made
    made.stop()


_LAST = ("tests/chaos/", "tests/browser/")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole systems and browsers come last: Playwright keeps a loop running in this thread."""

    def rank(item: pytest.Item) -> int:
        path = item.nodeid.replace("\\", "/")
        return next((n for n, start in enumerate(_LAST, 1) if path.startswith(start)), 0)

    items.sort(key=rank)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """An empty server; skips where PostgreSQL is not installed."""
    bin_dir = binaries()
    if bin_dir is None:
        pytest.skip("no PostgreSQL server under /usr/lib/postgresql (Debian: postgresql)")
    server = Postgres(bin_dir)
    server.start()
    yield server
    server.stop()
