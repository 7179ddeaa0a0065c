"""Parts of the command line that need no console."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import click
import pytest
from django.conf import settings

from console.cli import config, output
from console.cli.api import Api
from console.cli.commands.pods import _overlap
from console.cli.config import Config
from console.cli.errors import Unreachable, Usage
from console.cli.main import run
from console.cli.shell import Shell
from console.cli.tree import root
from console.cli.values import Given


def test_it_starts_without_django_and_celery() -> None:
    code = (
        "import sys, console.cli.tree, console.cli.onectl;"
        "found = {n.partition('.')[0] for n in sys.modules};"
        "print(*sorted(found & {'django', 'celery', 'rest_framework', 'kubernetes', 'addons'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, cwd=settings.BASE_DIR
    )
    assert done.stdout.split() == []


def test_the_installed_commands_are_there() -> None:
    project = tomllib.loads((settings.BASE_DIR / "pyproject.toml").read_text())["project"]
    assert set(project["scripts"]) == {"spillway", "onectl"}
    for target in project["scripts"].values():
        module, _colon, name = target.partition(":")
        assert callable(getattr(importlib.import_module(module), name))


def _leaves(command: click.Command, path: str = "") -> Iterator[tuple[str, click.Command]]:
    if isinstance(command, click.Group):
        for name, sub in command.commands.items():
            yield from _leaves(sub, f"{path} {name}".strip())
    else:
        yield path, command


def test_every_command_and_option_is_explained() -> None:
    for path, command in _leaves(root):
        assert command.help, path
        names = {name for option in command.params for name in option.opts}
        if path not in {"login", "logout", "completion"}:
            assert "--output" in names, path


def test_the_file_is_for_its_user_alone(tmp_path: Path) -> None:
    file = tmp_path / "spillway" / "config.toml"
    odd = Config(url="https://a.example", token='a"b\\c\n', cluster="x")
    config.store(file, odd)
    config.store(file, odd)
    assert file.stat().st_mode & 0o777 == 0o600
    assert config.stored(file) == odd
    assert 'a"b' not in repr(odd)


def test_a_kept_token_does_not_go_to_another_address(tmp_path: Path) -> None:
    env = {"XDG_CONFIG_HOME": str(tmp_path)}
    config.store(config.path(env), Config(url="https://a.example", token="canary"))
    assert config.load(env).token == "canary"
    assert config.load(env | {"SPILLWAY_URL": "https://a.example/"}).token == "canary"
    assert config.load(env | {"SPILLWAY_URL": "https://b.example"}).token == ""


@pytest.mark.parametrize(
    "text",
    ["spillway.example.com", "ftp://a", "http://a.example", "https://u:p@a.example", "https://"],
)
def test_addresses_that_get_no_token(text: str) -> None:
    with pytest.raises(Usage):
        config.address(text)


def test_a_broken_file_is_said(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("url = ")
    with pytest.raises(Usage, match="cannot be read"):
        config.stored(file)


class _Server(BaseHTTPRequestHandler):
    """Answers by a script: a status with a body, or None for a connection that ends."""

    script: list[tuple[int, dict[str, str], object] | None]
    keys: list[str | None]
    paths: list[str]

    def _answer(self) -> None:
        self.keys.append(self.headers.get("Idempotency-Key"))
        self.paths.append(self.path)
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        step = self.script.pop(0)
        if step is None:
            self.close_connection = True
            return
        status, headers, body = step
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = _answer  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def scripted() -> Iterator[tuple[type[_Server], str]]:
    handler = type("Scripted", (_Server,), {"script": [], "keys": [], "paths": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield handler, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def _api(url: str, waits: list[float]) -> Api:
    numbers = iter(range(100))
    return Api(Config(url, "t"), sleep=waits.append, new_key=lambda: f"key-{next(numbers)}")


def test_a_lost_answer_is_asked_for_again_with_the_same_key(
    scripted: tuple[type[_Server], str],
) -> None:
    handler, url = scripted
    handler.script += [None, (409, {}, {"code": "idempotency_in_progress"}), (202, {}, {"id": 7})]
    assert _api(url, []).post("nodes/", {}) == {"id": 7}
    assert handler.keys == ["key-0"] * 3


def test_a_busy_console_is_waited_for(scripted: tuple[type[_Server], str]) -> None:
    handler, url = scripted
    handler.script += [(429, {"Retry-After": "3"}, {"code": "throttled"}), (200, {}, [])]
    waits: list[float] = []
    assert _api(url, waits).get("pods/") == []
    assert waits == [3.0]


def test_redirects_do_not_carry_the_token_away(scripted: tuple[type[_Server], str]) -> None:
    handler, url = scripted
    handler.script += [(302, {"Location": f"{url}/elsewhere"}, {})]
    with pytest.raises(Unreachable, match="not the address of a Spillway"):
        _api(url, []).get("pods/")
    assert handler.paths == ["/api/v1/pods/"]


def test_login_keeps_what_works_and_nothing_else(
    scripted: tuple[type[_Server], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    handler, url = scripted
    refusal = {"code": "authentication_failed", "detail": "The token is unknown."}
    handler.script += [(401, {}, refusal), (200, {}, {"username": "alice"})]
    env = {"XDG_CONFIG_HOME": str(tmp_path)}

    def login(token: str) -> int:
        file = tmp_path / "token"
        file.write_text(token)
        with file.open() as opened, monkeypatch.context() as patch:
            patch.setattr("sys.stdin", opened)
            words = ["login", url, "--token-stdin", "--cluster", "mine"]
            return run(root, name="spillway", argv=words, shell=Shell(env))

    assert login("wrong") == 3
    assert not config.path(env).exists()
    assert login("canary\n") == 0
    assert config.stored(config.path(env)) == Config(url, "canary", "mine")
    assert "canary" not in "".join(capsys.readouterr())


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_printed(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(root, name="spillway", argv=["completion", shell], shell=Shell({})) == 0
    assert "_SPILLWAY_COMPLETE" in capsys.readouterr().out


def test_parameters_come_from_files_and_words() -> None:
    base = {"a": {"b": 1, "c": 2}, "keep": "x"}
    found = Given((), ("a.b=3", "flag=true", "ids=sg-1,sg-2", 'v="1.10"'), ("keep",)).over(base)
    assert found == {"a": {"b": 3, "c": 2}, "flag": True, "ids": "sg-1,sg-2", "v": "1.10"}
    assert base == {"a": {"b": 1, "c": 2}, "keep": "x"}
    with pytest.raises(Usage):
        Given(sets=("keep.deeper=1",)).over(base)


def test_what_names_say_does_not_speak_to_the_terminal() -> None:
    assert output.cell("a\x1b[31mb\nc") == "a [31mb c"


def test_chinese_text_takes_two_columns() -> None:
    lines = output.table([{"a": "运行中", "b": 1}, {"a": "ok", "b": 2}], (("A", "a"), ("B", "b")))
    assert [output.width(line) for line in lines.splitlines()[1:]] == [10, 10]


@pytest.mark.parametrize(
    ("before", "now", "same"),
    [
        ([], ["1 a"], 0),
        (["1 a"], ["1 a", "2 b"], 1),
        (["1 a", "2 b"], ["2 b", "3 c"], 1),
        (["1 a", "1 a"], ["1 a", "1 a", "1 a"], 2),
        (["1 a"], ["5 e"], 0),
    ],
)
def test_a_log_that_is_followed_prints_each_line_once(
    before: list[str], now: list[str], same: int
) -> None:
    assert _overlap(before, now) == same
