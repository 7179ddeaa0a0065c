"""`spillway cluster`"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from console.cli import plans
from console.cli.api import Json
from console.cli.errors import NotFound, Refused, Usage
from console.cli.find import credential
from console.cli.output import Column, facts, money
from console.cli.shell import Shell, ask, common, complete, confirmed, pass_shell

COLUMNS: tuple[Column, ...] = (
    ("NAME", "slug"),
    ("STATUS", "status"),
    ("KIND", "kind"),
    ("VERSION", "version"),
    ("REGION", "region"),
    ("NODES", lambda row: f"{row['nodes_ready']}/{row['nodes_total']}"),
    ("PODS", "pods"),
    ("COST", money),
)
_slug = click.argument("slug", shell_complete=complete("clusters/", "slug"))


@click.group()
def cluster() -> None:
    """Registered clusters."""


@cluster.command("list")
@click.option("--search", default="", help="In name, slug, region and address.")
@common
@pass_shell
def list_(shell: Shell, search: str) -> None:
    """List the clusters you may see."""
    rows = sorted(shell.api.pages("clusters/", {"q": search}), key=lambda row: str(row["slug"]))
    shell.rows(rows, COLUMNS, none="No cluster is registered: spillway cluster add --help")


@cluster.command()
@_slug
@common
@pass_shell
def describe(shell: Shell, slug: str) -> None:
    """Show one cluster and its checklist."""
    found = shell.api.get(f"clusters/{slug}/")
    shell.result(found, lambda: f"{_facts(shell, found)}\n\n{_checklist(found['checks'])}")


@cluster.command()
@_slug
@common
@pass_shell
def check(shell: Shell, slug: str) -> None:
    """Run the checklist again; exit code 3 when something stands against the cluster."""
    found = shell.api.post(f"clusters/{slug}/check/")
    shell.result(found, lambda: _checklist(found["checks"]))
    _judge(found["checks"])


@cluster.command()
@click.argument("name")
@click.option("--kubeconfig", type=click.Path(path_type=Path), help="Default: $KUBECONFIG.")
@click.option("--context", default="", help="Default: the current one.")
@click.option("--slug", default="", help="Its short name in addresses.  [default: from NAME]")
@click.option("--kind", default="", help="Default: as found out.")
@click.option("--region", default="")
@click.option("--environment", default="")
@click.option("--credential", "account", default="", help="Name or id of its cloud credential.")
@click.option("--tag", "tags", multiple=True, metavar="KEY=VALUE")
@click.option("--team", default="")
@click.option("--dry-run", is_flag=True, help="Run the checklist and store nothing.")
@common
@pass_shell
def add(
    shell: Shell,
    /,
    *,
    name: str,
    kubeconfig: Path | None,
    account: str,
    tags: tuple[str, ...],
    dry_run: bool,
    **fields: str,
) -> None:
    """Register the cluster of a kubeconfig; refused unless its checklist passes."""
    given = {"kubeconfig": _read(shell, kubeconfig), "context": fields.pop("context")}
    if dry_run:
        checks = shell.api.post("clusters/check/", given)
        shell.result(checks, lambda: _checklist(checks))
        return _judge(checks)
    body: Json = {"name": name, "tags": _pairs(tags), **given, **fields}
    if account:
        body["credential"] = credential(shell, account)["id"]
    made = shell.api.post("clusters/", body)
    shell.result(made, f"Cluster {made['slug']} registered.")
    return None


@cluster.command()
@_slug
@confirmed
@common
@pass_shell
def remove(shell: Shell, slug: str, yes: bool) -> None:
    """Forget a cluster that has no virtual nodes; nothing in it is changed."""
    ask(yes, f"Forget cluster {slug}?")
    shell.api.delete(f"clusters/{slug}/")
    shell.result({"slug": slug, "removed": True}, f"Cluster {slug} removed.")


def _facts(shell: Shell, found: Json) -> str:
    return facts(
        [
            ("Name", found["slug"]),
            ("Title", found["name"]),
            ("Status", f"{found['status']} {found['reason']}".strip()),
            ("Kind", found["kind"]),
            ("Version", found["version"]),
            ("Region", found["region"]),
            ("Nodes", f"{found['nodes_ready']} of {found['nodes_total']} ready"),
            ("Pods", found["pods"]),
            ("Cost", money(found)),
            ("Last seen", f"{shell.age(found['last_seen_at'])} ago"),
        ]
    )


def _checklist(checks: list[Json]) -> str:
    return plans.checklist(checks) if checks else "It was not checked yet."


def _judge(checks: list[Json]) -> None:
    bad = [row for row in checks if row["state"] == "bad"]
    if bad:
        names = "; ".join(row["title"] for row in bad)
        raise Refused(f"{len(bad)} checks failed: {names}", fix=bad[0]["fix"], code="checks_failed")


def _read(shell: Shell, file: Path | None) -> str:
    listed = shell.env.get("KUBECONFIG", "").split(":")[0]
    home = Path(shell.env.get("HOME") or Path.home()) / ".kube" / "config"
    path = file or (Path(listed) if listed else home)
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise NotFound(f"There is no file {path}.", fix="Add --kubeconfig FILE.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise Usage(f"{path} cannot be read: {error}") from error


def _pairs(texts: tuple[str, ...]) -> dict[str, Any]:
    found = [text.partition("=") for text in texts]
    if any(not sign for _key, sign, _value in found):
        raise Usage("A tag is given as KEY=VALUE.")
    return {key: value for key, _sign, value in found}
