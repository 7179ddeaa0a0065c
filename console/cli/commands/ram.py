"""`spillway ram-user`: users of Alibaba Cloud's access management, made for add-ons."""

from __future__ import annotations

import click

from console.cli import find, follow
from console.cli.api import Json
from console.cli.errors import NotFound
from console.cli.output import Column, stamp
from console.cli.shell import Shell, ask, common, complete, confirmed, pass_shell, with_cluster

COLUMNS: tuple[Column, ...] = (
    ("ADDON", "addon"),
    ("USER", "user"),
    ("POLICY", "policy"),
    ("STATE", "state"),
    ("WORKS", "granted"),
    ("KEY", "access_key_id"),
    ("CLUSTERS", lambda row: [_held(one) for one in row["clusters"]]),
    ("ROTATED", lambda row: stamp(row["rotated_at"])),
)
_addon = click.option(
    "--addon", required=True, shell_complete=complete("components/", "name"), help="Its name."
)
_credential = click.option(
    "--credential",
    default="",
    help="Name or id of the AccessKey that may manage RAM.  [default: the cluster's]",
)


def _held(one: Json) -> str:
    return (
        str(one["cluster"])
        + {True: "", False: " (another key)", None: " (silent)"}[one["holds_key"]]
    )


@click.group("ram-user")
def ram_user() -> None:
    """RAM users for add-ons: policy, key, and the Secret that hands it to a cluster."""


@ram_user.command()
@_addon
@_credential
@click.option("--replace", is_flag=True, help="Also of a key that Spillway did not make.")
@with_cluster
@common
@pass_shell
def grant(shell: Shell, addon: str, credential: str, replace: bool) -> None:
    """Make the user with its policy and key; a cluster gets the key as a Secret."""
    made = granted(shell, addon, credential, replace=replace)
    shell.result(made, sentence(made))


@ram_user.command()
@_addon
@_credential
@with_cluster
@common
@pass_shell
def query(shell: Shell, addon: str, credential: str) -> None:
    """Show how a grant stands now: at the cloud and in clusters."""
    shell.rows([queried(shell, addon, credential)], COLUMNS, none="")


@ram_user.command()
@_addon
@_credential
@with_cluster
@common
@pass_shell
def rotate(shell: Shell, addon: str, credential: str) -> None:
    """Give clusters a new key, then disable the old one."""
    path = _path(shell, credential)
    follow.operation(shell, shell.api.post(f"{path}{addon}/rotate/")["id"])
    changed = queried(shell, addon, credential)
    shell.result(changed, f"The key of ram user {changed['user']} is rotated.")


@ram_user.command()
@_addon
@_credential
@confirmed
@with_cluster
@common
@pass_shell
def revoke(shell: Shell, addon: str, credential: str, yes: bool) -> None:
    """Delete the Secrets, the key, the user and its policy."""
    found = queried(shell, addon, credential)
    ask(yes, f"Delete ram user {found['user']}? Clusters lose its key.")
    revoked(shell, addon, credential)
    shell.result(found, f"Ram policy {found['policy']} revoked from ram user {found['user']}.")


def granted(shell: Shell, addon: str, credential: str = "", *, replace: bool = False) -> Json:
    body = {"addon": addon, "cluster": shell.cluster, "replace": replace}
    follow.operation(shell, shell.api.post(_path(shell, credential), body)["id"])
    return queried(shell, addon, credential)


def queried(shell: Shell, addon: str, credential: str = "") -> Json:
    """Raises `NotFound` when nothing was granted."""
    for row in shell.api.pages(_path(shell, credential)):
        if row["addon"] == addon and row["state"] != "revoked":
            return row
    fix = f"spillway ram-user grant --addon {addon}"
    raise NotFound(f"Nothing is granted to {addon}.", fix=fix)


def revoked(shell: Shell, addon: str, credential: str = "") -> None:
    begun = shell.api.delete(f"{_path(shell, credential)}{addon}/")
    follow.operation(shell, begun["id"])


def sentence(row: Json) -> str:
    return f"Ram policy {row['policy']} granted to ram user {row['user']} successfully."


def _path(shell: Shell, credential: str) -> str:
    return f"credentials/{find.credential(shell, credential)['id']}/ram-grants/"
