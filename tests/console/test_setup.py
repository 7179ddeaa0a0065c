"""How it starts: documented settings, refused keys, health that means progress."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import redis
from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import CommandError

from addons.runtime.net import alive_name
from addons.runtime.resync import DONE
from addons.watch.service import ALIVE_NAME
from console import checks
from tests.conftest import RedisServer

ROOT = Path(django_settings.BASE_DIR)


def _read_by_settings() -> set[str]:
    """First arguments of `env.<type>(...)` calls."""
    tree = ast.parse((ROOT / "console/settings.py").read_text())
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    return {
        str(call.args[0].value)
        for call in calls
        if isinstance(call.func, ast.Attribute)
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id == "env"
        and call.func.attr != "read_env"
        and isinstance(call.args[0], ast.Constant)
    }


def test_every_setting_is_documented() -> None:
    documented = set(re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert len(_read_by_settings()) > 15
    # Read by the Procfile and docker-compose.yml.
    assert documented - _read_by_settings() <= {"SPILLWAY_HOST", "PORT", "POSTGRES_PASSWORD"}
    assert _read_by_settings() - documented == set()


def test_nobody_else_reads_the_environment() -> None:
    allowed = {"settings.py", "asgi.py", "celery.py"}
    rooms = ("console", "addons", "providers", "kube")
    files = [file for room in rooms for file in (ROOT / room).rglob("*.py")]
    reading = [
        str(file.relative_to(ROOT))
        for file in files
        if re.search(r"os\.(environ|getenv)", file.read_text())
        and file.name not in allowed
        # The command line runs on other machines, where no settings are.
        and "cli" not in file.relative_to(ROOT).parts
    ]
    assert reading == []


def test_models_have_not_moved_on_from_their_migrations(db: None) -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


@pytest.mark.parametrize(
    ("key", "code"),
    [
        ("", "console.E001"),
        ("short", "console.E001"),
        ("a" * 60, "console.E001"),
        ("django-insecure-0123456789abcdefghijklmnopqrstuvwxyz", "console.E002"),
        ("please-ChangeMe-0123456789abcdefghijklmnopqrstuvwxyz", "console.E002"),
    ],
)
def test_bad_secret_key_is_refused(settings: Any, key: str, code: str) -> None:
    settings.SECRET_KEY = key
    assert [found.id for found in checks.secret_key()] == [code]
    with pytest.raises(ImproperlyConfigured, match="SPILLWAY_SECRET_KEY"):
        checks.refuse_bad_setup()


def test_good_keys_are_accepted() -> None:
    assert checks.secret_key() == []
    checks.refuse_bad_setup()


@pytest.mark.parametrize(
    "command",
    [
        ["manage.py", "check"],
        ["-c", "import console.asgi"],
        ["-m", "celery", "-A", "console", "worker", "--pool", "solo"],
    ],
)
def test_nothing_starts_without_a_secret_key(tmp_path: Path, command: list[str]) -> None:
    environment = {**os.environ, "SPILLWAY_SECRET_KEY": "short", "SPILLWAY_DATA_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode != 0
    assert "SPILLWAY_SECRET_KEY" in done.stderr + done.stdout


SIGNS = {"watch": ALIVE_NAME, "worker": alive_name("celery@here"), "beat": DONE}


@pytest.mark.parametrize("kind", SIGNS)
def test_health_means_progress(
    redis_server: RedisServer, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--worker", "celery@here"]
    with pytest.raises(CommandError, match=r"no sign of progress"):
        call_command("healthy", kind, *options)
    with redis.Redis.from_url(redis_server.url) as client:
        client.set(SIGNS[kind], time.time() - 600)
        with pytest.raises(CommandError, match=r"600 s ago"):
            call_command("healthy", kind, *options)
        client.set(SIGNS[kind], time.time())
    call_command("healthy", kind, *options)
    assert "progress 0 s ago" in capsys.readouterr().out


def test_health_without_redis_says_so(settings: Any) -> None:
    settings.REDIS_URL = "unix:///nowhere/redis.sock"
    with pytest.raises(CommandError, match="Redis does not answer"):
        call_command("healthy", "watch")


def test_health_of_web_asks_its_address(
    live_server: Any, redis_server: RedisServer, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("healthy", "web", "--url", f"{live_server.url}/readyz")
    assert '"redis": "ok"' in capsys.readouterr().out
    redis_server.stop()
    try:
        with pytest.raises(CommandError, match=r"503.*ConnectionError"):
            call_command("healthy", "web", "--url", f"{live_server.url}/readyz")
    finally:
        redis_server.start()


def test_web_that_is_not_there_is_not_healthy() -> None:
    with pytest.raises(CommandError, match="web:"):
        call_command("healthy", "web", "--url", "http://127.0.0.1:1/readyz")
