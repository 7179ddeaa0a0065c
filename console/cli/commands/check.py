"""`spillway check`"""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

import click

from console.cli import find
from console.cli.api import Json
from console.cli.errors import CommandError
from console.cli.shell import Shell, common, pass_shell, with_cluster

_OUTCOMES = {
    "works": "works",
    "ignores": "works, parts are ignored",
    "refused": "refused",
    "elsewhere": "goes elsewhere",
}


@click.command()
@click.option(
    "--filename",
    "-f",
    "file",
    type=click.File("r", encoding="utf-8"),
    required=True,
    help="Manifests, YAML or JSON; `-` reads standard input.",
)
@click.option("--provider", "providers", multiple=True, help="Only this cloud; several times.")
@click.option("--region", default="", help="Default: that of the first credential of each cloud.")
@click.option("--node", default="", help="Only the clouds of this virtual node.")
@with_cluster
@common
@pass_shell
def check(shell: Shell, file: IO[str], providers: tuple[str, ...], region: str, node: str) -> None:
    """Say what each cloud would do with workloads, and what they would cost there.

    Exit code 1: a workload that every cloud asked refuses.
    """
    body: Json = {"yaml": file.read(), "providers": list(providers)}
    if region:
        body["region"] = region
    if node:
        body["node"] = find.node(shell, node)["id"]
    report = shell.api.post("compatibility/", body)
    shell.result(report, lambda: "\n".join(_lines(report)))
    if not report["runs"]:
        raise CommandError("Not every workload runs on one of the clouds asked.", code="refused")


def _lines(report: Json) -> Iterator[str]:
    for workload in report["workloads"]:
        yield from _workload(workload)
    if report["skipped"]:
        yield f"Not checked: {', '.join(report['skipped'])}"


def _workload(workload: Json) -> Iterator[str]:
    pods = "1 pod" if workload["replicas"] == 1 else f"{workload['replicas']} pods"
    place = f"{workload['kind']} {workload['namespace']}/{workload['name']}"
    yield f"{place}: {pods}, {_size(workload['asked']) or 'nothing asked'}"
    for fault in workload["faults"]:
        yield from _finding(fault)
    for cloud in workload["clouds"]:
        yield f"  {cloud['provider']:<5} {_OUTCOMES[cloud['outcome']]:<26} {_money(cloud)}".rstrip()
        for finding in cloud["findings"]:
            yield from _finding(finding)
    yield ""


def _size(asked: Json) -> str:
    parts = (("cpu", "vCPU"), ("memory", "GiB"), ("gpu", "GPU"))
    return " ".join(f"{asked[key]} {unit}" for key, unit in parts if asked[key])


def _money(cloud: Json) -> str:
    if cloud["outcome"] == "elsewhere":
        return ""
    size = cloud["billed"]["size"] or "-"
    if cloud["price_per_hour"] is None:
        return f"{size}  no list price known"
    unit = f"{cloud['currency']}/h"
    total = cloud["price_of_all_per_hour"]
    return f"{size}  {cloud['price_per_hour']} {unit} each, {total} {unit} in all"


def _finding(finding: Json) -> Iterator[str]:
    line = f" (line {finding['line']})" if finding["line"] else ""
    place = f"{finding['of']} {finding['path']}".strip()
    yield f"        {finding['effect']:<8} {place}{line}: {finding['message']}"
    if finding["fix"]:
        yield f"                 fix: {finding['fix']}"
