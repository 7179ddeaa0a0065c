"""The command line against the whole console on a free port, on the test database."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from celery import current_app
from django.core.cache import cache

from console.cli.main import run
from console.cli.shell import Shell
from console.cli.tree import root
from tests.console import cast as people
from tests.console.cast import Cast, Fleet


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str


@pytest.fixture
def console(
    transactional_db: None, redis_server: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    broker = redis_server.url.replace("unix", "redis+socket")
    monkeypatch.setattr(current_app.conf, "broker_url", broker)
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    settings.ALLOWED_HOSTS = ["127.0.0.1"]
    settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)
    cache.clear()
    from console.asgi import application

    config = uvicorn.Config(
        application, host="127.0.0.1", port=0, log_level="warning", lifespan="off", ws="none"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    moment = threading.Event()
    while not server.started and thread.is_alive():
        moment.wait(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    server.force_exit = True
    thread.join(10)


@pytest.fixture
def cast(console: str) -> Cast:
    return people.make_cast()


@pytest.fixture
def fleet(cast: Cast) -> Fleet:
    return people.make_fleet(cast.team)


@pytest.fixture
def env(console: str, cast: Cast, tmp_path: Path) -> dict[str, str]:
    """Alice's, with a token that may write."""
    token = people.token(cast.alice)[1]
    return {"SPILLWAY_URL": console, "SPILLWAY_TOKEN": token, "HOME": str(tmp_path)}


Say = Callable[..., Said]


def sayer(env: dict[str, str], capsys: pytest.CaptureFixture[str]) -> Say:
    """`say("pod", "list")` runs the command in this process; `sleep` is called for every wait."""

    def say(*words: str, sleep: Callable[[float], None] | None = None, **more: str) -> Said:
        def unexpected(seconds: float) -> None:
            raise AssertionError(f"it waits {seconds} s")

        shell = Shell({**env, **more}, sleep=sleep or unexpected)
        code = run(root, name="spillway", argv=list(words), shell=shell)
        said = capsys.readouterr()
        return Said(code, said.out, said.err)

    return say


@pytest.fixture
def say(env: dict[str, str], capsys: pytest.CaptureFixture[str]) -> Say:
    return sayer(env, capsys)
