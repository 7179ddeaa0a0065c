"""All commands of `spillway`."""

from __future__ import annotations

import click

from console.cli.commands.addons import addon
from console.cli.commands.billing import billing
from console.cli.commands.check import check
from console.cli.commands.clusters import cluster
from console.cli.commands.credentials import credential
from console.cli.commands.fleet import fleet
from console.cli.commands.nodes import node
from console.cli.commands.operations import operation
from console.cli.commands.pods import pod
from console.cli.commands.ram import ram_user
from console.cli.commands.session import completion, login, logout, whoami

_HELP = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.group(context_settings=_HELP)
@click.version_option(package_name="spillway", message="spillway %(version)s")
def root() -> None:
    """Virtual nodes, the pods on them and the components that bring them, from a terminal.

    \b
    Exit codes:  0 done            1 it failed          2 wrong usage
                 3 refused         4 not found          5 Spillway not reached
    """


for command in (
    *(addon, ram_user, fleet, cluster, credential, node, pod, check, operation, billing),
    *(login, logout, whoami, completion),
):
    root.add_command(command)
