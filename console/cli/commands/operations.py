"""`spillway operation`"""

from __future__ import annotations

import click

from console.cli import follow
from console.cli.api import Json, Params
from console.cli.output import Column, facts, stamp, table
from console.cli.shell import Shell, common, pass_shell, waiting, with_cluster

COLUMNS: tuple[Column, ...] = (
    ("ID", "id"),
    ("OPERATION", "title"),
    ("CLUSTER", "cluster"),
    ("STATUS", "status"),
    ("STEPS", lambda row: f"{row['steps_done']}/{row['steps_total']}"),
    ("SECONDS", "seconds"),
    ("BY", "actor"),
    ("CREATED", lambda row: stamp(row["created_at"])),
)
STEPS: tuple[Column, ...] = (
    ("STEP", "label"),
    ("", "mark"),
    ("TOOK", "took"),
    ("DETAIL", "detail"),
)
_number = click.argument("number", type=click.IntRange(min=1), metavar="ID")


@click.group()
def operation() -> None:
    """Installs, upgrades, removals: what runs and what ran."""


@operation.command("list")
@click.option("--state", default="", help="queued, running, succeeded, failed, cancelled.")
@click.option("--kind", default="", help="Such as install-component or add-node.")
@click.option("--last", type=click.IntRange(1, 1000), default=50, show_default=True)
@with_cluster
@common
@pass_shell
def list_(shell: Shell, state: str, kind: str, last: int) -> None:
    """List operations, the newest first."""
    asked: Params = {"cluster": shell.cluster, "state": state, "kind": kind, "limit": last}
    rows = shell.api.get("operations/", asked)["results"]
    shell.rows(rows, COLUMNS, none="No operations match.")


@operation.command()
@_number
@common
@pass_shell
def show(shell: Shell, number: int) -> None:
    """Show one operation with its steps."""
    found = shell.api.get(f"operations/{number}/")
    shell.result(found, lambda: text(found))


@operation.command()
@_number
@common
@pass_shell
def watch(shell: Shell, number: int) -> None:
    """Follow an operation to its end; exit code 1 when it failed."""
    ended(shell, number)


@operation.command()
@_number
@waiting
@common
@pass_shell
def retry(shell: Shell, number: int) -> None:
    """Go on from the failed step."""
    shell.api.post(f"operations/{number}/retry/")
    if shell.wait:
        return ended(shell, number)
    return shell.result({"id": number}, f"Operation {number} goes on.")


@operation.command()
@_number
@common
@pass_shell
def cancel(shell: Shell, number: int) -> None:
    """Stop after the running step."""
    shell.api.post(f"operations/{number}/cancel/")
    shell.result({"id": number}, f"Operation {number} stops after its running step.")


def ended(shell: Shell, number: int) -> None:
    found = follow.operation(shell, number)
    shell.result(found, lambda: text(found))


def text(found: Json) -> str:
    told = [
        ("Operation", f"{found['id']} {found['title']}"),
        ("Cluster", found["cluster"]),
        ("Status", found["status"]),
        ("By", found["actor"]),
        ("Seconds", found["seconds"]),
    ]
    if found["reason"]:
        told += [("Why", found["reason"]), ("Fix", found["fix"])]
    return f"{facts(told)}\n\n{table(follow.steps(found), STEPS)}"
