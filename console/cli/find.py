"""People name things; REST wants ids. A name that means several things is refused with them all."""

from __future__ import annotations

from collections.abc import Sequence

from console.cli.api import Json, Params
from console.cli.errors import NotFound, Usage
from console.cli.shell import Shell


def one(rows: Sequence[Json], what: str, *, named: str, list_with: str) -> Json:
    """The only row. Raises `NotFound` or `Usage`."""
    if not rows:
        raise NotFound(f"There is no {what}.", fix=f"`{list_with}` shows what there is.")
    if len(rows) > 1:
        places = ", ".join(str(row[named]) for row in rows[:8])
        raise Usage(f"There are {len(rows)} of {what}: {places}.", fix="Say which one.")
    return rows[0]


def _all(shell: Shell, path: str, params: Params) -> list[Json]:
    return list(shell.api.pages(path, params))


def pod(shell: Shell, name: str, namespace: str) -> Json:
    """By `NAME` or `NAMESPACE/NAME`, in the cluster that is meant if one is."""
    before, slash, after = name.partition("/")
    if slash:
        namespace, name = before, after
    asked = {"name": name, "namespace": namespace, "cluster": shell.cluster}
    rows = [
        {**row, "place": f"{row['cluster']} {row['namespace']}/{row['name']}"}
        for row in _all(shell, "pods/", asked)
    ]
    what = f"pod {f'{namespace}/' if namespace else ''}{name}{_in(shell)}"
    found = one(rows, what, named="place", list_with="spillway pod list")
    return {key: value for key, value in found.items() if key != "place"}


def node(shell: Shell, name: str) -> Json:
    asked = {"q": name, "cluster": shell.cluster}
    rows = [row for row in _all(shell, "nodes/", asked) if row["name"] == name]
    what = f"virtual node {name}{_in(shell)}"
    return one(rows, what, named="cluster", list_with="spillway node list")


def credential(shell: Shell, name: str) -> Json:
    """By name or number; without a name that of the cluster that is meant, or the only one."""
    rows = _all(shell, "credentials/", {})
    if not name and shell.cluster:
        name = str(shell.api.get(f"clusters/{shell.cluster}/")["credential"] or "")
    if name:
        rows = [row for row in rows if name in (row["name"], str(row["id"]))]
    what = f"credential {name}".strip()
    return one(rows, what, named="name", list_with="spillway credential list")


def installation(shell: Shell, component: str) -> Json:
    slug = shell.the_cluster()
    rows = _all(shell, "installations/", {"cluster": slug, "component": component})
    what = f"add-on {component} in cluster {slug}"
    return one(rows, what, named="id", list_with="spillway addon list")


def _in(shell: Shell) -> str:
    return f" in cluster {shell.cluster}" if shell.cluster else ""
