"""`spillway pod`"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import click

from console.cli import find, follow
from console.cli.api import Json, Params
from console.cli.errors import CommandError, Refused
from console.cli.output import Column, facts, money, stamp, table
from console.cli.shell import Shell, common, complete, pass_shell, with_cluster

_WATCHED = ("status", "ready", "restarts", "reason", "blocker", "ip", "instance_id", "spec")
_SINCE = re.compile(r"^(\d+)([smh])$")
_SECONDS = {"s": 1, "m": 60, "h": 3600}
_FOLLOW_SECONDS = 1.0


class Span(click.ParamType[int]):
    """`30s`, `5m` or `2h`, as seconds."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        match = _SINCE.match(str(value))
        if match is None:
            self.fail(f"{value!r} is not 30s, 5m or 2h.", param, ctx)
        return int(match[1]) * _SECONDS[match[2]]


MOMENTS: tuple[Column, ...] = (
    ("AT", lambda row: stamp(row["at"])),
    ("SOURCE", "source"),
    ("", lambda row: "warning" if row["warning"] else ""),
    ("REASON", "reason"),
    ("MESSAGE", lambda row: row["text"] + (f" (x{row['count']})" if row["count"] > 1 else "")),
)


def columns(shell: Shell) -> tuple[Column, ...]:
    return (
        ("CLUSTER", "cluster"),
        ("NAMESPACE", "namespace"),
        ("NAME", "name"),
        ("READY", "ready"),
        ("STATUS", "status"),
        ("RESTARTS", "restarts"),
        ("AGE", lambda row: shell.age(row["created_at"])),
        ("IP", "ip"),
        ("NODE", "node"),
        ("INSTANCE", "instance_id"),
        ("BILLED", "spec"),
        ("COST", money),
    )


_FILTERS: tuple[Callable[[Any], Any], ...] = (
    click.option("--namespace", "-n", default="", help="Only of this namespace."),
    click.option("--node", default="", help="Only on this virtual node."),
    click.option("--provider", default="", help="Only of this cloud."),
    click.option("--phase", default="", help="Pending, Running, Succeeded, Failed."),
    click.option(
        "--view",
        type=click.Choice(["all", "problems", "pending", "gone"]),
        default="all",
        help="As the tabs of the page.",
    ),
    click.option("--search", default="", help="As the page's search box: label:app=web age:<1h."),
)


def _filtered(function: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_FILTERS):
        function = option(function)
    return function


_pod = click.argument("name", metavar="[NAMESPACE/]NAME", shell_complete=complete("pods/", "name"))
_namespace = click.option("--namespace", "-n", default="", help="Of the pod.")


@click.group()
def pod() -> None:
    """Pods on virtual nodes."""


def _asked(shell: Shell, search: str, filters: dict[str, str]) -> dict[str, str]:
    return {"cluster": shell.cluster, "q": search, **filters}


@pod.command("list")
@_filtered
@with_cluster
@common
@pass_shell
def list_(shell: Shell, /, search: str, **filters: str) -> None:
    """List pods with their instances and what they cost."""
    rows = sorted(
        shell.api.pages("pods/", _asked(shell, search, filters)),
        key=lambda row: (row["cluster"], row["namespace"], row["name"]),
    )
    shell.rows(rows, columns(shell), none="No pods match.")


@pod.command()
@_filtered
@with_cluster
@common
@pass_shell
def watch(shell: Shell, /, search: str, **filters: str) -> None:
    """List pods, then each change, until Ctrl-C."""
    asked = _asked(shell, search, filters)
    follow.changes(shell, "pods/", asked, columns(shell), watched=_WATCHED)


@pod.command()
@_pod
@_namespace
@with_cluster
@common
@pass_shell
def describe(shell: Shell, name: str, namespace: str) -> None:
    """Show one pod: where it is, why it waits, what it costs, what happened to it."""
    found = find.pod(shell, name, namespace)
    timeline = shell.api.get(f"pods/{found['id']}/timeline/")
    value = {**found, "timeline": timeline["moments"], "missing": timeline["missing"]}
    shell.result(value, lambda: _text(shell, value))


@pod.command()
@_pod
@_namespace
@click.option("--container", "-c", default="", help="Default: the first one.")
@click.option("--tail", type=click.IntRange(1, 2000), default=500, show_default=True)
@click.option("--since", type=Span(), metavar="5m", help="Only of the last 30s, 5m, 2h.")
@click.option("--previous", "-p", is_flag=True, help="Of the run before the last restart.")
@click.option("--follow", "-f", "follows", is_flag=True, help="And what comes, until Ctrl-C.")
@click.option("--timestamps", is_flag=True, help="Begin each line with its time.")
@with_cluster
@common
@pass_shell
def logs(
    shell: Shell,
    *,
    name: str,
    namespace: str,
    container: str,
    tail: int,
    since: int | None,
    previous: bool,
    follows: bool,
    timestamps: bool,
) -> None:
    """Print the log of a container, also after its instance has ended."""
    found = find.pod(shell, name, namespace)
    asked: Params = {
        "container": container or _first(shell, found),
        "tail": tail,
        "since": since,
        "previous": "1" if previous else "",
    }
    path = f"pods/{found['id']}/logs/"
    last: list[str] = []
    while True:
        log = shell.api.get(path, asked)
        if not shell.for_people:
            return shell.dump(log)
        lines = log["text"].splitlines()
        for line in lines[_overlap(last, lines) :]:
            shell.say(line if timestamps else line.partition(" ")[2])
        if not follows or log["kept_at"]:
            return None
        last = lines or last
        shell.sleep(_FOLLOW_SECONDS)


def _overlap(before: list[str], now: list[str]) -> int:
    """How many lines of `now` were in `before`: both are the end of one growing text."""
    longest = min(len(before), len(now))
    return next((n for n in range(longest, 0, -1) if before[-n:] == now[:n]), 0)


def _first(shell: Shell, found: Json) -> str:
    try:
        manifest = shell.api.get(f"pods/{found['id']}/manifest/")
    except CommandError as error:
        fix = "Name the container with --container."
        raise Refused(f"The pod's containers are not known: {error}", fix=fix) from error
    return str(manifest["spec"]["containers"][0]["name"])


def _text(shell: Shell, found: Json) -> str:
    told = [
        ("Name", f"{found['namespace']}/{found['name']}"),
        ("Cluster", found["cluster"]),
        ("Status", f"{found['status']} {found['reason']}".strip()),
        ("Waits for", found["blocker"]),
        ("Next try", stamp(found["next_try_at"])),
        ("Workload", f"{found['workload_kind']} {found['workload']}".strip()),
        ("Node", found["node"]),
        ("IP", found["ip"]),
        ("Instance", f"{found['provider']} {found['instance_id']} {found['zone']}".strip()),
        ("Asked", found["asked"]),
        ("Billed", found["spec"]),
        ("Cost", money(found)),
        ("Restarts", found["restarts"]),
        ("Created", f"{stamp(found['created_at'])} ({shell.age(found['created_at'])} ago)"),
        ("Running", stamp(found["running_at"])),
    ]
    moments = table(found["timeline"], MOMENTS) if found["timeline"] else "Nothing happened yet."
    silent = f"\nNot told: {', '.join(found['missing'])}" if found["missing"] else ""
    return f"{facts(told)}\n\n{moments}{silent}"
