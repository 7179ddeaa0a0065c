"""What a command has at hand: the API, the clock, the options that all commands share."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from console.cli import config, output
from console.cli.api import Api
from console.cli.errors import CommandError, Usage
from console.cli.output import Column, Row

F = TypeVar("F", bound=Callable[..., Any])
FORMATS = ("table", "json", "yaml")


class Shell:
    def __init__(
        self,
        env: Mapping[str, str] | None = None,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.env = os.environ if env is None else env
        self.now = now
        self.sleep = sleep
        self.output = "table"
        self.asked_cluster = ""
        self.wait = False
        self.dry_run = False
        self.kubeconfig: Path | None = None

    @cached_property
    def config(self) -> config.Config:
        return config.load(self.env)

    @cached_property
    def api(self) -> Api:
        return Api(self.config, sleep=self.sleep)

    @property
    def cluster(self) -> str:
        """Slug of the cluster that was named by option, environment or file; may be empty."""
        return self.asked_cluster or self.config.cluster

    def the_cluster(self) -> str:
        """The one that is meant: named, or the only one there is. Raises `Usage`."""
        if self.cluster:
            return self.cluster
        slugs = [row["slug"] for row in self.api.pages("clusters/")]
        if len(slugs) == 1:
            return str(slugs[0])
        named = f"There are: {', '.join(slugs)}." if slugs else "There is none yet."
        raise Usage(f"Which cluster? {named}", fix="Add --cluster SLUG, or set SPILLWAY_CLUSTER.")

    @property
    def asks(self) -> bool:
        """Whether somebody is there to answer."""
        return sys.stdin.isatty()

    @property
    def for_people(self) -> bool:
        return self.output == "table"

    def say(self, text: str) -> None:
        """The result: standard output."""
        click.echo(text)

    def note(self, text: str) -> None:
        """Progress and hints: standard error, so that results can be piped."""
        click.echo(text, err=True)

    def dump(self, value: object) -> None:
        self.say(output.as_yaml(value) if self.output == "yaml" else output.as_json(value))

    def rows(self, rows: Sequence[Row], columns: Sequence[Column], *, none: str) -> None:
        if not self.for_people:
            self.dump(list(rows))
        elif rows:
            self.say(output.table(rows, columns))
        else:
            self.note(none)

    def result(self, value: object, text: str | Callable[[], str]) -> None:
        """`text` for people, `value` for programs."""
        if self.for_people:
            self.say(text() if callable(text) else text)
        else:
            self.dump(value)

    def age(self, text: str | None) -> str:
        then = output.when(text)
        return output.span((self.now() - then).total_seconds()) if then else "-"


pass_shell = click.make_pass_decorator(Shell)


def _set(name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def callback(ctx: click.Context, _parameter: click.Parameter, value: Any) -> None:
        shell = ctx.find_object(Shell)
        if shell is not None and value:
            setattr(shell, name, value)

    return callback


def complete(path: str, key: str, **params: str) -> Callable[..., list[CompletionItem]]:
    """Completion with what a list of the API has under `key`."""

    def found(_ctx: click.Context, _parameter: object, typed: str) -> list[CompletionItem]:
        try:
            rows = Api(config.load(os.environ), hasty=True).get(path, {"q": typed, **params})
        except CommandError:
            return []
        rows = rows["results"] if isinstance(rows, dict) else rows
        names = sorted({str(row[key]) for row in rows})
        return [CompletionItem(name) for name in names if name.startswith(typed)]

    return found


def common(function: F) -> F:
    """`--output`, of every command."""
    return click.option(
        "-o",
        "--output",
        type=click.Choice(FORMATS),
        expose_value=False,
        is_eager=True,
        callback=_set("output"),
        help="How to print; json and yaml have all fields.  [default: table]",
    )(function)


def with_cluster(function: F) -> F:
    return click.option(
        "--cluster",
        metavar="SLUG",
        expose_value=False,
        callback=_set("asked_cluster"),
        shell_complete=complete("clusters/", "slug"),
        help="The cluster that is meant.  [env var: SPILLWAY_CLUSTER]",
    )(function)


def _flag(name: str, text: str) -> Callable[[F], F]:
    option = f"--{name.replace('_', '-')}"
    return click.option(option, is_flag=True, expose_value=False, callback=_set(name), help=text)


waiting = _flag("wait", "Stay and show its steps until it has ended.")
planned = _flag("dry_run", "Show checks and changes; change nothing.")


def confirmed(function: F) -> F:
    return click.option("--yes", "-y", is_flag=True, help="Do not ask whether it is meant.")(
        function
    )


def ask(yes: bool, question: str) -> None:
    """Raises `Usage` where nobody can be asked."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise Usage(f"{question} Nobody is there to confirm.", fix="Add --yes.", code="confirm")
    click.confirm(question, abort=True, err=True)
