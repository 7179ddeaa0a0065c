"""`spillway addon`: components of a cluster."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from console.cli import find, follow, plans
from console.cli.api import Json
from console.cli.errors import CommandError, NotFound
from console.cli.output import Column, as_yaml, facts, stamp, table
from console.cli.shell import (
    Shell,
    ask,
    common,
    complete,
    confirmed,
    pass_shell,
    planned,
    waiting,
    with_cluster,
)
from console.cli.values import Given, options

OFFERED: tuple[Column, ...] = (
    ("NAME", "name"),
    ("INSTALLED", "installed"),
    ("NEWEST", "newest"),
    ("GROUP", "group"),
    ("DELIVERIES", "deliveries"),
    ("", lambda row: "" if row["compatible"] or row["installed"] else row["why"]),
)
CATALOGUE: tuple[Column, ...] = (
    ("NAME", "name"),
    ("LATEST", "latest"),
    ("GROUP", "group"),
    ("VENDOR", "vendor"),
    ("DELIVERIES", "deliveries"),
    ("TITLE", "title"),
)
INSTALLED: tuple[Column, ...] = (
    ("CLUSTER", "cluster"),
    ("NAME", "component"),
    ("VERSION", "version"),
    ("LATEST", "latest"),
    ("STATUS", "status"),
    ("DELIVERY", "delivery"),
    ("RELEASE", lambda row: f"{row['namespace']}/{row['release']}"),
    ("DRIFT", "drifted"),
)
REVISIONS: tuple[Column, ...] = (
    ("REVISION", "number"),
    ("ACTION", "action"),
    ("VERSION", "version"),
    ("STATUS", "status"),
    ("BY", "actor"),
    ("AT", lambda row: stamp(row["created_at"])),
    ("NOTE", "note"),
)
NODES: tuple[Column, ...] = (
    ("NAME", "name"),
    ("STATUS", "status"),
    ("ROLES", "role"),
    ("ZONE", "zone"),
    ("VERSION", "version"),
)
_name = click.argument("name", shell_complete=complete("components/", "name"))
_DELIVERIES = ["hosted", "in-cluster", "managed"]


def changing(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options of everything that starts an operation."""
    for option in (waiting, planned, with_cluster, common):
        function = option(function)
    return function


@click.group()
def addon() -> None:
    """Components: install, upgrade, configure, roll back, uninstall."""


@addon.command("list")
@click.option("--all-clusters", "-A", is_flag=True, help="What is installed in every cluster.")
@with_cluster
@common
@pass_shell
def list_(shell: Shell, all_clusters: bool) -> None:
    """List what the cluster has and may have; without one the catalogue."""
    if all_clusters:
        rows = list(shell.api.pages("installations/"))
        return shell.rows(rows, INSTALLED, none="Nothing is installed.")
    rows = list(shell.api.pages("components/", {"cluster": shell.cluster}))
    return shell.rows(rows, OFFERED if shell.cluster else CATALOGUE, none="There are none.")


@addon.command()
@_name
@with_cluster
@common
@pass_shell
def describe(shell: Shell, name: str) -> None:
    """Show a component, and with a cluster what is installed of it there."""
    found = shell.api.get(f"components/{name}/")
    if shell.cluster:
        asked = {"cluster": shell.cluster, "component": name}
        for row in shell.api.pages("installations/", asked):
            found["installation"] = shell.api.get(f"installations/{row['id']}/")
    shell.result(found, lambda: _described(found))


@addon.command()
@_name
@click.option("--version", default="", help="Default: the newest that fits.")
@click.option("--delivery", type=click.Choice(_DELIVERIES), help="Default: its first.")
@options
@changing
@pass_shell
def install(shell: Shell, *, name: str, version: str, delivery: str | None, given: Given) -> None:
    """Install a component into a cluster."""
    body: Json = {"cluster": shell.the_cluster(), "component": name, "version": version}
    body["delivery"] = (delivery or "").replace("-", "_")
    body["values"] = given.over({})
    _do(shell, "installations/", body, installed)


@addon.command()
@_name
@click.option("--version", default="", help="Default: the newest that fits.")
@options
@changing
@pass_shell
def upgrade(shell: Shell, *, name: str, version: str, given: Given) -> None:
    """Bring a component to another version; its values are carried over."""
    found = find.installation(shell, name)
    body: Json = {"version": version}
    if given:
        body["values"] = _values(shell, found, given)
    _do(shell, f"installations/{found['id']}/upgrade/", body, upgraded)


@addon.command()
@_name
@options
@changing
@pass_shell
def configure(shell: Shell, *, name: str, given: Given) -> None:
    """Change parameters; what is not named stays as it is."""
    said = _sentence("Addon {component} configured.")
    try:
        found = find.installation(shell, name)
    except NotFound:
        # The cluster was born with it, whether Spillway had to do with it yet or not.
        if not shell.api.get(f"components/{name}/")["system"]:
            raise
        body: Json = {"cluster": shell.the_cluster(), "component": name, "values": given.over({})}
        return _do(shell, "installations/", body, said)
    body = {"values": _values(shell, found, given)}
    return _do(shell, f"installations/{found['id']}/configure/", body, said)


@addon.command()
@_name
@click.option("--revision", type=click.IntRange(min=1), help="Default: the one before.")
@changing
@pass_shell
def rollback(shell: Shell, *, name: str, revision: int | None) -> None:
    """Go back to an earlier revision."""
    found = find.installation(shell, name)
    path, body = f"installations/{found['id']}/rollback/", {"revision": revision}
    said = _sentence("Addon {component} rolled back to version {version}.")
    _do(shell, path, body, said)


@addon.command()
@_name
@click.option(
    "--instances",
    type=click.Choice(["delete", "leave"]),
    default="delete",
    show_default=True,
    help="leave: they go on, billed, on the orphan list.",
)
@confirmed
@changing
@pass_shell
def uninstall(shell: Shell, *, name: str, instances: str, yes: bool) -> None:
    """Uninstall: drain, delete instances, nodes and objects, prove that none is left."""
    found = find.installation(shell, name)
    path = f"installations/{found['id']}/uninstall/"
    if not (yes or shell.dry_run):
        plan = shell.api.post(path, {"dry_run": True})
        if text := plans.leaving(plan):
            shell.note(text)
        what = "left, billed" if instances == "leave" else "deleted"
        ask(False, f"Uninstall {name} from {found['cluster']}? Instances are {what}.")
    body = {"instances": instances}
    _do(shell, path, body, _sentence("Addon {component} uninstalled."))


@addon.command()
@_name
@changing
@pass_shell
def repair(shell: Shell, *, name: str) -> None:
    """Apply again what the deployed revision says."""
    path = f"installations/{find.installation(shell, name)['id']}/repair/"
    _do(shell, path, {}, _sentence("Addon {component} repaired."))


@addon.command()
@_name
@changing
@pass_shell
def adopt(shell: Shell, *, name: str) -> None:
    """Take over a component that others installed."""
    body = {"cluster": shell.the_cluster(), "component": name}
    said = _sentence("Addon {component}, version {version} adopted.")
    _do(shell, "installations/adopt/", body, said)


@addon.command()
@_name
@with_cluster
@common
@pass_shell
def history(shell: Shell, name: str) -> None:
    """List its revisions, newest first."""
    number = find.installation(shell, name)["id"]
    rows = list(shell.api.pages(f"installations/{number}/revisions/"))
    shell.rows(rows, REVISIONS, none="There are no revisions yet.")


@addon.command()
@_name
@with_cluster
@common
@pass_shell
def nodes(shell: Shell, name: str) -> None:
    """List the virtual nodes that it brought, as the cluster has them now."""
    number = find.installation(shell, name)["id"]
    rows = list(shell.api.pages(f"installations/{number}/nodes/"))
    shell.rows(rows, NODES, none="It has no virtual node now.")


@addon.command()
@_name
@with_cluster
@common
@pass_shell
def drift(shell: Shell, name: str) -> None:
    """Compare the cluster with the deployed revision; exit code 1 when they differ."""
    number = find.installation(shell, name)["id"]
    rows = list(shell.api.pages(f"installations/{number}/drift/"))
    shell.rows(rows, plans.OBJECTS, none="Nothing differs.")
    if rows:
        fix = f"`spillway addon repair {name}` applies the revision again."
        raise CommandError(f"{len(rows)} fields differ.", fix=fix, code="drift")


Said = Callable[[Shell, Json], str]


def _sentence(text: str) -> Said:
    return lambda shell, operation: text.format(**_about(shell, operation))


def _about(shell: Shell, operation: Json) -> Json:
    """The component, and the version of it that is there now."""
    asked = {"cluster": operation["cluster"], "component": operation["target"]}
    rows = list(shell.api.pages("installations/", asked))
    return {"component": operation["target"], "version": rows[0]["version"] if rows else ""}


installed = _sentence("Addon {component}, version {version} installed.")
upgraded = _sentence("Addon {component} upgraded to version {version}.")


def _do(shell: Shell, path: str, body: Json, said: Said) -> None:
    if shell.dry_run:
        plan = shell.api.post(path, {**body, "dry_run": True})
        shell.result(plan, lambda: plans.text(plan))
        return plans.judge(plan)
    operation = shell.api.post(path, body)
    number = operation["id"]
    if not shell.wait:
        follows = f"Follow it: spillway operation watch {number}"
        return shell.result(operation, f"Operation {number}: {operation['title']}. {follows}")
    ended = follow.operation(shell, number)
    return shell.result(ended, lambda: said(shell, ended))


def _values(shell: Shell, found: Json, given: Given) -> Json:
    now = shell.api.get(f"installations/{found['id']}/")["values"]
    return given.over(now)


def _described(found: Json) -> str:
    told = [
        ("Name", found["name"]),
        ("Title", found["title"]),
        ("Summary", found["summary"]),
        ("Group", found["group"]),
        ("Vendor", found["vendor"]),
        ("Deliveries", found["deliveries"]),
        ("Versions", [one["version"] for one in found["versions"]]),
        *(("Permission", f"{one['what']}: {one['why']}") for one in found["permissions"]),
    ]
    parts = [facts(told)]
    if row := found.get("installation"):
        parts += [table([row], INSTALLED), f"Values:\n{as_yaml(row['effective'])}"]
    return "\n\n".join(parts)
