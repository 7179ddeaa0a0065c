"""`onectl`: the commands by which registered clusters get their add-ons, with the same outputs.

Source: ACK One user guide, "Use onectl to manage registered clusters" and "Use ECI in registered
clusters". The cluster that is meant is named as for `spillway`, or else the one that the kubeconfig
(`--kubeconfig`, `$KUBECONFIG`, `~/.kube/config`) speaks of. Commands stay until they have ended.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import yaml

from console.cli import find, follow, plans
from console.cli.api import Json
from console.cli.commands import addons, ram
from console.cli.commands.session import completion, login
from console.cli.output import table
from console.cli.shell import Shell, ask, complete, pass_shell, with_cluster
from console.cli.values import Given, options

_HELP = {"help_option_names": ["-h", "--help"]}
_name = click.argument("name", shell_complete=complete("components/", "name"))
_version = click.option("--version", default="", help="Default: the newest that fits.")
_addon = click.option("--addon", required=True, help="Its name.")


@click.group(context_settings=_HELP)
@click.option("--kubeconfig", type=click.Path(path_type=Path), help="Names the cluster.")
@pass_shell
def root(shell: Shell, kubeconfig: Path | None) -> None:
    """Add-ons of registered clusters, through Spillway."""
    shell.kubeconfig = kubeconfig


@root.command()
def version() -> None:
    """Print the version."""
    from importlib.metadata import version as version_of

    click.echo(f"v{version_of('spillway')}")


@root.group("ram-user")
def ram_user() -> None:
    """RAM users for add-ons."""


@ram_user.command()
@_addon
@click.option("--replace", is_flag=True, help="Also a key that Spillway did not make.")
@with_cluster
@pass_shell
def grant(shell: Shell, addon: str, replace: bool) -> None:
    """Grant an add-on what it needs, and hand the cluster the key."""
    _meant(shell)
    shell.say(ram.sentence(ram.granted(shell, addon, replace=replace)))


@ram_user.command()
@_addon
@with_cluster
@pass_shell
def query(shell: Shell, addon: str) -> None:
    """Show how a grant stands."""
    _meant(shell)
    shell.say(table([ram.queried(shell, addon)], ram.COLUMNS))


@ram_user.command()
@_addon
@with_cluster
@pass_shell
def revoke(shell: Shell, addon: str) -> None:
    """Take back what was granted."""
    _meant(shell)
    found = ram.queried(shell, addon)
    ram.revoked(shell, addon)
    shell.say(f"Ram policy {found['policy']} revoked from ram user {found['user']} successfully.")


@root.group()
def addon() -> None:
    """Add-ons of a cluster."""


@addon.command("list")
@with_cluster
@pass_shell
def list_(shell: Shell) -> None:
    """List what the cluster has and may have."""
    rows = list(shell.api.pages("components/", {"cluster": _meant(shell)}))
    shell.say(table(rows, addons.OFFERED))


@addon.command()
@_name
@_version
@options
@with_cluster
@pass_shell
def install(shell: Shell, *, name: str, version: str, given: Given) -> None:
    """Install an add-on."""
    body: Json = {"cluster": _meant(shell), "component": name, "version": version}
    body["values"] = given.over({})
    shell.say(addons.installed(shell, _ended(shell, "installations/", body)))


@addon.command()
@_name
@_version
@with_cluster
@pass_shell
def upgrade(shell: Shell, name: str, version: str) -> None:
    """Bring an add-on to another version."""
    _meant(shell)
    path = f"installations/{find.installation(shell, name)['id']}/upgrade/"
    shell.say(addons.upgraded(shell, _ended(shell, path, {"version": version})))


@addon.command()
@_name
@click.option("--instances", type=click.Choice(["delete", "leave"]), default="delete")
@with_cluster
@pass_shell
def uninstall(shell: Shell, name: str, instances: str) -> None:
    """Uninstall an add-on: drain its nodes, delete instances and objects, prove that none is left.

    A person at a terminal is asked when pods run there.
    """
    _meant(shell)
    found = find.installation(shell, name)
    path = f"installations/{found['id']}/uninstall/"
    if text := plans.leaving(shell.api.post(path, {"dry_run": True})):
        shell.note(text)
        ask(not shell.asks, f"Uninstall {name} from {found['cluster']}?")
    _ended(shell, path, {"instances": instances})
    shell.say(f"Addon {name} uninstalled.")


def _ended(shell: Shell, path: str, body: Json) -> Json:
    return follow.operation(shell, shell.api.post(path, body)["id"])


def _meant(shell: Shell) -> str:
    """The slug of the cluster, also for the calls that follow. Raises `Usage`."""
    shell.asked_cluster = shell.cluster or _of_kubeconfig(shell) or shell.the_cluster()
    return shell.asked_cluster


def _of_kubeconfig(shell: Shell) -> str:
    """The registered cluster with the API server of the current context; empty: none, or several.

    Nothing but the address is read: the file may run programs when a client loads it.
    """
    listed = shell.env.get("KUBECONFIG", "").split(":")[0]
    file = shell.kubeconfig or Path(listed or Path(shell.env.get("HOME", "~"), ".kube", "config"))
    try:
        server = _server(yaml.safe_load(file.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError, StopIteration):
        return ""
    rows = list(shell.api.pages("clusters/", {"q": urlsplit(server).netloc}))
    return str(rows[0]["slug"]) if len(rows) == 1 else ""


def _server(config: Any) -> str:
    current = config["current-context"]
    context = next(one["context"] for one in config["contexts"] if one["name"] == current)
    name = context["cluster"]
    return str(next(one["cluster"]["server"] for one in config["clusters"] if one["name"] == name))


root.add_command(login, "configure")
root.add_command(completion)
