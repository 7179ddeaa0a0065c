"""`spillway login`, `logout`, `whoami`, `completion`"""

from __future__ import annotations

import sys
from dataclasses import replace

import click
from click.shell_completion import get_completion_class

from console.cli import config
from console.cli.api import Api
from console.cli.errors import Usage
from console.cli.output import facts
from console.cli.shell import Shell, common, pass_shell


@click.command()
@click.argument("url", required=False)
@click.option("--token-stdin", is_flag=True, help="Read the token from standard input.")
@click.option("--cluster", default="", help="The cluster that is meant from now on.")
@pass_shell
def login(shell: Shell, url: str | None, token_stdin: bool, cluster: str) -> None:
    """Keep the address of Spillway and an API token for this user (mode 0600).

    The token is made in the browser: Settings, API tokens.
    """
    file = config.path(shell.env)
    kept = config.stored(file)
    asked = url or shell.env.get("SPILLWAY_URL") or _ask("Address of Spillway", kept.url)
    token = sys.stdin.read() if token_stdin else _ask("API token", hidden=True)
    found = replace(
        kept,
        url=config.address(asked),
        token=token.strip(),
        cluster=cluster or kept.cluster,
        ca_file=shell.env.get("SPILLWAY_CA_FILE") or kept.ca_file,
    )
    me = Api(found, sleep=shell.sleep).get("me/")
    config.store(file, found)
    shell.say(f"Signed in to {found.url} as {me['username']}; kept in {file}.")


@click.command()
@pass_shell
def logout(shell: Shell) -> None:
    """Forget the address and the token; revoke the token under Settings."""
    file = config.path(shell.env)
    file.unlink(missing_ok=True)
    shell.say(f"{file} is removed.")


@click.command()
@common
@pass_shell
def whoami(shell: Shell) -> None:
    """Show whose token is used, where, and the roles in teams."""
    me = shell.api.get("me/")
    teams = [f"{team} ({role})" for team, role in me["teams"].items()]
    told = [("User", me["username"]), ("Spillway", shell.config.url), ("Teams", teams)]
    shell.result(me, lambda: facts(told))


@click.command()
@click.argument("shell_name", metavar="SHELL", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell_name: str) -> None:
    """Print what makes a shell complete commands, clusters, add-ons, nodes and pods.

    For example in ~/.bashrc:  eval "$(spillway completion bash)"
    """
    root = ctx.find_root()
    name = root.info_name or "spillway"
    made = get_completion_class(shell_name)
    assert made is not None
    variable = f"_{name.replace('-', '_').upper()}_COMPLETE"
    click.echo(made(root.command, {}, name, variable).source())


def _ask(label: str, default: str = "", *, hidden: bool = False) -> str:
    if not sys.stdin.isatty():
        raise Usage(f"{label}: nobody is there to ask.", fix="spillway login URL --token-stdin")
    return str(click.prompt(label, default=default or None, hide_input=hidden, err=True))
