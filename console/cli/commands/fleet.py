"""`spillway fleet`: one component brought to one version on many clusters, in waves."""

from __future__ import annotations

import click

from console.cli.api import Json
from console.cli.errors import CommandError
from console.cli.follow import LOOK_SECONDS
from console.cli.output import Column, facts, stamp, table
from console.cli.shell import Shell, common, complete, pass_shell, waiting

COLUMNS: tuple[Column, ...] = (
    ("ID", "id"),
    ("COMPONENT", "component"),
    ("VERSION", "version"),
    ("STATUS", "status"),
    ("DONE", lambda row: f"{row['done']}/{row['clusters']}"),
    ("FAILED", "failed"),
    ("WAVES", "waves"),
    ("BATCH", "batch"),
    ("BY", "actor"),
    ("CREATED", lambda row: stamp(row["created_at"])),
)
MEMBERS: tuple[Column, ...] = (
    ("WAVE", "wave"),
    ("CLUSTER", "cluster"),
    ("STATE", "state"),
    ("OPERATION", "operation"),
    ("DETAIL", "detail"),
)
_GOING = {"running", "paused"}
_number = click.argument("number", type=click.IntRange(min=1), metavar="ID")


@click.group()
def fleet() -> None:
    """Upgrades of many clusters, in waves."""


@fleet.command("list")
@click.option("--component", default="", shell_complete=complete("components/", "name"))
@click.option("--state", default="", help="running, paused, stopped, succeeded, cancelled.")
@common
@pass_shell
def list_(shell: Shell, component: str, state: str) -> None:
    """List fleet upgrades, the newest first."""
    asked = {"component": component, "state": state}
    rows = list(shell.api.pages("fleet-upgrades/", asked))
    shell.rows(rows, COLUMNS, none="There are no fleet upgrades.")


@fleet.command()
@_number
@common
@pass_shell
def show(shell: Shell, number: int) -> None:
    """Show one fleet upgrade with its clusters by wave."""
    found = shell.api.get(f"fleet-upgrades/{number}/")
    shell.result(found, lambda: _text(found))


@fleet.command()
@click.argument("component", shell_complete=complete("components/", "name"))
@click.option("--version", required=True)
@click.option("--clusters", default="", metavar="SLUG,...", help="Default: all that are behind.")
@click.option("--canary", default="", metavar="SLUG", help="Goes first, alone.")
@click.option("--batch", type=click.IntRange(1, 100), default=10, show_default=True)
@click.option("--pause", type=click.IntRange(min=0), default=0, help="Seconds between waves.")
@click.option("--go-on", is_flag=True, help="Go on after a failure instead of stopping.")
@click.option("--team", default="")
@waiting
@common
@pass_shell
def upgrade(
    shell: Shell,
    *,
    component: str,
    version: str,
    clusters: str,
    canary: str,
    batch: int,
    pause: int,
    go_on: bool,
    team: str,
) -> None:
    """Bring a component to a version: a canary cluster first, then waves."""
    body: Json = {"component": component, "version": version, "canary": canary, "batch": batch}
    body |= {"pause_seconds": pause, "stop_on_failure": not go_on, "team": team}
    body["clusters"] = [slug.strip() for slug in clusters.split(",") if slug.strip()]
    made = shell.api.post("fleet-upgrades/", body)
    if shell.wait:
        return _ended(shell, made["id"])
    follows = f"Follow it: spillway fleet watch {made['id']}"
    return shell.result(made, f"Fleet upgrade {made['id']}: {made['clusters']} clusters. {follows}")


@fleet.command()
@_number
@common
@pass_shell
def watch(shell: Shell, number: int) -> None:
    """Follow a fleet upgrade to its end; exit code 1 when it did not succeed."""
    _ended(shell, number)


@fleet.command()
@_number
@common
@pass_shell
def pause(shell: Shell, number: int) -> None:
    """Start no further clusters; those at work go on to their end."""
    _act(shell, number, "pause")


@fleet.command()
@_number
@click.option(
    "--failed",
    type=click.Choice(["retry", "leave"]),
    default="retry",
    show_default=True,
    help="What becomes of clusters that failed.",
)
@common
@pass_shell
def resume(shell: Shell, number: int, failed: str) -> None:
    """Go on where it was paused or stopped."""
    _act(shell, number, "resume", {"failed": failed})


@fleet.command()
@_number
@common
@pass_shell
def retry(shell: Shell, number: int) -> None:
    """Try the clusters that failed once more; what runs goes on meanwhile."""
    _act(shell, number, "retry")


@fleet.command()
@_number
@common
@pass_shell
def cancel(shell: Shell, number: int) -> None:
    """Start no further clusters, ever."""
    _act(shell, number, "cancel")


def _act(shell: Shell, number: int, verb: str, body: Json | None = None) -> None:
    found = shell.api.post(f"fleet-upgrades/{number}/{verb}/", body)
    shell.result(found, f"Fleet upgrade {number}: {found['status']}")


def _ended(shell: Shell, number: int) -> None:
    known: dict[str, str] = {}
    while True:
        found = shell.api.get(f"fleet-upgrades/{number}/")
        for member in found["members"]:
            if known.get(member["cluster"], "waiting") != member["state"]:
                detail = f": {member['detail']}" if member["detail"] else ""
                shell.note(f"wave {member['wave']} {member['cluster']} {member['state']}{detail}")
            known[member["cluster"]] = member["state"]
        if found["state"] not in _GOING:
            break
        shell.sleep(LOOK_SECONDS * 2)
    if found["state"] != "succeeded":
        fix = f"spillway fleet show {number}; spillway fleet resume {number}"
        text = f"The fleet upgrade {found['state']}. {found['reason']}".strip()
        raise CommandError(text, fix=fix, code=f"fleet_{found['state']}")
    shell.result(found, lambda: _text(found))


def _text(found: Json) -> str:
    told = [
        ("Fleet upgrade", f"{found['id']} {found['component']} {found['version']}"),
        ("Status", f"{found['status']} {found['reason']}".strip()),
        ("Clusters", f"{found['done']} of {found['clusters']} done, {found['failed']} failed"),
        ("By", found["actor"]),
    ]
    return f"{facts(told)}\n\n{table(found['members'], MEMBERS)}"
