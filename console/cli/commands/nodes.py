"""`spillway node`"""

from __future__ import annotations

import click

from console.cli import find, follow
from console.cli.api import Json
from console.cli.output import Column, facts, gib, money, table
from console.cli.shell import Shell, common, complete, pass_shell, with_cluster

COLUMNS: tuple[Column, ...] = (
    ("CLUSTER", "cluster"),
    ("NAME", "name"),
    ("STATUS", "status"),
    ("PROVIDER", "providers"),
    ("ZONE", "zone"),
    ("PODS", lambda row: f"{row['pods_used']}/{row['pods_capacity'] or '-'}"),
    ("CPU", lambda row: f"{row['cpu_used']:g}/{row['cpu_capacity']:g}"),
    ("MEMORY", lambda row: f"{gib(row['memory_used'])}/{gib(row['memory_capacity'])}"),
    ("COST", money),
    ("VERSION", "version"),
)
CONDITIONS: tuple[Column, ...] = (
    ("CONDITION", "type"),
    ("STATUS", "status"),
    ("REASON", "reason"),
    ("MESSAGE", "message"),
)
_WATCHED = ("status", "reason", "version", "pods_used", "price_per_hour", "unschedulable")
_name = click.argument("name", shell_complete=complete("nodes/", "name"))
_provider = click.option("--provider", default="", help="Only of this cloud.")


@click.group()
def node() -> None:
    """Virtual nodes."""


@node.command("list")
@_provider
@with_cluster
@common
@pass_shell
def list_(shell: Shell, provider: str) -> None:
    """List virtual nodes."""
    asked = {"cluster": shell.cluster, "provider": provider}
    rows = sorted(shell.api.pages("nodes/", asked), key=lambda row: (row["cluster"], row["name"]))
    shell.rows(rows, COLUMNS, none="There are no virtual nodes.")


@node.command()
@_provider
@with_cluster
@common
@pass_shell
def watch(shell: Shell, provider: str) -> None:
    """List virtual nodes, then each change, until Ctrl-C."""
    asked = {"cluster": shell.cluster, "provider": provider}
    follow.changes(shell, "nodes/", asked, COLUMNS, watched=_WATCHED)


@node.command()
@_name
@with_cluster
@common
@pass_shell
def describe(shell: Shell, name: str) -> None:
    """Show one virtual node: conditions, labels, taints, capacity, what sends pods there."""
    found = shell.api.get(f"nodes/{find.node(shell, name)['id']}/")
    shell.result(found, lambda: _text(shell, found))


@node.command()
@_name
@with_cluster
@common
@pass_shell
def cordon(shell: Shell, name: str) -> None:
    """Let no new pods come to a virtual node."""
    _cordon(shell, name, "cordon")


@node.command()
@_name
@with_cluster
@common
@pass_shell
def uncordon(shell: Shell, name: str) -> None:
    """Let new pods come again."""
    _cordon(shell, name, "uncordon")


def _cordon(shell: Shell, name: str, verb: str) -> None:
    changed = shell.api.post(f"nodes/{find.node(shell, name)['id']}/{verb}/")
    shell.result(changed, f"node/{name} {verb}ed")


def _text(shell: Shell, found: Json) -> str:
    labels = [f"{key}={value}" for key, value in sorted(found["labels"].items())]
    taints = [
        f"{taint.get('key')}={taint.get('value', '')}:{taint.get('effect')}"
        for taint in found["taint_list"]
    ]
    told = [
        ("Name", found["name"]),
        ("Cluster", found["cluster"]),
        ("Status", f"{found['status']} {found['reason']}".strip()),
        ("Provider", found["providers"]),
        ("Region, zone", f"{found['region']}, {found['zone']}"),
        ("Version", found["version"]),
        ("Heartbeat", f"{shell.age(found['heartbeat_at'])} ago"),
        ("Pods", f"{found['pods_used']} of {found['pods_capacity']}"),
        ("CPU", f"{found['cpu_used']:g} of {found['cpu_capacity']:g}"),
        ("Memory", f"{gib(found['memory_used'])} of {gib(found['memory_capacity'])}"),
        ("Cost", money(found)),
        *(("Label", label) for label in labels),
        *(("Taint", taint) for taint in taints),
        *(("Subnet", f"{at.get('zone')} {at.get('subnet')}") for at in found["placements"]),
        ("Security group", found["security_group"]),
    ]
    parts = [facts(told), table(found["conditions"], CONDITIONS)]
    return "\n\n".join([*parts, f"Sends a pod here:\n{found['snippet']}".rstrip()])
