"""What docs/cli.md says to type exists."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from django.conf import settings

from console.cli import onectl, tree

TEXT = (settings.BASE_DIR / "docs" / "cli.md").read_text()
ROOTS: dict[str, click.Command] = {"spillway": tree.root, "onectl": onectl.root}


def _typed() -> Iterator[str]:
    for block in re.findall(r"```\n(.*?)```", TEXT, re.DOTALL):
        for line in block.splitlines():
            for part in re.split(r"\|\||\| ", line.partition(" #")[0].removeprefix("$ ")):
                if part.strip().partition(" ")[0] in ROOTS:
                    yield part.strip()


@pytest.mark.parametrize("line", [*_typed()])
def test_examples_are_taken(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("pod.yaml").touch()
    name, *words = shlex.split(line)
    command: click.Command = ROOTS[name]
    parent = None
    while True:
        context = command.make_context(name, words, parent=parent)
        if not isinstance(command, click.Group):
            break
        name, *words = [*context._protected_args, *context.args]
        assert name in command.commands, line
        command, parent = command.commands[name], context
    assert context.args == [], line


def test_the_table_names_every_command() -> None:
    table = TEXT[TEXT.index("## Commands") : TEXT.index("`spillway COMMAND --help`")]
    for name, command in tree.root.commands.items():
        if isinstance(command, click.Group):
            rows = [line for line in table.splitlines() if line.startswith(f"| `{name} ")]
            first = " ".join(row.split("|")[1] for row in rows)
            named = set(re.findall(r"[` ]([a-z]+)`", first))
            assert named == set(command.commands), name
        else:
            assert f"spillway {name}" in TEXT or f"| `{name} " in table, name
